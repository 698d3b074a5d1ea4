package query

import (
	"cmp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// ranked is what the recount says of a workflow or step.
type ranked struct {
	key string
	by  float64
}

func figureOf(g *group, name string) float64 {
	if g == nil {
		return 0
	}
	f, err := strconv.ParseFloat(g.value(name), 64)
	if err != nil {
		return 0
	}
	return f
}

// recountRanking ranks from the events alone.
func recountRanking(o *oracle, users []string, from time.Time, length time.Duration, by, of string, least float64) []ranked {
	kind, names, dims := event.KindExecution, rankingMetrics[of], []string{"workflow"}
	if of == metric.Step {
		kind, dims = event.KindStep, []string{"workflow", "step"}
	}
	r := Request{From: from, To: from.Add(length), GroupBy: dims}
	now := o.groups(r, users, time.UTC, kind)
	r.From, r.To = from.Add(-length), from
	before := o.groups(r, users, time.UTC, kind)
	var out []ranked
	for key, g := range now {
		if figureOf(g, names[rankExecutions]) < least {
			continue
		}
		row := ranked{key: key}
		switch by {
		case "total_time":
			row.by = figureOf(g, names[rankTime])
		case "avg":
			row.by = figureOf(g, names[rankAverage])
		case "p95":
			row.by = figureOf(g, names[rankP95])
		case "failures":
			row.by = figureOf(g, names[rankFailures])
		case "failure_rate":
			row.by = figureOf(g, names[rankFailureRate])
		case "change_p95", "change_failure_rate":
			if figureOf(before[key], names[rankExecutions]) < least {
				continue
			}
			if row.by = figureOf(g, names[rankFailureRate]) - figureOf(before[key], names[rankFailureRate]); by == "change_p95" {
				previous := figureOf(before[key], names[rankP95])
				if previous == 0 {
					continue
				}
				row.by = figureOf(g, names[rankP95])/previous - 1
			}
		}
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b ranked) int { return cmp.Or(cmp.Compare(b.by, a.by), cmp.Compare(a.key, b.key)) })
	return out
}

func TestRankingEqualsTheRecount(t *testing.T) {
	s := querytest.New(t)
	begin, length := time.Date(2026, 3, 1, 9, 7, 0, 0, time.UTC), 10*time.Hour
	events := sampleEvents(begin, 2*length, 400, 9)
	s.Insert(t, events...)
	s.Settle(t)
	e := newSettled(t, s, begin.Add(1000*time.Hour), Limits{})
	o := newOracle(begin, events)
	from := begin.Add(length)
	fields := map[string]string{
		"total_time": "total_time_ms", "avg": "avg_ms", "p95": "p95_ms", "failures": "failures", "failure_rate": "failure_rate",
		"change_p95": "change_p95", "change_failure_rate": "change_failure_rate",
	}
	for _, c := range []struct {
		p     access.Principal
		users []string
	}{{admin, nil}, {viewer("ann"), []string{"ann"}}} {
		for _, of := range []string{metric.Workflow, metric.Step} {
			for by, name := range fields {
				res, err := e.Do(t.Context(), c.p, Request{
					Kind: KindRanking, From: from, To: from.Add(length), Params: map[string]string{"by": by, "of": of, "min_executions": "3"},
				})
				require.NoError(t, err)
				likeItsInfo(t, res.Frame, rankingFields)
				var got []ranked
				for i, value := range field[*float64](t, res.Frame, name) {
					dims := []string{field[string](t, res.Frame, "workflow")[i]}
					if of == metric.Step {
						dims = append(dims, field[string](t, res.Frame, "step")[i])
					}
					require.Equal(t, int64(i+1), field[int64](t, res.Frame, "rank")[i])
					got = append(got, ranked{groupKey("", dims), *value})
				}
				want := recountRanking(o, c.users, from, length, by, of, 3)
				want = want[:min(len(want), defaultRanking)]
				require.Len(t, got, len(want), "%s of %s", by, of)
				require.NotEmpty(t, got)
				for i := range want {
					require.Equal(t, want[i].key, got[i].key, "%s of %s", by, of)
					require.InDelta(t, want[i].by, got[i].by, 1e-9, "%s of %s", by, of)
				}
			}
		}
	}
}

// One of one that failed is not on top, and costs are exact.
func TestRankingNeedsEnough(t *testing.T) {
	s := querytest.New(t)
	at := utc(2026, 3, 1).Add(time.Hour)
	var events []event.Event
	for i := range 40 {
		id := strconv.Itoa(i)
		x := executionAt("a"+id, "steady", at)
		if i < 4 {
			x.Status = event.StatusFailed
		}
		cost := event.Event{Kind: event.KindCost, Tenant: "acme", ID: "c" + id, Time: at.UnixMilli(), WorkflowID: "steady", Dollars: event.Decimal{Lo: 1}}
		events = append(events, x, cost)
	}
	once := executionAt("b", "once", at)
	once.Status = event.StatusFailed
	s.Insert(t, append(events, once)...)
	s.Settle(t)
	e := newEngine(t, s, utc(2026, 4, 1), Limits{})
	r := Request{Kind: KindRanking, From: utc(2026, 3, 1), To: utc(2026, 3, 2), Params: map[string]string{"by": "failure_rate"}}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, []string{"steady"}, field[string](t, res.Frame, "workflow"))
	require.InDelta(t, 0.1, *field[*float64](t, res.Frame, "failure_rate")[0], 1e-12)
	require.Equal(t, []string{"0.00000000000004"}, res.Exact["cost"])
	cost, _ := res.Frame.FieldByName("cost")
	require.Equal(t, "currencyUSD", cost.Config.Unit)
	r.Params["min_executions"] = "1"
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, []string{"once", "steady"}, field[string](t, res.Frame, "workflow"))
	r.Params["by"], r.Limit = "cost", 1
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, []string{"steady"}, field[string](t, res.Frame, "workflow"))
	require.False(t, res.Meta.Truncated) // The other one has no cost.
	// Of a version nobody knows the cost; the rest is answered.
	r.Params["by"], r.Filters = "p95", []Filter{{Dimension: "version", Operator: NotIn, Values: []string{"9"}}}
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Nil(t, field[*float64](t, res.Frame, "cost")[0])
	require.True(t, res.Meta.Truncated)
}

func TestRankingRefuses(t *testing.T) {
	e := offline(t, utc(2026, 1, 1))
	for param, change := range map[string]func(*Request){
		"params.by":             func(r *Request) { r.Params["by"] = "luck" },
		"params.of":             func(r *Request) { r.Params["of"] = "user" },
		"params.min_executions": func(r *Request) { r.Params["min_executions"] = "0" },
		"limit":                 func(r *Request) { r.Limit = 1001 },
		"compare":               func(r *Request) { r.Compare = "yesterday" },
		"filters": func(r *Request) {
			r.Params["by"] = "cost"
			r.Filters = []Filter{{Dimension: "version", Operator: In, Values: []string{"1"}}}
		},
	} {
		r := Request{Kind: KindRanking, From: utc(2026, 1, 1), To: utc(2026, 1, 2), Params: map[string]string{}}
		change(&r)
		_, err := e.Do(t.Context(), admin, r)
		var wrong *RequestError
		require.ErrorAs(t, err, &wrong, param)
		require.Equal(t, param, wrong.Param)
	}
}
