package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// spellings are the PRD's names of dimensions, accepted beside the catalogue's.
var spellings = map[string]string{
	"workflowId": metric.Workflow, "workflowVersion": metric.Version, "triggerType": metric.TriggerType,
	"errorType": metric.ErrorType, "userId": metric.User, "stepId": metric.Step, "stepType": metric.StepType,
	"actionType": metric.ActionType,
}

func dimensionName(name string) string {
	if d, ok := spellings[name]; ok {
		return d
	}
	return name
}

// endpoint says what a GET endpoint takes.
type endpoint struct {
	metrics    []string // by default
	allowed    []string // that can be named; nil when the endpoint's metrics are fixed
	dimensions []string // to filter by
	scalars    []string // other parameters
}

// areaEndpoint takes the metrics of one area of the catalogue.
func areaEndpoint(area string, defaults ...string) endpoint {
	e := endpoint{metrics: defaults, scalars: []string{
		"from", "to", "granularity", "groupBy", "timeZone", "compare", "limit", "orderBy", "order", "metrics",
	}}
	for _, m := range metric.All().Metrics {
		if m.Area != area {
			continue
		}
		e.allowed = append(e.allowed, m.Name)
		for _, d := range m.Dimensions {
			if !slices.Contains(e.dimensions, d) {
				e.dimensions = append(e.dimensions, d)
			}
		}
	}
	return e
}

// parameters lists every name that the endpoint takes.
func (e *endpoint) parameters() []string {
	return append(slices.Clone(e.scalars), e.dimensions...)
}

// request reads a query string. Values are checked by backend/query, except for
// what only this spelling can get wrong.
func (e *endpoint) request(raw url.Values) (query.Request, error) {
	r := query.Request{Metrics: e.metrics}
	var unknown []string
	for name := range raw {
		if !slices.Contains(e.scalars, name) && !slices.Contains(e.dimensions, dimensionName(name)) {
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return r, unknownParameter(unknown, e.parameters())
	}
	for _, name := range e.scalars {
		if len(raw[name]) > 1 {
			return r, invalid(name, "", "given more than once", "")
		}
	}
	r.TimeZone = raw.Get("timeZone")
	r.Granularity = query.Granularity(raw.Get("granularity"))
	r.Compare = query.Compare(raw.Get("compare"))
	r.OrderBy = raw.Get("orderBy")
	for _, name := range list(raw.Get("groupBy")) {
		r.GroupBy = append(r.GroupBy, dimensionName(name))
	}
	if err := e.readMetrics(&r, raw.Get("metrics")); err != nil {
		return r, err
	}
	if err := readOrder(&r, raw); err != nil {
		return r, err
	}
	for _, name := range slices.Sorted(keys(raw)) {
		if d := dimensionName(name); !slices.Contains(e.scalars, name) {
			r.Filters = append(r.Filters, query.Filter{Dimension: d, Operator: query.In, Values: raw[name]})
		}
	}
	return r, readPeriod(&r, raw)
}

func keys(v url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range v {
			if !yield(name) {
				return
			}
		}
	}
}

// list splits comma-separated names.
func list(s string) []string {
	if s == "" {
		return nil
	}
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func (e *endpoint) readMetrics(r *query.Request, names string) error {
	if names == "" {
		return nil
	}
	r.Metrics = list(names)
	for _, m := range r.Metrics {
		if !slices.Contains(e.allowed, m) {
			return invalid("metrics", m, "not a metric of this endpoint", e.allowed[0], e.allowed...)
		}
	}
	return nil
}

func readOrder(r *query.Request, raw url.Values) error {
	switch order := raw.Get("order"); order {
	case "":
	case "asc":
		r.Ascending = true
	case "desc":
		r.Descending = true
	default:
		return invalid("order", order, "must be asc or desc", "desc", "asc", "desc")
	}
	if limit := raw.Get("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 {
			return invalid("limit", limit, "must be a whole number from 1", "10")
		}
		r.Limit = n
	}
	return nil
}

// readPeriod takes RFC 3339 and dates; a date is its midnight in the request's
// time zone.
func readPeriod(r *query.Request, raw url.Values) error {
	loc, err := zone(r.TimeZone)
	if err != nil {
		return err
	}
	for _, p := range []struct {
		name string
		into *time.Time
	}{{"from", &r.From}, {"to", &r.To}} {
		text := raw.Get(p.name)
		if text == "" {
			return invalid(p.name, "", "required: a time as RFC 3339 or a date", "2026-03-01T00:00:00Z")
		}
		if *p.into, err = instant(p.name, text, loc); err != nil {
			return err
		}
	}
	return nil
}

func zone(name string) (*time.Location, error) {
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, invalid("timeZone", name, "no such time zone: give the IANA name", "Europe/Berlin")
	}
	return loc, nil
}

func instant(param, text string, loc *time.Location) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.ParseInLocation(time.DateOnly, text, loc)
	}
	if err != nil {
		detail := "must be a time as RFC 3339 or a date"
		if strings.Contains(text, " ") {
			detail += "; a + of an offset is written %2B in a URL"
		}
		return at, invalid(param, text, detail, "2026-03-01T00:00:00Z")
	}
	return at, nil
}
