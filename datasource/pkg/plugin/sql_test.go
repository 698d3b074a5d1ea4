package plugin

import (
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/audit"
	"github.com/flowgauge/flowgauge/backend/access/policy"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// sqlOn makes what the user for SQL reads, and returns a datasource that names the user.
func sqlOn(t *testing.T, store *querytest.Store, of string, more map[string]any) *grafana {
	t.Helper()
	user := enginetest.Start(t).SQL
	require.NoError(t, schema.MakeSQLViews(t.Context(), store.Client, user.Name, of))
	with := map[string]any{"sqlUsername": user.Name}
	for name, value := range more {
		with[name] = value
	}
	settings, secrets := settingsOf(t, store.Client.Database(), with)
	secrets["sqlPassword"] = user.Password
	return newGrafana(t, settings, secrets)
}

func TestSQL(t *testing.T) {
	store, day := newStore(t)
	foreign := event.Event{Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "other", ID: "canary", WorkflowID: "canary", Time: day.From.UnixMilli() + 1, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, UserID: "canary"}
	store.Insert(t, foreign)
	g := sqlOn(t, store, tenant, nil)
	got := g.query(day, map[string]string{
		"series": `{"queryType":"sql","format":"timeseries","expr":"SELECT toStartOfHour(time) AS hour, workflow_id, count() AS n FROM executions WHERE $__timeFilter(time) GROUP BY hour, workflow_id ORDER BY hour","alias":"{{workflow_id}}"}`,
		"table":  `{"queryType":"sql","format":"table","expr":"SELECT workflow_id, count() AS n, avg(duration_ms) AS ms FROM executions WHERE $__timeFilter(time) GROUP BY workflow_id ORDER BY n DESC"}`,
		"all":    `{"queryType":"sql","format":"table","expr":"SELECT DISTINCT user_id FROM executions"}`,
		"types":  `{"queryType":"sql","format":"table","expr":"SELECT 1::UInt8 AS u8, -1::Int64 AS i64, 1.5::Float64 AS f, true AS b, 'x' AS s, toLowCardinality('y') AS lc, CAST('a', 'Enum8(\\'a\\' = 1)') AS e, toDate('2026-02-03') AS d, toDateTime64('2026-02-03 04:05:06.789', 3, 'UTC') AS t, 12.345::Decimal(18, 3) AS dec, 12.345::Decimal(38, 15) AS wide, -0.5::Decimal(38, 15) AS minus, 1.25::Nullable(Decimal(9, 2)) AS maybe, NULL::Nullable(Int64) AS nothing, 7::Nullable(UInt32) AS some, [1, 2]::Array(UInt64) AS list, toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS id"}`,
		"none":   `{"queryType":"sql","format":"timeseries","expr":"SELECT time, 1 AS n FROM executions WHERE workflow_id = 'gone'"}`,
		"long":   `{"queryType":"sql","format":"table","expr":"SELECT number FROM numbers(1000000)"}`,
	})
	for refID, r := range got {
		require.NoError(t, r.Error, refID)
	}
	names := map[string]int{}
	for _, f := range got["series"].Frames {
		require.Equal(t, data.FrameTypeTimeSeriesMulti, f.Meta.Type)
		names[f.Fields[1].Config.DisplayNameFromDS] = f.Rows()
	}
	require.Equal(t, map[string]int{"sync": 24, "mail": 24}, names)
	table := got["table"].Frames[0]
	require.Equal(t, []any{"sync", uint64(72), 1500.0}, row(t, table, 0))
	require.Contains(t, table.Meta.ExecutedQueryString, "fromUnixTimestamp64Milli(")
	require.Positive(t, table.Meta.Stats[0].Value)
	require.Equal(t, []any{"u"}, row(t, got["all"].Frames[0], 0), "not another tenant's")
	require.Equal(t, 1, got["all"].Frames[0].Rows())
	require.Empty(t, got["none"].Frames[0].Fields, "the contract's way to say that there is nothing")

	types := got["types"].Frames[0]
	require.Equal(t, []any{uint8(1), int64(-1), 1.5, true, "x", "y", "a"}, row(t, &data.Frame{Fields: types.Fields[:7]}, 0))
	value := func(name string) any {
		f, _ := types.FieldByName(name)
		require.NotNil(t, f, name)
		v, _ := f.ConcreteAt(0)
		return v
	}
	require.Equal(t, "2026-02-03 00:00:00 +0000 UTC", str(value("d")))
	require.Equal(t, "2026-02-03 04:05:06.789 +0000 UTC", str(value("t")))
	require.InDelta(t, 12.345, value("dec"), 1e-12)
	require.InDelta(t, 12.345, value("wide"), 1e-12)
	require.InDelta(t, -0.5, value("minus"), 1e-12)
	require.InDelta(t, 1.25, value("maybe"), 1e-12)
	require.Equal(t, uint32(7), value("some"))
	require.Equal(t, "[1,2]", value("list"))
	require.Equal(t, "61f0c404-5cb3-11e7-907b-a6006ad3dba0", value("id"))
	nothing, _ := types.FieldByName("nothing")
	require.True(t, nothing.NilAt(0))

	require.Equal(t, mostSQLRows, got["long"].Frames[0].Rows())
	require.Contains(t, got["long"].Frames[0].Meta.Notices[0].Text, "more rows than the 200000")

	var tables struct{ Tables []Table }
	status, _ := g.get("tables", &tables)
	require.Equal(t, 200, status)
	var listed []string
	for _, table := range tables.Tables {
		listed = append(listed, table.Name)
		require.Equal(t, "time", table.Columns[0].Name)
	}
	require.Equal(t, []string{"activity", "costs", "execution_starts", "executions", "steps"}, listed)
}

// Who wants JSON gets of a statement what others get in Arrow.
func TestSQLInJSON(t *testing.T) {
	store, day := newStore(t)
	g := sqlOn(t, store, tenant, nil)
	req := &backend.QueryDataRequest{PluginContext: g.pc, Format: backend.DataFrameFormat_JSON, Queries: []backend.DataQuery{{
		RefID: "A", TimeRange: day, JSON: []byte(`{"queryType":"sql","format":"table","expr":"SELECT number AS n, toString(number) AS s, if(number = 1, NULL, number)::Nullable(Float64) AS f FROM numbers(3)"}`),
	}}}
	out, err := g.plugin.Client.QueryData(g.ctx(), req)
	require.NoError(t, err)
	require.NoError(t, out.Responses["A"].Error)
	frame := out.Responses["A"].Frames[0]
	require.Equal(t, "A", frame.RefID)
	require.Equal(t, 3, frame.Rows())
	require.Equal(t, []any{uint64(2), "2", 2.0}, row(t, frame, 2))
	require.True(t, frame.Fields[2].NilAt(1))
}

// An execution that was sent when it began and when it ended is one, as the metric counts it.
func TestSQLCountsExecutionsAsTheMetricDoes(t *testing.T) {
	store, day := newStore(t)
	at := day.From.UnixMilli()
	begin := event.Event{
		Kind: event.KindExecution, Status: event.StatusStarted, Tenant: tenant, ID: "both", WorkflowID: "sync", Time: at + 10,
		PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, UserID: "u",
	}
	end := begin
	end.Status, end.Time, end.Duration = event.StatusCompleted, at+5010, 5000
	running := begin
	running.ID = "running"
	store.Insert(t, begin, end, running)
	got := sqlOn(t, store, tenant, nil).query(day, map[string]string{
		"metric":  `{"queryType":"metrics","format":"table","metrics":["executions","executions_started"],"granularity":"none"}`,
		"sql":     `{"queryType":"sql","format":"table","expr":"SELECT count() AS n, countIf(id = 'both') AS both FROM executions WHERE $__timeFilter(time)"}`,
		"starts":  `{"queryType":"sql","format":"table","expr":"SELECT count() AS n FROM execution_starts WHERE $__timeFilter(time)"}`,
		"running": `{"queryType":"sql","format":"table","expr":"SELECT id FROM execution_starts WHERE id NOT IN (SELECT id FROM executions)"}`,
	})
	for refID, r := range got {
		require.NoError(t, r.Error, refID)
	}
	metrics := row(t, got["metric"].Frames[0], 0)
	sql := row(t, got["sql"].Frames[0], 0)
	require.Equal(t, uint64(1), sql[1])
	require.EqualValues(t, metrics[0], sql[0])
	require.EqualValues(t, metrics[1], row(t, got["starts"].Frames[0], 0)[0])
	require.Equal(t, []any{"running"}, row(t, got["running"].Frames[0], 0))
}

func str(v any) string {
	if s, ok := v.(interface{ String() string }); ok {
		return s.String()
	}
	return ""
}

// A statement's author is told what is wrong with it, and a user who may do more than
// read the tenant's rows is not used.
func TestSQLIsConfined(t *testing.T) {
	store, day := newStore(t)
	own := store.Client.Database()
	g := sqlOn(t, store, tenant, nil)
	for expr, want := range map[string]string{
		"SELEC 1":                                                             "the server refused the statement: Syntax error",
		"SELECT gone FROM executions":                                         "gone",
		"SELECT * FROM " + own + ".executions":                                "Not enough privileges",
		"SELECT * FROM merge('" + own + "', '.*')":                            "",
		"INSERT INTO executions VALUES (1)":                                   "",
		"DROP VIEW executions":                                                "",
		"SET readonly = 0":                                                    "",
		"SELECT 1 SETTINGS readonly = 0":                                      "readonly",
		"SELECT 1 SETTINGS max_execution_time = 0":                            "readonly",
		"SELECT 1; DROP VIEW executions":                                      "",
		"SELECT * FROM url('http://127.0.0.1/', TSV)":                         "",
		"SELECT sleepEachRow(3) FROM numbers(30) SETTINGS max_block_size = 1": "",
		"SELECT 1::BFloat16 AS rough":                                         "cast it",
		"SELECT 1 AS n":                                                       "no column of times",
		"SELECT toDateTime(3 - number) AS t, 1 AS n FROM numbers(3)":          "not in the order of their times",
	} {
		r := g.query(day, map[string]string{"A": `{"queryType":"sql","format":"timeseries","expr":"` + expr + `"}`})["A"]
		require.ErrorContains(t, r.Error, want, expr)
		require.Equal(t, backend.StatusBadRequest, r.Status, "%s: %v", expr, r.Error)
	}
	require.Equal(t, uint64(4*hours), count(t, g, day), "nothing was changed")

	t.Run("it is off until somebody names a user", func(t *testing.T) {
		r := grafanaOn(t, store, nil).query(day, map[string]string{"A": `{"queryType":"sql","format":"table","expr":"SELECT 1"}`})["A"]
		require.ErrorContains(t, r.Error, "not allowed here")
		require.Equal(t, backend.StatusForbidden, r.Status)
	})
	t.Run("who does not see everything may not ask", func(t *testing.T) {
		r := sqlOn(t, store, tenant, map[string]any{"adminScope": "own"}).query(day, map[string]string{"A": `{"queryType":"sql","format":"table","expr":"SELECT 1"}`})["A"]
		require.ErrorContains(t, r.Error, "who see all data of the tenant")
	})
	t.Run("the user of another tenant is refused", func(t *testing.T) {
		r := sqlOn(t, store, "other", nil).query(day, map[string]string{"A": `{"queryType":"sql","format":"table","expr":"SELECT 1"}`})["A"]
		require.ErrorContains(t, r.Error, "does not read the rows of the tenant")
	})
	t.Run("each statement is recorded", func(t *testing.T) {
		require.Eventually(t, func() bool {
			records, _, err := audit.List(t.Context(), store.Client, tenant, audit.Page{Limit: 100})
			require.NoError(t, err)
			n := 0
			for _, r := range records {
				if r.Kind == "sql" {
					require.NotEmpty(t, r.Params["statement"])
					n++
				}
			}
			return n >= 16
		}, 20*time.Second, 100*time.Millisecond)
	})
	t.Run("a policy that keeps something back keeps SQL back", func(t *testing.T) {
		_, err := policy.NewStore(store.Client).Put(t.Context(), tenant, "test", &policy.Document{Roles: map[access.Role]policy.Rule{access.RoleAdmin: {Redact: []string{"error_type"}}}})
		require.NoError(t, err)
		r := sqlOn(t, store, tenant, nil).query(day, map[string]string{"A": `{"queryType":"sql","format":"table","expr":"SELECT 1"}`})["A"]
		require.ErrorContains(t, r.Error, "a policy of the tenant keeps something back")
	})
}

func count(t *testing.T, g *grafana, day backend.TimeRange) uint64 {
	t.Helper()
	r := g.query(day, map[string]string{"A": `{"queryType":"sql","format":"table","expr":"SELECT count() AS n FROM executions"}`})["A"]
	require.NoError(t, r.Error)
	n, _ := r.Frames[0].Fields[0].ConcreteAt(0)
	return n.(uint64)
}
