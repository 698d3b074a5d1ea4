package plugin

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// place is a dashboard with a variable for what a value names. The tests hold both to
// the files of package dashboards.
type place struct {
	title, dashboard, variable string
}

// places are where values of a dimension lead.
var places = map[string]place{
	metric.Workflow:    {"Show the workflow", "flowgauge-workflow", "workflow"},
	metric.Step:        {"Show the step", "flowgauge-steps", "step"},
	metric.User:        {"Show what the user did", "flowgauge-activity", "user"},
	metric.Action:      {"Show the activity", "flowgauge-activity", "action"},
	metric.ActionType:  {"Show the costs", "flowgauge-costs", "action_type"},
	metric.EventSource: {"Show the collector", "flowgauge-collector", "source"},
}

// links lead from values that name something to where there is more about it: to
// Explore, which asks the same datasource, and to the dashboards where the settings say
// that Grafana has them.
type links struct {
	uid, name  string // the datasource's
	dashboards bool
	m          model
}

func (d *Datasource) links(pc backend.PluginContext, m model) links {
	l := links{dashboards: d.settings.DashboardLinks, m: m}
	if s := pc.DataSourceInstanceSettings; s != nil {
		l.uid, l.name = s.UID, s.Name
	}
	return l
}

// add puts links on the columns that have a dimension's values, and on series that are of
// one.
func (l links) add(frames data.Frames) {
	for _, f := range frames {
		for _, field := range f.Fields {
			var out []data.DataLink
			switch {
			case field.Labels != nil:
				out = l.ofSeries(field.Labels)
			case field.Type() == data.FieldTypeString && field.Len() > 0 && field.At(0) != query.Redacted:
				out = l.ofColumn(f, field.Name)
			}
			if len(out) > 0 {
				config(field).Links = out
			}
		}
	}
}

// ofColumn leaves it to Grafana to put the row's value in and to escape it.
func (l links) ofColumn(f *data.Frame, name string) []data.DataLink {
	switch {
	case name == metric.Execution:
		return l.waterfall("${__value.raw}")
	case l.m.kind.Kind == query.KindBottlenecks && l.m.Format == formatNodeGraph && name == "title":
		name = metric.Step
	case l.m.kind.Kind == query.KindErrors && (name == "message" || name == "fingerprint"):
		return l.failed()
	}
	to, ok := places[name]
	if !ok || !l.dashboards {
		return nil
	}
	variables := []string{"var-" + to.variable + "=${__value.raw:percentencode}"}
	if name == metric.Step { // workflows may give the same name to theirs
		if workflow, _ := f.FieldByName(metric.Workflow); workflow != nil {
			variables = append(variables, "var-workflow=${__data.fields.workflow:percentencode}")
		} else {
			variables = append(variables, l.filtered(metric.Workflow)...)
		}
	}
	return []data.DataLink{l.dashboard(to, variables)}
}

// ofSeries has the values themselves: a series has one of each, and what Grafana puts in
// has no way to say that a value is empty.
func (l links) ofSeries(labels data.Labels) (out []data.DataLink) {
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		to, ok := places[name]
		switch {
		case labels[name] == query.Redacted:
		case name == metric.Execution:
			out = append(out, l.waterfall("${__field.labels.execution}")...)
		case ok && l.dashboards:
			variables := []string{set(to.variable, labels[name])}
			if workflow, by := labels[metric.Workflow]; by && name == metric.Step {
				variables = append(variables, set(metric.Workflow, workflow))
			} else if name == metric.Step {
				variables = append(variables, l.filtered(metric.Workflow)...)
			}
			out = append(out, l.dashboard(to, variables))
		}
	}
	return out
}

func (l links) dashboard(p place, variables []string) data.DataLink {
	parts := append([]string{"${__url_time_range}", set("datasource", l.uid)}, variables...)
	return data.DataLink{Title: p.title, URL: "/d/" + p.dashboard + "?" + strings.Join(parts, "&")}
}

// filtered sets a dashboard's variable to what the query keeps of a dimension.
func (l links) filtered(dimension string) (out []string) {
	for _, f := range l.m.Filters {
		if f.Dimension == dimension && f.Operator == query.In {
			for _, value := range f.Values {
				out = append(out, set(dimension, value))
			}
		}
	}
	return out
}

// set is a dashboard's variable with a value, as part of a URL. Nothing is left in it
// that Grafana would take for a variable.
func set(variable, value string) string {
	text := url.QueryEscape(orDefault(value, noneValue))
	return "var-" + variable + "=" + strings.ReplaceAll(text, "+", "%20")
}

// waterfall shows an execution as a trace.
func (l links) waterfall(id string) []data.DataLink {
	return l.explore("Show the execution", query.KindWaterfall, formatTrace, map[string]string{"execution": id}, nil)
}

// failed lists the executions that an error group counts.
func (l links) failed() []data.DataLink {
	filters := make([]query.Filter, len(l.m.Filters), len(l.m.Filters)+1)
	for i, f := range l.m.Filters {
		filters[i] = query.Filter{Dimension: f.Dimension, Operator: f.Operator, Values: slices.Clone(f.Values)}
		for v, value := range f.Values {
			if value == emptyOf(f.Dimension) {
				filters[i].Values[v] = noneValue
			}
		}
	}
	filters = append(filters, query.Filter{Dimension: metric.ErrorType, Operator: query.In, Values: []string{"${__data.fields.error_type}"}})
	return l.explore("Show the executions", query.KindExecutions, formatTable, map[string]string{"fingerprint": "${__data.fields.fingerprint}", "status": "failed", "order": "time"}, filters)
}

func (l links) explore(title string, kind query.Kind, format string, params map[string]string, filters []query.Filter) []data.DataLink {
	ask := map[string]any{
		"refId": "A", "datasource": map[string]string{"type": ID, "uid": l.uid},
		"queryType": string(kind), "format": format, "params": params, "version": modelVersion,
	}
	if len(filters) > 0 {
		ask["filters"] = filters
	}
	if l.m.AsOf != "" {
		ask["asOf"] = l.m.AsOf
	}
	return []data.DataLink{{Title: title, Internal: &data.InternalDataLink{DatasourceUID: l.uid, DatasourceName: l.name, Query: ask}}}
}
