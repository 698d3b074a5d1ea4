package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

const (
	modelVersion = 2
	// What Grafana puts for a variable that is set to "All".
	allValues = "$__all"
	// What a filter has for the empty value. An empty text is a variable that is
	// not set. It cannot be a value's own name: whatever looks like a variable is
	// refused.
	noneValue = "$__none"
)

// model is a query as dashboards and alert rules store it. The front end keeps
// the same one in types.ts.
type model struct {
	QueryType   string         `json:"queryType"`
	Metrics     []string       `json:"metrics"`
	Granularity string         `json:"granularity"`
	GroupBy     []string       `json:"groupBy"`
	Filters     []query.Filter `json:"filters"`
	OrderBy     string         `json:"orderBy"`
	Descending  bool           `json:"descending"`
	Limit       int            `json:"limit"`
	Compare     query.Compare  `json:"compare"`
	TimeZone    string         `json:"timeZone"`
	Format      string         `json:"format"`
	Alias       string         `json:"alias"`
	// Exemplar puts single executions beside series of durations.
	Exemplar bool `json:"exemplar"`
	// Params are the members of query.Request.Params. Empty ones are absent.
	Params map[string]string `json:"params"`
	// AsOf is a time of RFC 3339, a date or milliseconds since 1970; empty is now.
	AsOf string `json:"asOf"`
	// Fields are the columns of a table that is not of metrics, in their order; none is
	// all. An alert rule takes a table with one column of numbers.
	Fields []string `json:"fields"`
	// Expr is the text of a query in a language.
	Expr    string `json:"expr"`
	Version int    `json:"version"`

	kind Kind
}

// absent is a limit that was not given; 0 is the server's.
const absent = -1

var defaultLimits = map[query.Kind]int{query.KindMetrics: 10, query.KindErrors: 50}

// What is absent has the front end's default: an alert rule reaches this
// without passing through it and must mean the same.
func defaultModel(k Kind) model {
	m := model{QueryType: string(k.Kind), Descending: true, Limit: absent, Format: k.Formats[0], Version: modelVersion, kind: k}
	if k.uses("metrics") {
		m.Metrics = []string{"executions"}
	}
	if k.Kind == query.KindMetrics {
		m.Granularity = auto
	}
	return m
}

// parseModel reads a query of Flowgauge's kinds, or of more. Its error is a
// *query.RequestError.
func parseModel(text json.RawMessage, more ...Kind) (model, error) {
	var head struct {
		QueryType string `json:"queryType"`
		Version   int    `json:"version"`
	}
	if err := decodeModel(text, &head); err != nil {
		return model{}, err
	}
	if head.Version > modelVersion {
		return model{}, &query.RequestError{Param: "version", Message: fmt.Sprintf("the query was made by a newer version of this plugin (model %d, known up to %d): update the plugin", head.Version, modelVersion)}
	}
	kind, err := kindOf(orDefault(head.QueryType, string(query.KindMetrics)), more...)
	if err != nil {
		return model{}, err
	}
	m := defaultModel(kind)
	if err := decodeModel(text, &m); err != nil {
		return m, err
	}
	m.QueryType, m.Format = string(kind.Kind), orDefault(m.Format, kind.Formats[0])
	m.migrate()
	return m, m.normalise()
}

func decodeModel(text json.RawMessage, into any) error {
	err := json.Unmarshal(text, into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return &query.RequestError{Param: wrong.Field, Message: fmt.Sprintf("it is a %s and must be a %s", wrong.Value, wrong.Type)}
	case err != nil:
		return &query.RequestError{Param: "query", Message: "it is not valid JSON"}
	}
	return nil
}

// migrate brings a query of an older version up to this one. The first version read of
// error groups nothing but filters, limit and time zone.
func (m *model) migrate() {
	if m.Version < 2 && m.kind.Kind == query.KindErrors {
		d := defaultModel(m.kind)
		d.Filters, d.Limit, d.TimeZone = m.Filters, m.Limit, m.TimeZone
		*m = d
	}
	m.Version = modelVersion
}

func (m *model) normalise() error {
	if err := oneOf("format", m.Format, m.kind.Formats...); err != nil {
		return err
	}
	if m.Limit == absent {
		m.Limit = defaultLimits[m.kind.Kind]
	}
	if m.kind.uses("metrics") && len(m.Metrics) == 0 {
		return &query.RequestError{Param: "metrics", Message: "no metric is chosen", Example: "executions"}
	}
	var err error
	if m.Filters, err = keptFilters(m.Filters); err != nil {
		return err
	}
	return m.normaliseParams()
}

// keptFilters are the filters that are left with values.
func keptFilters(filters []query.Filter) ([]query.Filter, error) {
	kept := make([]query.Filter, 0, len(filters))
	for _, f := range filters {
		values, err := filterValues(f)
		if err != nil {
			return nil, err
		}
		if len(values) > 0 {
			f.Values = values
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// normaliseParams leaves out what is empty: a text field that nobody filled in.
func (m *model) normaliseParams() error {
	for name, value := range m.Params {
		if unreplaced(value) {
			return unreplacedError("params."+name, value, "the parameter "+name)
		}
		if strings.TrimSpace(value) == "" {
			delete(m.Params, name)
		}
	}
	return nil
}

// filterValues returns the values that a filter is left with. None drops the
// filter: its variable is set to "All", or not set.
func filterValues(f query.Filter) ([]string, error) {
	if slices.Contains(f.Values, allValues) {
		return nil, nil
	}
	var values []string
	for _, v := range f.Values {
		if v == noneValue {
			values = append(values, emptyOf(f.Dimension))
			continue
		}
		if unreplaced(v) {
			return nil, unreplacedError("filters", v, "the filter on "+f.Dimension)
		}
		if v != "" {
			values = append(values, v)
		}
	}
	return values, nil
}

// emptyOf is the value of events that have none.
func emptyOf(dimension string) string {
	if dimension == metric.Version {
		return "0"
	}
	return ""
}

var variable = regexp.MustCompile(`^(\$[A-Za-z_]\w*|\$\{[A-Za-z_][\w.:]*\}|\[\[[A-Za-z_][\w:]*\]\])$`)

func unreplaced(value string) bool { return variable.MatchString(value) }

// unreplacedError refuses a variable in place of a value: taken for one it would match
// nothing, and an alert would never fire.
func unreplacedError(param, value, what string) error {
	return &query.RequestError{
		Param: param, Value: value,
		Message: what + " names a variable that nothing has replaced; in an alert rule, where there are no variables, put values in its place",
	}
}

func oneOf(param, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return &query.RequestError{Param: param, Value: value, Message: "there is no such " + strings.ToLower(param), Allowed: allowed}
}

// request is what the model asks of the engine in the query's period. What its kind
// does not take, the engine refuses.
func (m *model) request(q backend.DataQuery) (query.Request, error) {
	r := query.Request{
		Kind:     m.kind.Kind,
		Metrics:  m.Metrics,
		From:     q.TimeRange.From.UTC(),
		To:       q.TimeRange.To.UTC(),
		TimeZone: m.TimeZone,
		GroupBy:  m.GroupBy,
		Filters:  m.Filters,
		OrderBy:  m.OrderBy,
		Limit:    m.Limit,
		Compare:  m.Compare,
		Params:   m.Params,
	}
	r.Descending = m.Descending && m.kind.uses("descending")
	// Rows that nobody put in an order stay in that of their groups.
	ordered := m.kind.Kind != query.KindMetrics || m.Limit > 0 || m.OrderBy != ""
	r.Ascending = !m.Descending && m.kind.uses("ascending") && ordered
	var err error
	if m.Granularity != "" {
		if r.Granularity, err = granularity(m.Granularity, q); err != nil {
			return r, err
		}
	}
	r.AsOf, err = m.asOf()
	return r, err
}

func (m *model) asOf() (time.Time, error) {
	text := strings.TrimSpace(m.AsOf)
	if text == "" {
		return time.Time{}, nil
	}
	if unreplaced(text) {
		return time.Time{}, unreplacedError("asOf", text, "asOf")
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		zone, err := time.LoadLocation(m.TimeZone)
		if err != nil {
			return time.Time{}, &query.RequestError{Param: "timeZone", Value: m.TimeZone, Message: "there is no such time zone", Example: "Europe/Berlin"}
		}
		return query.DayStart(day.Year(), day.Month(), day.Day(), zone), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, &query.RequestError{Param: "asOf", Value: text, Message: "it is neither a time of RFC 3339, nor a date, nor milliseconds since 1970", Example: "2026-04-02T00:00:00Z"}
	}
	return t.UTC(), nil
}
