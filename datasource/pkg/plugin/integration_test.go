package plugin

import (
	"fmt"
	"net"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

const tenant = "acme"

// The data: in each hour of the last two days (UTC hours, the running one left
// out) three executions of "sync" and one of "mail", which fails.
const hours = 48

func newStore(t *testing.T) (*querytest.Store, backend.TimeRange) {
	t.Helper()
	store := querytest.New(t)
	end := time.Now().UTC().Truncate(time.Hour)
	var events []event.Event
	for h := range hours {
		at := end.Add(-time.Duration(h+1) * time.Hour)
		for i, workflow := range []string{"sync", "sync", "sync", "mail"} {
			e := event.Event{
				Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: tenant,
				ID: fmt.Sprintf("e-%d-%d", h, i), Time: at.Add(time.Duration(i) * time.Minute).UnixMilli(),
				PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
				Duration: 1500, WorkflowID: workflow, WorkflowVersion: 1, UserID: "u",
			}
			if workflow == "mail" {
				e.Status, e.ErrorType, e.ErrorMessage = event.StatusFailed, "Timeout", fmt.Sprintf("no answer after %d ms", 100+h)
			}
			events = append(events, e)
		}
	}
	store.Insert(t, events...)
	store.Settle(t)
	return store, backend.TimeRange{From: end.Add(-24 * time.Hour), To: end}
}

func TestQueries(t *testing.T) {
	store, day := newStore(t)
	g := grafanaOn(t, store, nil)
	got := g.query(day, map[string]string{
		"series":  `{"queryType":"metrics","metrics":["executions"],"granularity":"hour","groupBy":["workflow"],"compare":"previous_day"}`,
		"table":   `{"metrics":["executions","success_rate"],"granularity":"none","format":"table","groupBy":["workflow"]}`,
		"one":     `{"metrics":["executions"],"granularity":"none"}`,
		"errors":  `{"queryType":"errors"}`,
		"all":     `{"metrics":["executions"],"granularity":"none","filters":[{"dimension":"workflow","operator":"in","values":["$__all"]}]}`,
		"nothing": `{"metrics":["executions"],"granularity":"hour","filters":[{"dimension":"workflow","operator":"in","values":["gone"]}]}`,
		"wrong":   `{"metrics":["executionz"]}`,
	})

	t.Run("a wrong query fails alone", func(t *testing.T) {
		for refID, r := range got {
			if refID != "wrong" {
				require.NoError(t, r.Error, refID)
				require.Equal(t, backend.StatusOK, r.Status, refID)
			}
		}
		require.ErrorContains(t, got["wrong"].Error, `metrics "executionz"`)
		require.Equal(t, backend.StatusBadRequest, got["wrong"].Status)
	})
	t.Run("series have names, units and the compared period", func(t *testing.T) {
		names := map[string]int{}
		for _, f := range got["series"].Frames {
			require.Equal(t, data.FrameTypeTimeSeriesMulti, f.Meta.Type)
			require.Equal(t, "short", f.Fields[1].Config.Unit)
			names[f.Fields[1].Config.DisplayNameFromDS] = f.Rows()
		}
		require.Equal(t, map[string]int{"sync": 24, "mail": 24, "sync (previous day)": 24, "mail (previous day)": 24}, names)
	})
	t.Run("a table has titles and units", func(t *testing.T) {
		f := got["table"].Frames[0]
		require.Equal(t, data.FrameTypeNumericLong, f.Meta.Type)
		var titles, units []string
		for _, field := range f.Fields {
			titles, units = append(titles, field.Config.DisplayNameFromDS), append(units, field.Config.Unit)
		}
		require.Equal(t, []string{"Workflow", "Executions", "Success rate"}, titles)
		require.Equal(t, []string{"", "short", "percentunit"}, units)
		require.Equal(t, []any{"sync", 72.0, 1.0}, row(t, f, 0))
		require.Equal(t, []any{"mail", 24.0, 0.0}, row(t, f, 1))
	})
	t.Run("one value for the whole period is a table whatever the format", func(t *testing.T) {
		require.Equal(t, []any{96.0}, row(t, got["one"].Frames[0], 0))
		require.Equal(t, []any{96.0}, row(t, got["all"].Frames[0], 0))
	})
	t.Run("error groups", func(t *testing.T) {
		f := got["errors"].Frames[0]
		require.Equal(t, 1, f.Rows())
		count, _ := f.FieldByName("count")
		require.EqualValues(t, 24, count.At(0))
		require.Equal(t, "Failures", count.Config.DisplayNameFromDS)
	})
	t.Run("an answer without rows still says what was executed", func(t *testing.T) {
		frames := got["nothing"].Frames
		require.Len(t, frames, 1)
		require.Empty(t, frames[0].Fields)
		require.Contains(t, frames[0].Meta.ExecutedQueryString, "SELECT")
	})
	t.Run("the inspector shows statements and cost", func(t *testing.T) {
		meta := got["table"].Frames[0].Meta
		require.Contains(t, meta.ExecutedQueryString, "SELECT")
		require.Equal(t, "Rows read", meta.Stats[0].DisplayName)
		require.Positive(t, meta.Stats[0].Value)
	})
}

func row(t *testing.T, f *data.Frame, at int) []any {
	t.Helper()
	values := make([]any, len(f.Fields))
	for i, field := range f.Fields {
		v, ok := field.ConcreteAt(at)
		require.True(t, ok, field.Name)
		values[i] = v
	}
	return values
}

func TestTenantsAreApart(t *testing.T) {
	store, day := newStore(t)
	g := grafanaOn(t, store, map[string]any{"tenant": "other"})
	got := g.query(day, map[string]string{"A": `{"metrics":["executions"],"granularity":"hour"}`})
	require.NoError(t, got["A"].Error)
	require.Empty(t, got["A"].Frames[0].Fields)

	result, details := g.health()
	require.Equal(t, backend.HealthStatusOk, result.Status)
	require.Contains(t, details.Warnings[0], `The tenant "other" has no executions in the last 30 days`)
}

func TestResources(t *testing.T) {
	store, day := newStore(t)
	g := grafanaOn(t, store, nil)

	var catalogue struct {
		Metrics, Dimensions []struct{ Name string }
		Kinds               []Kind
	}
	status, kind := g.get("catalogue", &catalogue)
	require.Equal(t, 200, status)
	require.Equal(t, "application/json", kind)
	require.NotEmpty(t, catalogue.Metrics)
	require.NotEmpty(t, catalogue.Dimensions)
	require.Len(t, catalogue.Kinds, len(query.Kinds())+2, "and PromQL, and SQL")
	require.Equal(t, []string{"table", "trace", "nodegraph"}, catalogue.Kinds[slices.IndexFunc(catalogue.Kinds, func(k Kind) bool { return k.Kind == query.KindWaterfall })].Formats)

	var values struct{ Values []string }
	period := fmt.Sprintf("&from=%d&to=%s", day.From.UnixMilli(), url.QueryEscape(day.To.Format(time.RFC3339)))
	status, _ = g.get("values?dimension=workflow"+period, &values)
	require.Equal(t, 200, status)
	require.Equal(t, []string{"sync", "mail"}, values.Values)
	g.get("values?dimension=workflow&search=SY&limit=1"+period, &values)
	require.Equal(t, []string{"sync"}, values.Values)
	by := func(filters string) string { return "&filters=" + url.QueryEscape(filters) }
	g.get("values?dimension=workflow"+period+by(`[{"dimension":"workflow","operator":"not_in","values":["sync"]},{"dimension":"user","operator":"in","values":["$__all"]}]`), &values)
	require.Equal(t, []string{"mail"}, values.Values)
	g.get("values?dimension=workflow&search=zzz", &values)
	require.Equal(t, []string{}, values.Values)

	var list struct{ Granularities []Granularity }
	g.get("granularities", &list)
	require.Equal(t, granularities, list.Granularities)

	for path, want := range map[string]struct {
		status int
		detail string
	}{
		"values":                              {400, "dimension: it is missing"},
		"values?dimension=shoe":               {400, "shoe"},
		"values?dimension=workflow&limit=x":   {400, `limit "x"`},
		"values?dimension=workflow&filters=x": {400, `filters "x"`},
		"values?dimension=workflow&from=x":    {400, `from "x"`},
		"shoes":                               {404, "There is no resource GET /shoes."},
	} {
		var problem struct {
			Title, Detail string
			Status        int
		}
		status, kind := g.get(path, &problem)
		require.Equal(t, want.status, status, path)
		require.Equal(t, want.status, problem.Status, path)
		require.Equal(t, "application/problem+json", kind, path)
		require.Contains(t, problem.Detail, want.detail, path)
	}
}

func TestHealth(t *testing.T) {
	store, _ := newStore(t)
	result, details := grafanaOn(t, store, nil).health()
	require.Equal(t, backend.HealthStatusOk, result.Status, result.Message)
	require.Contains(t, result.Message, "192 executions in the last 30 days.")
	require.Empty(t, details.Warnings)
	require.NotEmpty(t, details.Version)
	require.Positive(t, details.SchemaVersion)

	t.Run("a user who may write", func(t *testing.T) {
		e := enginetest.Start(t)
		settings, secrets := settingsOf(t, store.Client.Database(), map[string]any{"username": e.Writer.Name})
		secrets["password"] = e.Writer.Password
		result, details := newGrafana(t, settings, secrets).health()
		require.Equal(t, backend.HealthStatusOk, result.Status, result.Message)
		require.Contains(t, details.Warnings[0], "may change data")
	})
}

func TestHealthFailures(t *testing.T) {
	e := enginetest.Start(t)
	migrated := schematest.Client(t).Database()
	empty := enginetest.Database(t)
	secureServer := httptest.NewTLSServer(nil)
	t.Cleanup(secureServer.Close)
	host, port, err := net.SplitHostPort(strings.TrimPrefix(secureServer.URL, "https://"))
	require.NoError(t, err)
	securePort, err := strconv.Atoi(port)
	require.NoError(t, err)
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closedPort := unused.Addr().(*net.TCPAddr).Port
	require.NoError(t, unused.Close())

	tests := map[string]struct {
		settings      map[string]any
		message, hint string
	}{
		"no host":          {map[string]any{"host": ""}, "No server is configured", "Enter the name or address"},
		"refused":          {map[string]any{"port": closedPort}, "Nothing listens at", "Check that ClickHouse runs there"},
		"HTTP port":        {map[string]any{"port": e.HTTPPort}, "does not speak ClickHouse's native protocol", "8123"},
		"TLS to plain":     {map[string]any{"secure": true}, "does not speak TLS", "9440"},
		"plain to TLS":     {map[string]any{"host": host, "port": securePort}, "does not speak ClickHouse's native protocol", "TLS"},
		"unknown CA":       {map[string]any{"host": host, "port": securePort, "secure": true}, "signed by an authority that is not known", "Own CA"},
		"unknown user":     {map[string]any{"username": "nobody"}, `does not accept the user "nobody"`, "Check both"},
		"missing database": {map[string]any{"database": "gone"}, `"gone"`, ""},
		"no tables":        {map[string]any{"database": empty}, "does not have the tables", "flowgauge migrate"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			settings, secrets := settingsOf(t, migrated, test.settings)
			g := newGrafana(t, settings, secrets)
			result, details := g.health()
			require.Equal(t, backend.HealthStatusError, result.Status)
			require.Contains(t, result.Message, test.message)
			require.Contains(t, details.Hint, test.hint)
			require.NotEmpty(t, details.Hint)
			require.NotContains(t, result.Message+string(result.JSONDetails), secrets["password"])

			// A panel says the same.
			day := backend.TimeRange{From: time.Now().Add(-time.Hour), To: time.Now()}
			got := g.query(day, map[string]string{"A": `{"metrics":["executions"]}`})["A"]
			require.ErrorContains(t, got.Error, result.Message)
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		settings, _ := settingsOf(t, migrated, nil)
		result, _ := newGrafana(t, settings, map[string]string{"password": "hunter2"}).health()
		require.Contains(t, result.Message, "does not accept the user")
		require.NotContains(t, result.Message+string(result.JSONDetails), "hunter2")
	})
}
