package plugin

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
	"github.com/flowgauge/flowgauge/dashboards"
)

// board finds a dashboard in its file.
func board(t testing.TB, uid string) *dashboards.Dashboard {
	t.Helper()
	all, err := dashboards.Load()
	require.NoError(t, err)
	at := slices.IndexFunc(all, func(d dashboards.Dashboard) bool { return d.UID == uid })
	require.GreaterOrEqual(t, at, 0, "there is no dashboard %s", uid)
	return &all[at]
}

// What the dashboards and their variables are called is held to their files here:
// nothing else would notice that a link leads nowhere.
func TestPlacesAreDashboards(t *testing.T) {
	for dimension, to := range places {
		_, known := metric.LookupDimension(dimension)
		require.True(t, known, dimension)
		require.True(t, slices.ContainsFunc(board(t, to.dashboard).Variables(), func(v dashboards.Variable) bool {
			return v.Name == to.variable && v.Dimension() == dimension
		}), "%s has no variable %s that lists %s", to.dashboard, to.variable, dimension)
	}
}

// target takes a link to a dashboard apart: where it leads, and the variables that it
// sets there, which must be the dashboard's. It must keep the period and the tenant.
func (g *grafana) target(link data.DataLink) (uid string, variables url.Values) {
	g.t.Helper()
	require.NotEmpty(g.t, link.Title)
	path, rest, _ := strings.Cut(link.URL, "?")
	uid, isDashboard := strings.CutPrefix(path, "/d/")
	require.True(g.t, isDashboard, link.URL)
	rest, keeps := strings.CutPrefix(rest, "${__url_time_range}&")
	require.True(g.t, keeps, "%s loses the period", link.URL)
	set, err := url.ParseQuery(rest)
	require.NoError(g.t, err)
	variables = url.Values{}
	for name, values := range set {
		name, isVariable := strings.CutPrefix(name, "var-")
		require.True(g.t, isVariable, link.URL)
		require.True(g.t, slices.ContainsFunc(board(g.t, uid).Variables(), func(v dashboards.Variable) bool { return v.Name == name }), "%s has no variable %s", uid, name)
		variables[name] = values
	}
	require.Equal(g.t, []string{g.pc.DataSourceInstanceSettings.UID}, variables["datasource"], "%s loses the tenant", link.URL)
	delete(variables, "datasource")
	return uid, variables
}

// follow asks what a link to Explore does in a row of its frame, as Grafana would.
func (g *grafana) follow(period backend.TimeRange, link data.DataLink, f *data.Frame, name string, row int) *data.Frame {
	g.t.Helper()
	require.NotEmpty(g.t, link.Title)
	require.NotNil(g.t, link.Internal)
	require.Equal(g.t, g.pc.DataSourceInstanceSettings.UID, link.Internal.DatasourceUID)
	text, err := json.Marshal(link.Internal.Query)
	require.NoError(g.t, err)
	model := strings.ReplaceAll(string(text), "${__value.raw}", words(f, name, row))
	for _, field := range f.Fields {
		model = strings.ReplaceAll(model, "${__data.fields."+field.Name+"}", words(f, field.Name, row))
	}
	got := g.query(period, map[string]string{"A": model})["A"]
	require.NoError(g.t, got.Error)
	return got.Frames[0]
}

func linksOf(t *testing.T, f *data.Frame, name string) []data.DataLink {
	t.Helper()
	field, _ := f.FieldByName(name)
	require.NotNil(t, field, name)
	return config(field).Links
}

var linkedModels = map[string]string{
	"series":     `{"metrics":["executions"],"granularity":"hour","groupBy":["workflow","user"]}`,
	"promql":     `{"queryType":"promql","expr":"sum by (workflow) (flowgauge_executions_total)"}`,
	"table":      `{"metrics":["steps"],"granularity":"none","format":"table","groupBy":["step","workflow"]}`,
	"filtered":   `{"metrics":["steps"],"granularity":"none","format":"table","groupBy":["step"],"filters":[{"dimension":"workflow","operator":"in","values":["billing"]}]}`,
	"graph":      `{"queryType":"bottlenecks","format":"nodegraph","filters":[{"dimension":"workflow","operator":"in","values":["billing"]}]}`,
	"errors":     `{"queryType":"errors","filters":[{"dimension":"workflow","operator":"in","values":["billing","$__none"]}]}`,
	"executions": `{"queryType":"executions"}`,
}

func TestLinks(t *testing.T) {
	store, period := newExecution(t)
	g := grafanaOn(t, store, map[string]any{"dashboardLinks": true})
	got := g.query(period, linkedModels)
	frame := func(refID string) *data.Frame {
		require.NoError(t, got[refID].Error, refID)
		return got[refID].Frames[0]
	}
	type place struct {
		uid       string
		variables url.Values
	}
	for name, c := range map[string]struct {
		links []data.DataLink
		want  []place
	}{
		"a series leads to the dashboard of each of its dimensions": {
			frame("series").Fields[1].Config.Links,
			[]place{{"flowgauge-activity", url.Values{"user": {"ann"}}}, {"flowgauge-workflow", url.Values{"workflow": {"billing"}}}},
		},
		"so does one in PromQL":                          {frame("promql").Fields[1].Config.Links, []place{{"flowgauge-workflow", url.Values{"workflow": {"billing"}}}}},
		"a column leads where the row's value does":      {linksOf(t, frame("table"), "workflow"), []place{{"flowgauge-workflow", url.Values{"workflow": {"${__value.raw:percentencode}"}}}}},
		"a step is that of the workflow beside it":       {linksOf(t, frame("table"), "step"), []place{{"flowgauge-steps", url.Values{"step": {"${__value.raw:percentencode}"}, "workflow": {"${__data.fields.workflow:percentencode}"}}}}},
		"or of the workflow that the query keeps":        {linksOf(t, frame("filtered"), "step"), []place{{"flowgauge-steps", url.Values{"step": {"${__value.raw:percentencode}"}, "workflow": {"billing"}}}}},
		"so is one in the graph of a workflow":           {linksOf(t, frame("graph"), "title"), []place{{"flowgauge-steps", url.Values{"step": {"${__value.raw:percentencode}"}, "workflow": {"billing"}}}}},
		"a number leads nowhere":                         {linksOf(t, frame("table"), "steps"), nil},
		"nor does a text that names nothing of its own":  {linksOf(t, frame("errors"), "sample"), nil},
		"the columns of other kinds are dimensions' too": {linksOf(t, frame("executions"), "user"), []place{{"flowgauge-activity", url.Values{"user": {"${__value.raw:percentencode}"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			var places []place
			for _, link := range c.links {
				uid, variables := g.target(link)
				places = append(places, place{uid, variables})
			}
			require.Equal(t, c.want, places)
		})
	}
	t.Run("an execution leads to its steps", func(t *testing.T) {
		links := linksOf(t, frame("executions"), "execution")
		require.Len(t, links, 1)
		trace := g.follow(period, links[0], frame("executions"), "execution", 0)
		require.EqualValues(t, data.VisTypeTrace, trace.Meta.PreferredVisualization)
		require.Equal(t, "run-1", column[string](t, trace, "traceID")[0])
	})
	t.Run("an error group leads to the executions that it counts", func(t *testing.T) {
		for _, name := range []string{"message", "fingerprint"} {
			links := linksOf(t, frame("errors"), name)
			require.Len(t, links, 1)
			list := g.follow(period, links[0], frame("errors"), name, 0)
			require.Equal(t, []string{"run-1"}, column[string](t, list, "execution"))
			text, err := json.Marshal(links[0].Internal.Query)
			require.NoError(t, err)
			require.Contains(t, string(text), `{"dimension":"workflow","operator":"in","values":["billing","$__none"]}`)
		}
	})
	t.Run("an alert rule has none", func(t *testing.T) {
		req := &backend.QueryDataRequest{PluginContext: g.pc, Headers: map[string]string{"FromAlert": "true"}}
		for refID, model := range linkedModels {
			req.Queries = append(req.Queries, backend.DataQuery{RefID: refID, TimeRange: period, JSON: json.RawMessage(model)})
		}
		out, err := g.plugin.Client.QueryData(g.ctx(), req)
		require.NoError(t, err)
		require.Len(t, out.Responses, len(linkedModels))
		for refID, r := range out.Responses {
			require.NoError(t, r.Error, refID)
			require.Empty(t, allLinks(r), refID)
		}
	})
	t.Run("without the dashboards there are those to Explore alone", func(t *testing.T) {
		for refID, r := range grafanaOn(t, store, nil).query(period, linkedModels) {
			require.NoError(t, r.Error, refID)
			links := allLinks(r)
			require.Len(t, links, map[string]int{"executions": 1, "errors": 2}[refID], refID)
			for _, link := range links {
				require.NotNil(t, link.Internal, refID)
			}
		}
	})
}

func allLinks(r backend.DataResponse) (out []data.DataLink) {
	for _, f := range r.Frames {
		for _, field := range f.Fields {
			out = append(out, config(field).Links...)
		}
	}
	return out
}

// Whatever a value looks like, a link has it whole, and nothing in it that Grafana would
// take for a variable.
func TestLinksOfOddValues(t *testing.T) {
	const odd = "a b&c=d#e?f/$workflow ${__from} [[x]] ü%+"
	store := querytest.New(t)
	end := time.Now().UTC().Truncate(time.Hour)
	for i, workflow := range []string{odd, ""} {
		store.Insert(t, event.Event{
			Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: tenant, ID: string(rune('a' + i)), Time: end.Add(-time.Hour).UnixMilli(),
			PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, WorkflowID: workflow,
		})
	}
	store.Settle(t)
	g := grafanaOn(t, store, map[string]any{"dashboardLinks": true})
	got := g.query(backend.TimeRange{From: end.Add(-2 * time.Hour), To: end}, map[string]string{"A": `{"metrics":["executions"],"granularity":"hour","groupBy":["workflow"]}`})["A"]
	require.NoError(t, got.Error)
	var values []string
	for _, link := range allLinks(got) {
		_, variables := g.target(link)
		values = append(values, variables["workflow"]...)
		require.False(t, strings.ContainsAny(strings.TrimPrefix(link.URL, "/d/flowgauge-workflow?${__url_time_range}&"), "$[] +"), link.URL)
	}
	require.ElementsMatch(t, []string{odd, noneValue}, values)
}

func TestWhatIsRedactedLeadsNowhere(t *testing.T) {
	ds := newFake(1, func(context.Context, access.Principal, query.Request) (*query.Result, error) {
		return &query.Result{Frame: data.NewFrame("",
			data.NewField("execution", nil, []string{query.Redacted}), data.NewField("workflow", nil, []string{"billing"}))}, nil
	})
	ds.settings.DashboardLinks = true
	f := ask(ds, `{"queryType":"executions"}`)["A"].Frames[0]
	require.Empty(t, linksOf(t, f, "execution"))
	require.Len(t, linksOf(t, f, "workflow"), 1)
}
