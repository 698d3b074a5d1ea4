package api

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// given are the parameters of an operation that were given, by name: text has those
// with one value, lists the repeatable ones.
type given struct {
	text  map[string]string
	lists map[string][]string
	names []string // of the lists, in the order of the document
}

// read takes the generated struct of an operation's parameters apart. All operations
// spell the same things the same way, but each has a type of its own; the names are
// in the tags that the generator wrote.
func read(params any) given {
	g := given{text: map[string]string{}, lists: map[string][]string{}}
	v := reflect.ValueOf(params)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("form"), ",")
		f := v.Field(i)
		if f.Kind() == reflect.Pointer {
			if f.IsNil() {
				continue
			}
			f = f.Elem()
		}
		if f.Kind() != reflect.Slice {
			g.text[name] = toText(f)
			continue
		}
		for j := range f.Len() {
			g.lists[name] = append(g.lists[name], toText(f.Index(j)))
		}
		g.names = append(g.names, name)
	}
	return g
}

func toText(v reflect.Value) string {
	return fmt.Sprint(v.Interface())
}

// request makes a question of them. r has what the operation asks beside. Values are
// checked by backend/query, except for what only this spelling can get wrong.
func (g given) request(r query.Request) (query.Request, error) {
	r.TimeZone = g.text["timeZone"]
	r.Granularity = query.Granularity(g.text["granularity"])
	r.Compare = query.Compare(g.text["compare"])
	r.Fill = query.Fill(g.text["fill"])
	r.OrderBy = g.text["orderBy"]
	r.Ascending, r.Descending = g.text["order"] == "asc", g.text["order"] == "desc"
	r.Limit, _ = strconv.Atoi(g.text["limit"]) // checked
	for _, name := range list(g.text["groupBy"]) {
		r.GroupBy = append(r.GroupBy, dimensionName(name))
	}
	if names := list(g.text["metrics"]); names != nil {
		r.Metrics = names
	}
	for _, name := range g.names {
		r.Filters = append(r.Filters, query.Filter{Dimension: name, Operator: query.In, Values: g.lists[name]})
	}
	for _, k := range query.Kinds() {
		for _, p := range k.Params {
			if text, ok := g.text[p.Name]; ok && k.Kind == r.Kind {
				if r.Params == nil {
					r.Params = map[string]string{}
				}
				r.Params[p.Name] = text
			}
		}
	}
	return r, g.period(&r)
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

// period takes RFC 3339 and dates; a date is its midnight in the request's time zone.
func (g given) period(r *query.Request) error {
	loc, err := zone(r.TimeZone)
	if err != nil {
		return err
	}
	for _, p := range []struct {
		name string
		into *time.Time
	}{{"from", &r.From}, {"to", &r.To}, {"asOf", &r.AsOf}} {
		if text := g.text[p.name]; text != "" {
			if *p.into, err = instant(p.name, text, loc); err != nil {
				return err
			}
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
		if at, err = time.Parse(time.DateOnly, text); err == nil {
			y, m, d := at.Date()
			at = query.DayStart(y, m, d, loc)
		}
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

// areaMetrics are the names of an area's metrics.
func areaMetrics(area string) []string {
	var out []string
	for _, m := range metric.All().Metrics {
		if m.Area == area {
			out = append(out, m.Name)
		}
	}
	return out
}

// within wants metrics of one area.
func within(metrics []string, area string) error {
	allowed := areaMetrics(area)
	for _, m := range metrics {
		if !slices.Contains(allowed, m) {
			return invalid("metrics", m, "not a metric of this endpoint", allowed[0], allowed...)
		}
	}
	return nil
}
