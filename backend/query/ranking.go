package query

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

const (
	defaultRanking = 10
	maxRanking     = 1000
)

var rankingParams = []ParamInfo{
	{
		Name: "by", Default: "total_time",
		Allowed:     []string{"total_time", "avg", "p95", "failures", "failure_rate", "change_p95", "change_failure_rate", "cost"},
		Description: "What decides the order, the largest first: all time together, the mean or 95th percentile of durations, failures or their share, how much the percentile (relatively) or the share (in points) rose since the period before, or dollars (of a step, credits).",
	},
	{Name: "of", Default: metric.Workflow, Allowed: []string{metric.Workflow, metric.Step}, Description: "Workflows, or steps of workflows."},
	{
		Name: "min_executions", Default: "20", Example: "100",
		Description: "How many executions (of steps, runs of the step) there must be in the period, and for a change in the period before too. With few, one failure is a high share and one slow run a high percentile.",
	},
}

var rankingFields = []FieldInfo{
	{"rank", "short", "Place, from 1."},
	{"workflow", "", "Workflow."},
	{"step", "", "What the workflow calls the step; empty in a ranking of workflows."},
	{"executions", "short", "Executions that ended in the period; of a step, its runs."},
	{"total_time_ms", "ms", "Their durations together."},
	{"time_share", "percentunit", "Part of the durations of all that match, also those that are too few to be ranked."},
	{"avg_ms", "ms", "Mean duration."},
	{"p50_ms", "ms", "Median duration, within 2.2 %."},
	{"p95_ms", "ms", "95th percentile of durations, within 2.2 %."},
	{"failures", "short", "How many failed."},
	{"failure_rate", "percentunit", "Part that failed."},
	{"cost", "", "Dollars of a workflow, credits of a step; none where a filter is by what costs do not have, as the version."},
	{"executions_previous", "short", "Executions in the period before."},
	{"total_time_ms_previous", "ms", "Durations together in the period before."},
	{"avg_ms_previous", "ms", "Mean duration in the period before."},
	{"p95_ms_previous", "ms", "95th percentile in the period before."},
	{"failures_previous", "short", "How many failed in the period before."},
	{"failure_rate_previous", "percentunit", "Part that failed in the period before."},
	{"cost_previous", "", "Cost in the period before."},
	{"change_total_time", "percentunit", "How much the time rose, as part of that before."},
	{"change_avg", "percentunit", "How much the mean rose, as part of that before."},
	{"change_p95", "percentunit", "How much the 95th percentile rose, as part of that before."},
	{"change_failure_rate", "percentunit", "By how much the part that failed rose: the difference, not a ratio."},
}

var rankingShape = shape{
	KindInfo: KindInfo{
		Kind: KindRanking, Title: "Slowest and least reliable",
		Description: "Workflows or steps in order of a figure, the largest first, each with its figures in the period and in the one before (compare chooses it; the period of the same length just before by default). limit is 10 by default, 1000 at most.",
		Uses:        []string{"filters", "limit", "compare", "asOf"},
		Params:      rankingParams,
		Fields:      rankingFields,
	},
	answer: (*Engine).ranking,
}

// rankingMetrics are the figures of a ranking, in the order of rankingRow.
var rankingMetrics = map[string][]string{
	metric.Workflow: {"executions", "duration_sum", "duration_avg", "duration_p50", "duration_p95", "executions_failed", "failure_rate", "dollars"},
	metric.Step:     {"steps", "step_duration_sum", "step_duration_avg", "step_duration_p50", "step_duration_p95", "steps_failed", "step_failure_rate", "step_credits"},
}

// Places in rankingMetrics.
const (
	rankExecutions = iota
	rankTime
	rankAverage
	rankMedian
	rankP95
	rankFailures
	rankFailureRate
	rankCost
	rankFigures
)

// rankingRow is a workflow or step. A figure that it does not have is NaN.
type rankingRow struct {
	workflow, step      string
	now, previous       [rankFigures]float64
	cost, previousCosts string // exact
}

func (r *rankingRow) change(figure int) float64 { return r.now[figure]/r.previous[figure] - 1 }

func (r *rankingRow) changedRate() float64 {
	return r.now[rankFailureRate] - r.previous[rankFailureRate]
}

func (r *rankingRow) by(name string) float64 {
	switch name {
	case "total_time":
		return r.now[rankTime]
	case "avg":
		return r.now[rankAverage]
	case "p95":
		return r.now[rankP95]
	case "failures":
		return r.now[rankFailures]
	case "failure_rate":
		return r.now[rankFailureRate]
	case "change_p95":
		return r.change(rankP95)
	case "change_failure_rate":
		return r.changedRate()
	}
	return r.now[rankCost]
}

func (e *Engine) ranking(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit := r.Limit
	if limit == 0 {
		limit = defaultRanking
	}
	if limit < 0 || limit > maxRanking {
		return nil, requestError("limit", strconv.Itoa(limit), "must be 1 to "+strconv.Itoa(maxRanking), "10")
	}
	least, err := wholeParam(rankingParams, &r, "min_executions", 1, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	by, of := paramOf(rankingParams, &r, "by"), paramOf(rankingParams, &r, "of")
	compare := r.Compare
	if compare == NoCompare {
		compare = PreviousPeriod
	}
	dims := []string{metric.Workflow}
	if of == metric.Step {
		dims = append(dims, metric.Step)
	}
	names := rankingMetrics[of]
	if cost, _ := metric.Lookup(names[rankCost]); by != "cost" && slices.ContainsFunc(r.Filters, func(f Filter) bool { return !cost.HasDimension(f.Dimension) }) {
		names = names[:rankCost] // Nobody knows the cost of a version.
	}
	res, err := e.figures(ctx, p, Request{
		Metrics: names, From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: r.Filters, GroupBy: dims, Compare: compare,
	})
	if err != nil {
		return nil, err
	}
	rows, time := rankingRows(res, len(dims), names)
	changes := by == "change_p95" || by == "change_failure_rate"
	rows = slices.DeleteFunc(rows, func(r rankingRow) bool {
		enough := r.now[rankExecutions] >= float64(least) && (!changes || r.previous[rankExecutions] >= float64(least))
		return !enough || math.IsNaN(r.by(by)) || math.IsInf(r.by(by), 0)
	})
	slices.SortFunc(rows, func(a, b rankingRow) int {
		return cmp.Or(cmp.Compare(b.by(by), a.by(by)), cmp.Compare(a.workflow, b.workflow), cmp.Compare(a.step, b.step))
	})
	meta := res.Meta
	meta.Truncated = meta.Truncated || len(rows) > limit
	rows = rows[:min(limit, len(rows))]
	frame, exact := rankingFrame(rows, time, of)
	return &Result{Frame: frame, Exact: exact, Meta: meta}, nil
}

// rankingRows reads the figures' rows; time is that of all of them.
func rankingRows(res *Result, dims int, names []string) (rows []rankingRow, time float64) {
	rows = make([]rankingRow, res.Frame.Rows())
	for i := range rows {
		r := &rows[i]
		r.workflow, _ = res.Frame.Fields[0].At(i).(string)
		if dims > 1 {
			r.step, _ = res.Frame.Fields[1].At(i).(string)
		}
		r.now[rankCost], r.previous[rankCost] = math.NaN(), math.NaN()
		for f, name := range names {
			r.now[f] = valueAt(res.Frame.Fields[dims+f], i)
			r.previous[f] = valueAt(res.Frame.Fields[dims+len(names)+f], i)
			if f == rankCost {
				r.cost, r.previousCosts = res.Exact[name][i], res.Exact[name+previousSuffix][i]
			}
		}
		if !math.IsNaN(r.now[rankTime]) {
			time += r.now[rankTime]
		}
	}
	return rows, time
}

// valueAt returns a nullable value, NaN for none.
func valueAt(f *data.Field, row int) float64 {
	if v, ok := f.At(row).(*float64); ok && v != nil {
		return *v
	}
	return math.NaN()
}

func rankingFrame(rows []rankingRow, time float64, of string) (*data.Frame, map[string][]string) {
	n := len(rows)
	rank, workflow, step := make([]int64, n), make([]string, n), make([]string, n)
	exact := map[string][]string{"cost": make([]string, n), "cost_previous": make([]string, n)}
	column := func(value func(r *rankingRow) float64) []*float64 {
		out := make([]*float64, n)
		for i := range rows {
			out[i] = finite(value(&rows[i]))
		}
		return out
	}
	figure := func(f int) []*float64 { return column(func(r *rankingRow) float64 { return r.now[f] }) }
	before := func(f int) []*float64 { return column(func(r *rankingRow) float64 { return r.previous[f] }) }
	change := func(f int) []*float64 { return column(func(r *rankingRow) float64 { return r.change(f) }) }
	for i := range rows {
		rank[i], workflow[i], step[i] = int64(i+1), rows[i].workflow, rows[i].step
		exact["cost"][i], exact["cost_previous"][i] = rows[i].cost, rows[i].previousCosts
	}
	frame := frameOf(rankingFields, rank, workflow, step, figure(rankExecutions), figure(rankTime),
		column(func(r *rankingRow) float64 { return r.now[rankTime] / time }),
		figure(rankAverage), figure(rankMedian), figure(rankP95), figure(rankFailures), figure(rankFailureRate), figure(rankCost),
		before(rankExecutions), before(rankTime), before(rankAverage), before(rankP95), before(rankFailures), before(rankFailureRate), before(rankCost),
		change(rankTime), change(rankAverage), change(rankP95), column((*rankingRow).changedRate))
	if m, ok := metric.Lookup(rankingMetrics[of][rankCost]); ok {
		for _, name := range []string{"cost", "cost_previous"} {
			f, _ := frame.FieldByName(name)
			f.Config.Unit = m.Unit
		}
	}
	return frame, exact
}

// finite returns a figure, or none for what is none.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
