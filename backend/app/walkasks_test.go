package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// operation is what the walk needs of an operation of openapi.yaml.
type operation struct {
	method, path string
	parameters   []parameter
}

type parameter struct {
	Ref      string `yaml:"$ref"`
	Name, In string
	Required bool
	Example  any
	Schema   struct {
		Enum    []string
		Default any
	}
}

// operations are those that the server says it has.
func (w *world) operations() []operation {
	w.t.Helper()
	text := w.get(caller{}, ask{method: http.MethodGet, path: "/api/v1/analytics/openapi.yaml"})
	require.Equal(w.t, http.StatusOK, text.status)
	var document struct {
		Paths      map[string]map[string]yaml.Node
		Components struct{ Parameters map[string]parameter }
	}
	require.NoError(w.t, yaml.Unmarshal(text.body, &document))
	resolved := func(list []parameter) []parameter {
		for i, p := range list {
			if name, ok := strings.CutPrefix(p.Ref, "#/components/parameters/"); ok {
				list[i] = document.Components.Parameters[name]
			}
			require.NotEmpty(w.t, list[i].Name)
		}
		return list
	}
	var out []operation
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		item := document.Paths[path]
		for _, method := range []string{"get", "post", "put", "delete", "patch"} {
			node, ok := item[method]
			if !ok {
				continue
			}
			var o struct{ Parameters []parameter }
			require.NoError(w.t, node.Decode(&o))
			all := resolved(o.Parameters)
			if shared, ok := item["parameters"]; ok {
				var list []parameter
				require.NoError(w.t, shared.Decode(&list))
				all = append(all, resolved(list)...)
			}
			out = append(out, operation{strings.ToUpper(method), path, all})
		}
	}
	require.Greater(w.t, len(out), 40)
	return out
}

// whose are the owners whose ids are tried: oneself, somebody of another team, of another
// tenant, and of another tenant with one's own id.
var whose = []string{"ann", "cem", "eve", "evil"}

// idsIn are the ids that an address is tried with, by whom they belong to. An operation
// that is not here has to say what its ids are.
func (w *world) idsIn(path string) map[string]string {
	of := func(field string, more ...string) map[string]string {
		out := map[string]string{}
		for _, owner := range append(more, whose...) {
			out[owner] = mark(owner, field)
		}
		return out
	}
	for prefix, ids := range map[string]map[string]string{
		"/analytics/executions/{id}":       of("execution"),
		"/analytics/workflows/{id}/":       of("workflow", "shared"),
		"/analytics/activity/users/{id}":   of("user"),
		"/analytics/costs/budgets/{id}":    w.documents["/analytics/costs/budgets"],
		"/analytics/dashboards/{id}":       w.documents["/analytics/dashboards"],
		"/analytics/reports/{id}":          w.documents["/analytics/reports"],
		"/collector/dead-letters/{id}":     w.letters,
		"/analytics/values/{dimension}":    dimensionsToTry(),
		"/analytics/nothing-has-this-path": nil,
	} {
		if strings.HasPrefix(path, prefix) {
			return ids
		}
	}
	require.NotContains(w.t, path, "{", "the walk does not know which ids to try here: add them to idsIn")
	return map[string]string{"": ""}
}

// dimensionsToTry are all of the catalogue and a member of metadata.
func dimensionsToTry() map[string]string {
	out := map[string]string{"note": "metadata.note", "owner": "metadata.owner"}
	for _, d := range metric.All().Dimensions {
		out[d.Name] = d.Name
	}
	return out
}

// fieldOf is the field of events that a dimension is made of.
var fieldOf = map[string]string{
	metric.Workflow: "workflow", metric.TriggerType: "triggertype", metric.ErrorType: "errortype", metric.User: "user", metric.Step: "step",
	metric.StepType: "steptype", metric.ActionType: "actiontype", metric.Action: "action", metric.Resource: "resource",
	metric.EventSource: "source", metric.Execution: "execution", "metadata.note": "note", "metadata.owner": "user",
}

// valuesOf are values of a dimension, most of which are not the caller's.
func valuesOf(dimension string) []string {
	if dimension == metric.Team {
		return []string{mark("red", "team"), mark("blue", "team"), mark("olive", "team")}
	}
	field, ok := fieldOf[dimension]
	if !ok {
		return nil
	}
	var out []string
	for _, owner := range append([]string{"shared"}, whose...) {
		out = append(out, mark(owner, field))
	}
	return out
}

// reading are the asks of the operations that read: each operation with each id, as it
// is, and with each of its parameters.
func (w *world) reading() []ask {
	var out []ask
	for _, o := range w.operations() {
		if o.method != http.MethodGet {
			continue
		}
		ids := w.idsIn(o.path)
		for _, owner := range slices.Sorted(maps.Keys(ids)) {
			path := "/api/v1" + strings.NewReplacer("{id}", url.PathEscape(ids[owner]), "{dimension}", url.PathEscape(ids[owner])).Replace(o.path)
			require.NotContains(w.t, path, "{", "the walk does not know this parameter of the address")
			whole := len(ids) == 1 || owner == "ann" // with others' ids the address is enough
			out = append(out, w.variations(o, path, whole)...)
		}
	}
	return out
}

// period is the one that has the events; by receipt they came just now.
func (w *world) period(received bool) (from, to string) {
	if !received {
		return w.from, w.to
	}
	now := time.Now().UTC()
	return now.Add(-time.Hour).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339)
}

// received are sources of figures that go by the time of receipt.
var received = []metric.Source{metric.SourceIngest, metric.SourceVisible, metric.SourceDeadLetters, metric.SourcePending}

// besides is another dimension of a metric, which shows whose rows a filter has chosen.
func besides(m *metric.Metric, dimension string) []string {
	for _, d := range m.Dimensions {
		if fieldOf[d] != "" && d != dimension {
			return []string{dimension, d}
		}
	}
	return []string{dimension}
}

// variations are the asks of an operation at an address.
func (w *world) variations(o operation, path string, whole bool) []ask {
	base := url.Values{}
	var others []parameter
	for _, p := range o.parameters {
		switch {
		case p.In != "query":
		case p.Name == "from" || p.Name == "to":
			from, to := w.period(strings.HasPrefix(o.path, "/collector") && o.path != "/collector/conflicts" || strings.HasSuffix(path, "/source"))
			base.Set(p.Name, map[string]string{"from": from, "to": to}[p.Name])
		case p.Name == "since":
			base.Set(p.Name, w.began)
		case p.Name == "min_executions": // fewer are no ranking
			base.Set(p.Name, "1")
		case p.Required && valuesOf(p.Name) != nil:
			base.Set(p.Name, valuesOf(p.Name)[0])
		case p.Required:
			base.Set(p.Name, fmt.Sprint(p.Example))
		default:
			others = append(others, p)
		}
	}
	name := o.method + " " + o.path
	one := func(suffix string, add url.Values) ask {
		values := url.Values{}
		maps.Copy(values, base)
		maps.Copy(values, add)
		a := ask{name: name + suffix, method: o.method, path: path, streams: strings.HasSuffix(o.path, "/live")}
		if len(values) > 0 {
			a.path += "?" + values.Encode()
		}
		return a
	}
	out := []ask{one("", nil)}
	if !whole {
		return out
	}
	filters, odds := url.Values{}, url.Values{}
	for _, p := range others {
		switch {
		case p.Name == "groupBy":
			for _, d := range []string{metric.User, "metadata.owner"} {
				out = append(out, one(" groupBy "+d, url.Values{"groupBy": {d}, "limit": {"50"}}))
			}
		case valuesOf(p.Name) != nil:
			filters[p.Name] = valuesOf(p.Name)
		case (p.Name == "format" || p.Name == "pageSize") && o.path != "/analytics/executions/errors" && o.path != "/analytics/reports/{id}/download": // the same for all
		case p.Name == "format":
			for _, f := range p.Schema.Enum {
				out = append(out, one(" format "+f, url.Values{"format": {f}}))
			}
		case p.Name == "pageSize":
			out = append(out, one(" pages", url.Values{"pageSize": {"1"}}))
		case p.Name == "search":
			out = append(out, one("", url.Values{"search": {"zz"}}))
		case p.Schema.Enum != nil:
			odds.Set(p.Name, p.Schema.Enum[len(p.Schema.Enum)-1])
		case p.Name == "asOf":
			out = append(out, one(" as of now", url.Values{"asOf": {time.Now().UTC().Format(time.RFC3339)}}))
		case p.Example != nil && p.Name != "cursor" && p.Name != "fields":
			odds.Set(p.Name, example(p.Example))
		}
	}
	for _, add := range []url.Values{filters, odds} {
		if len(add) > 0 {
			out = append(out, one("", add))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(filters)) {
		if name == metric.User || name == metric.Workflow || name == metric.Team {
			out = append(out, one("", url.Values{name: filters[name]}))
		}
	}
	return out
}

func example(v any) string {
	if list, ok := v.([]any); ok && len(list) > 0 {
		return fmt.Sprint(list[0])
	}
	return fmt.Sprint(v)
}

// changing are asks that change what is not the caller's, or may be repeated. Operations
// are told apart by name, so that a new one has to be added.
func (w *world) changing(by caller) []ask {
	bodies := map[string]string{
		"PUT /analytics/costs/budgets":             "", // by the ids below
		"PUT /analytics/dashboards/{id}":           `{"name": "taken", "widgets": []}`,
		"PUT /analytics/reports/{id}":              `{"name": "taken", "requests": [{"metrics": ["executions"]}]}`,
		"DELETE /analytics/dashboards/{id}":        "",
		"DELETE /analytics/reports/{id}":           "",
		"DELETE /analytics/costs/budgets/{id}":     "",
		"POST /collector/dead-letters/{id}/replay": "",
		"POST /collector/dead-letters/replay":      `{"dryRun": true}`,
		"DELETE /collector/dead-letters/{id}":      "",
		"POST /analytics/dashboards":               `{"widgets": 1}`,
		"POST /analytics/reports":                  `{"requests": 1}`,
		"POST /analytics/query":                    "", // by kinds
	}
	var out []ask
	for _, o := range w.operations() {
		if o.method == http.MethodGet {
			continue
		}
		name := o.method + " " + o.path
		body, known := bodies[name]
		require.True(w.t, known, "the walk does not know how to ask %s: add it to changing", name)
		if o.path == "/analytics/query" {
			continue
		}
		if o.path == "/analytics/costs/budgets" {
			for _, owner := range []string{"ann", "cem", "eve"} {
				if by.sees(owner, "budget") {
					continue
				}
				out = append(out, ask{name: name, method: o.method, path: "/api/v1" + o.path, body: fmt.Sprintf(
					`{"id": %q, "name": "taken", "of": "dollars", "amount": "1", "period": {"unit": "month"}}`, mark(owner, "budget"))})
			}
			continue
		}
		for owner, id := range w.idsIn(o.path) {
			if id != "" && by.sees(ownedBy(owner), "") {
				continue // may be theirs to change
			}
			path := strings.Replace(o.path, "{id}", url.PathEscape(id), 1)
			if strings.HasSuffix(path, "/replay") && id != "" {
				path += "?dryRun=true"
			}
			out = append(out, ask{name: name, method: o.method, path: "/api/v1" + path, body: body})
		}
	}
	return out
}

// ownedBy names whose a dead letter's tenant stands for.
func ownedBy(owner string) string {
	switch owner {
	case acme:
		return "cem"
	case other:
		return "eve"
	}
	return owner
}

// outside are the endpoints that openapi.yaml does not have.
func (w *world) outside() []ask {
	var out []ask
	for _, path := range []string{
		"/api/v1/keys", "/api/v1/keys?tenant=" + other, "/api/v1/directory", "/api/v1/directory/users", "/api/v1/directory/teams",
		"/api/v1/policy", "/api/v1/audit", "/api/v1/audit?userId=" + mark("ann", "user"), "/api/v1/audit/verify", "/api/v1/prices", "/metrics", "/",
	} {
		name, _, _ := strings.Cut(path, "?")
		out = append(out, ask{name: "GET " + name, method: http.MethodGet, path: path})
	}
	for _, owner := range whose {
		out = append(out, ask{name: "GET /api/v1/directory/users/{id}", method: http.MethodGet, path: "/api/v1/directory/users/" + mark(owner, "user")})
	}
	for _, team := range []string{"red", "blue", "olive"} {
		out = append(out, ask{name: "GET /api/v1/directory/teams/{id}", method: http.MethodGet, path: "/api/v1/directory/teams/" + mark(team, "team")})
	}
	return out
}

// questions are asks of every kind and of every dimension of the catalogue. Another from
// makes them others to the cache.
func (w *world) questions(from string) []ask {
	var out []ask
	add := func(name string, q map[string]any) {
		if q["from"] == nil {
			q["from"], q["to"] = from, w.to
		}
		body, err := json.Marshal(q)
		require.NoError(w.t, err)
		out = append(out, ask{name: name, method: http.MethodPost, path: "/api/v1/analytics/query", body: string(body)})
	}
	tried := map[string]bool{}
	for _, group := range alike() {
		m, _ := metric.Lookup(group[0])
		of := func(q map[string]any) map[string]any {
			if slices.Contains(received, m.Sources[0]) {
				q["from"], q["to"] = w.period(true)
			}
			return q
		}
		add("figures of "+string(m.Sources[0]), map[string]any{"metrics": group})
		add("figures over time of "+string(m.Sources[0]), map[string]any{"metrics": group[:1], "granularity": "hour"})
		for _, d := range slices.Sorted(maps.Values(dimensionsToTry())) {
			if name := string(m.Sources[0]) + d; !m.HasDimension(d) || tried[name] {
				continue
			}
			tried[string(m.Sources[0])+d] = true
			add("figures by "+d, of(map[string]any{"metrics": group[:1], "groupBy": []string{d}}))
			values := valuesOf(d)
			if values == nil {
				continue
			}
			add("figures filtered by "+d, of(map[string]any{
				"metrics": group[:1], "groupBy": besides(m, d), "limit": 50, "compare": "previous_period",
				"filters": []any{map[string]any{"dimension": d, "operator": []string{"in", "not_in"}[len(out)%2], "values": values}},
			}))
		}
	}
	for _, k := range query.Kinds() {
		if k.Kind != query.KindMetrics {
			for _, q := range w.kindly(k) {
				add("kind "+string(k.Kind), q)
			}
		}
	}
	return out
}

// alike are the catalogue's metrics, those of the same sources and dimensions together.
func alike() [][]string {
	groups, order := map[string][]string{}, []string{}
	for _, m := range metric.All().Metrics {
		key := fmt.Sprint(m.Sources, m.Dimensions, m.AdminOnly)
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], m.Name)
	}
	out := make([][]string, len(order))
	for i, key := range order {
		out[i] = groups[key]
	}
	return out
}

// kindly are questions of a kind: with each value that a parameter may have, with ids of
// everybody, and with filters.
func (w *world) kindly(k query.KindInfo) []map[string]any {
	fields := map[string]string{ // what parameters are ids of
		"execution": "execution", "user": "user", "resource": "resource", "resource_id": "resourceid", "workflow": "workflow", "budget": "budget",
	}
	base := map[string]string{}
	switch k.Kind {
	case query.KindComparison:
		base["subject"] = "periods"
	case query.KindRanking:
		base["min_executions"] = "1"
	case query.KindRestatements:
		base["since"] = w.began
	}
	filters := func(dimension string) []any {
		return []any{map[string]any{"dimension": dimension, "operator": "in", "values": valuesOf(dimension)}}
	}
	question := func(params map[string]string) map[string]any {
		all := maps.Clone(base)
		maps.Copy(all, params)
		q := map[string]any{"kind": string(k.Kind), "params": all}
		if slices.Contains(k.Uses, "metrics") {
			q["metrics"], q["groupBy"] = []string{"executions"}, []string{metric.User, metric.Workflow}
		}
		if len(all) == 0 {
			delete(q, "params")
		}
		return q
	}
	var out []map[string]any
	if k.Kind != query.KindComparison && k.Kind != query.KindBottlenecks && k.Kind != query.KindAuditTrail {
		out = append(out, question(nil))
	}
	for _, p := range k.Params {
		for _, v := range p.Allowed {
			out = append(out, question(map[string]string{p.Name: v}))
		}
		if field, ok := fields[p.Name]; ok && k.Kind != query.KindAuditTrail {
			for _, owner := range whose {
				out = append(out, question(map[string]string{p.Name: mark(owner, field)}))
			}
		}
	}
	if k.Kind == query.KindAuditTrail {
		for _, owner := range whose {
			out = append(out,
				question(map[string]string{"user": mark(owner, "user")}), question(map[string]string{"resource": mark(owner, "resource")}),
				question(map[string]string{"resource": mark(owner, "resource"), "resource_id": mark(owner, "resourceid")}),
				question(map[string]string{"resource": mark(owner, "resource"), "resource_id": mark(owner, "user")}))
		}
	}
	if slices.Contains(k.Uses, "filters") {
		for _, dimension := range []string{metric.User, metric.Team} {
			q := question(nil)
			q["filters"] = filters(dimension)
			out = append(out, q)
		}
		for _, owner := range []string{"shared", "ann", "eve", "cem"} { // those of one workflow
			q := question(nil)
			q["filters"] = []any{map[string]any{"dimension": metric.Workflow, "operator": "in", "values": []string{mark(owner, "workflow")}}}
			out = append(out, q)
		}
	}
	return out
}

// prom are asks of Prometheus' interface: all families of metrics, and matchers, labels
// and functions that name or turn over what is not the caller's.
func (w *world) prom() []ask {
	var out []ask
	add := func(name, path string, values url.Values) {
		out = append(out, ask{name: "promql " + name, method: http.MethodGet, path: "/prometheus/api/v1" + path + "?" + values.Encode()})
	}
	window := func(v url.Values) url.Values {
		v.Set("start", w.from)
		v.Set("end", w.to)
		return v
	}
	for _, path := range []string{"/metadata", "/rules", "/alerts", "/status/buildinfo", "/query_exemplars"} {
		add(path, path, window(url.Values{"query": {"flowgauge_executions_total"}}))
	}
	var families struct {
		Data map[string]any
	}
	known := w.get(w.callers["admin"], ask{method: http.MethodGet, path: "/prometheus/api/v1/metadata"})
	require.NoError(w.t, json.Unmarshal(known.body, &families))
	require.Greater(w.t, len(families.Data), 20)
	for _, family := range slices.Sorted(maps.Keys(families.Data)) {
		add("series of "+family, "/series", window(url.Values{"match[]": {family}}))
	}
	const everything = `{__name__=~"flowgauge_(user_)?(executions|cost_dollars_charged|actions)_total"}`
	add("/labels", "/labels", window(url.Values{"match[]": {everything}}))
	for _, label := range []string{"workflow", "user", "error_type", "action"} {
		add("values of "+label, "/label/"+label+"/values", window(url.Values{"match[]": {everything}}))
		for _, matcher := range []string{"=~", "!~"} {
			match := fmt.Sprintf(`{__name__=~"flowgauge_user_.*_total",%s%s%q}`, label, matcher, strings.Join(valuesOf(label), "|")+"|zz.*")
			add("values of user of a "+label, "/label/user/values", url.Values{"match[]": {match}})
		}
	}
	for _, q := range []string{
		everything, `sum by (user, workflow) (flowgauge_user_executions_total)`, `count_values("n", flowgauge_user_actions_total)`,
		`topk(100, flowgauge_cost_dollars_charged_total)`, `label_replace(flowgauge_user_executions_total, "was", "$1", "user", "(.*)")`,
		`sum without (version) (flowgauge_step_duration_seconds)`, `group by (error_type) (flowgauge_executions_total)`,
		`max_over_time(flowgauge_executions_running[1h:5m])`, `absent(flowgauge_user_executions_total{user="` + mark("cem", "user") + `"})`,
		`flowgauge_user_executions_total{user=~"` + mark("cem", "user") + `|` + mark("evil", "user") + `"}`,
		`count(flowgauge_executions_total{workflow=~"zz.*"})`, `flowgauge_user_cost_dollars_charged_total{user!="` + mark("ann", "user") + `"}`,
	} {
		add("query "+q, "/query", url.Values{"query": {q}, "time": {w.to}})
	}
	add("query_range", "/query_range", window(url.Values{"query": {everything}, "step": {"6h"}}))
	return out
}
