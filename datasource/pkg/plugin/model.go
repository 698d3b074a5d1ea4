package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// The kinds of query and the formats of their answers.
const (
	kindMetrics = "metrics"
	kindErrors  = "errors"

	formatTimeSeries = "timeseries"
	formatTable      = "table"
)

const (
	modelVersion = 1
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
	Version     int            `json:"version"`
}

// absent is a limit that was not given; 0 is the server's maximum.
const absent = -1

var defaultLimits = map[string]int{kindMetrics: 10, kindErrors: 50}

// What is absent has the front end's default: an alert rule reaches this
// without passing through it and must mean the same.
func defaultModel() model {
	return model{
		QueryType:   kindMetrics,
		Metrics:     []string{"executions"},
		Granularity: auto,
		Descending:  true,
		Limit:       absent,
		Format:      formatTimeSeries,
		Version:     modelVersion,
	}
}

// parseModel reads a query. Its error is a *query.RequestError.
func parseModel(text json.RawMessage) (model, error) {
	m := defaultModel()
	if err := json.Unmarshal(text, &m); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return m, &query.RequestError{Param: wrong.Field, Message: fmt.Sprintf("it is a %s and must be a %s", wrong.Value, wrong.Type)}
		}
		return m, &query.RequestError{Param: "query", Message: "it is not valid JSON"}
	}
	m.QueryType = orDefault(m.QueryType, kindMetrics)
	if m.Limit == absent {
		m.Limit = defaultLimits[m.QueryType]
	}
	if m.Version > modelVersion {
		return m, &query.RequestError{Param: "version", Message: fmt.Sprintf("the query was made by a newer version of this plugin (model %d, known up to %d): update the plugin", m.Version, modelVersion)}
	}
	return m, m.normalise()
}

func (m *model) normalise() error {
	if err := oneOf("queryType", m.QueryType, kindMetrics, kindErrors); err != nil {
		return err
	}
	if err := oneOf("format", m.Format, formatTimeSeries, formatTable); err != nil {
		return err
	}
	if m.QueryType == kindMetrics && len(m.Metrics) == 0 {
		return &query.RequestError{Param: "metrics", Message: "no metric is chosen", Example: "executions"}
	}
	kept := make([]query.Filter, 0, len(m.Filters))
	for _, f := range m.Filters {
		values, err := filterValues(f)
		if err != nil {
			return err
		}
		if len(values) > 0 {
			f.Values = values
			kept = append(kept, f)
		}
	}
	m.Filters = kept
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
		if variable.MatchString(v) {
			// Taken for a value it would match nothing, and an alert would never fire.
			return nil, &query.RequestError{
				Param: "filters", Value: v,
				Message: fmt.Sprintf("the filter on %s names a variable that nothing has replaced; in an alert rule, where there are no variables, put values in its place", f.Dimension),
			}
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

func oneOf(param, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return &query.RequestError{Param: param, Value: value, Message: "there is no such " + strings.ToLower(param), Allowed: allowed}
}

// request is what the model asks of the engine in the query's period.
func (m *model) request(q backend.DataQuery) (query.Request, error) {
	if m.QueryType == kindErrors {
		return query.Request{
			Kind: query.KindErrors, From: q.TimeRange.From.UTC(), To: q.TimeRange.To.UTC(), TimeZone: m.TimeZone,
			Filters: m.Filters, Limit: m.Limit,
		}, nil
	}
	r := query.Request{
		Metrics:    m.Metrics,
		From:       q.TimeRange.From.UTC(),
		To:         q.TimeRange.To.UTC(),
		TimeZone:   m.TimeZone,
		GroupBy:    m.GroupBy,
		Filters:    m.Filters,
		OrderBy:    m.OrderBy,
		Descending: m.Descending,
		// Rows that nobody put in an order stay in that of their groups.
		Ascending: !m.Descending && (m.Limit > 0 || m.OrderBy != ""),
		Limit:     m.Limit,
		Compare:   m.Compare,
	}
	var err error
	r.Granularity, err = granularity(m.Granularity, q)
	return r, err
}
