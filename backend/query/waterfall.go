package query

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/criticalpath"
)

const defaultWaterfall = 10_000

var waterfallParams = []ParamInfo{{Name: "execution", Description: "The id of the execution.", Required: true, Example: "exec-42"}}

var waterfallFields = []FieldInfo{
	{"line", "", "execution in the first row, step in all others."},
	{"id", "", "Id of the execution or of the step."},
	{"step", "", "What the workflow calls the step; empty in the execution's row."},
	{"step_type", "", "What kind of step it is."},
	{"workflow", "", "Workflow."},
	{"version", "", "Version of the workflow; 0 where it is not known."},
	{"user", "", "On whose behalf."},
	{"status", "", "started, completed, failed or skipped; started is an execution that has no end yet."},
	{"attempt", "short", "Which attempt it is; 0 where the source does not say."},
	{"queued", "", "When it was put in the queue, where the source says so."},
	{"start", "", "When it began."},
	{"end", "", "When it ended."},
	{"queue_ms", "ms", "From when it was queued until it began."},
	{"duration_ms", "ms", "How long it ran."},
	{"depth", "short", "Steps in the longest chain of steps that waited for each other and ends with this one; 0 in the execution's row."},
	{"depends_on", "", "Ids of the steps that it waited for by its own word, as a JSON array."},
	{"on_critical_path", "", "Whether the end of the execution had to wait for it."},
	{"share", "percentunit", "Part of the execution's wall-clock time that is on the critical path for it; in the execution's row, for all steps."},
	{"saving_ms", "ms", "How much earlier the execution would have ended, had the step with all of its attempts neither queued nor run; said of its last attempt."},
	{"critical_gap_ms", "ms", "Part of the critical path just before it in which nothing happened; in the execution's row, all that belongs to no step."},
	{"critical_queue_ms", "ms", "Part of the critical path in which it was in the queue."},
	{"critical_retry_ms", "ms", "Part of the critical path from the beginning of this attempt to that of the next."},
	{"critical_run_ms", "ms", "Part of the critical path in which the attempt that counts ran."},
	{"input_bytes", "bytes", "Size of its input."},
	{"output_bytes", "bytes", "Size of its output."},
	{"credits", "short", "Credits that the step used."},
	{"trigger_type", "", "What started the execution; empty in the steps' rows."},
	{"error_type", "", "Category of the error that the execution failed of."},
	{"error_message", "", "What the execution failed of."},
}

var waterfallShape = shape{
	KindInfo: KindInfo{
		Kind: KindWaterfall, Title: "Waterfall of one execution",
		Description: "One execution with its steps in order of time, one row for each attempt, and the critical path: which steps its end had to wait for, how their time divides into queueing, retrying and running, and what each would save. The period is not looked at. limit is 10000 by default, 100000 at most.",
		Uses:        []string{"limit", "asOf"},
		Params:      waterfallParams,
		Fields:      waterfallFields,
	},
	answer: (*Engine).waterfall,
}

func (e *Engine) waterfall(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit := r.Limit
	if limit == 0 {
		limit = defaultWaterfall
	}
	if limit < 0 || limit > maxExecutionSteps {
		return nil, requestError("limit", strconv.Itoa(limit), "must be 1 to "+strconv.Itoa(maxExecutionSteps), "1000")
	}
	id := paramOf(waterfallParams, &r, "execution")
	if id == "" {
		return nil, requestError("params.execution", "", "name the execution", waterfallParams[0].Example)
	}
	s, err := e.scope(p)
	if err != nil {
		return nil, err
	}
	loc, err := location(r.TimeZone)
	if err != nil {
		return nil, err
	}
	q := &question{scope: s, loc: loc, now: e.now()}
	x, found, rowsRead, err := e.executionByID(ctx, q, id)
	if err != nil {
		return nil, err
	}
	meta := Meta{TimeZone: loc.String(), Sources: []string{"raw"}, RowsRead: rowsRead, SQL: []string{found.sql}, PartialPeriod: x.end == criticalpath.Unknown}
	from, to := x.start, x.end
	if to == criticalpath.Unknown {
		to = max(from, q.now.UnixMilli())
	}
	meta.From, meta.To = time.UnixMilli(from).In(loc), time.UnixMilli(to).In(loc)
	b := newBinder(q.scope)
	around := within("time", []span{{max(0, from-stepMargin), to + stepMargin}}, b.millis)
	st := statement{sql: q.steps(b, around, "execution_id = "+b.bind(id, "String")), params: b.params}
	var c stepColumns
	var rows []stepRow
	more, err := e.scan(ctx, "steps", st, c.results(), func(i int) error {
		rows = append(rows, c.row(i))
		return nil
	})
	if err != nil {
		return nil, err
	}
	meta.RowsRead, meta.SQL = meta.RowsRead+more, append(meta.SQL, st.sql)
	if len(rows) > maxExecutionSteps {
		rows, meta.Truncated = rows[:maxExecutionSteps], true
		meta.Notices = append(meta.Notices, fmt.Sprintf("the execution has more than %d steps: the critical path is that of the first %d", maxExecutionSteps, maxExecutionSteps))
	}
	path := criticalpath.Of(pathSteps(rows), x.lasted(), x.end)
	if len(rows) > limit {
		rows, meta.Truncated = rows[:limit], true
		meta.Notices = append(meta.Notices, fmt.Sprintf("the first %d of %d steps are shown; the critical path is that of all", limit, len(path.Steps)))
	}
	w := newWaterfall(loc, len(rows))
	w.addExecution(x, path)
	for i := range rows {
		w.addStep(&rows[i], path.Steps[i], path.WallClock())
	}
	return &Result{Frame: w.frame(), Exact: map[string][]string{"credits": w.exact}, Meta: meta}, nil
}

// pathSteps leaves only dependencies on steps that were read: an id of a step that
// the caller may not see is not theirs either.
func pathSteps(rows []stepRow) []criticalpath.Step {
	known := make(map[string]bool, len(rows))
	for i := range rows {
		known[rows[i].ID] = true
	}
	steps := make([]criticalpath.Step, len(rows))
	for i := range rows {
		visible := make([]string, 0, len(rows[i].DependsOn))
		for _, id := range rows[i].DependsOn {
			if known[id] {
				visible = append(visible, id)
			}
		}
		rows[i].DependsOn = visible
		steps[i] = rows[i].Step
	}
	return steps
}

// waterfall gathers lines by column.
type waterfall struct {
	loc                                              *time.Location
	line, id, step, stepType, workflow, user, status []string
	version, attempt, depth                          []int64
	queued, start, end                               []*time.Time
	queue, duration                                  []*float64
	depends                                          []string
	critical                                         []bool
	share, saving                                    []*float64
	gap, criticalQueue, retry, run                   []float64
	input, output                                    []*float64
	credits                                          []*float64
	exact                                            []string
	trigger, errorType, errorMessage                 []string
}

func newWaterfall(loc *time.Location, steps int) *waterfall {
	return &waterfall{loc: loc, exact: make([]string, 0, steps+1)}
}

func (w *waterfall) addExecution(x *executionRow, p *criticalpath.Path) {
	w.line, w.id, w.step, w.stepType = append(w.line, "execution"), append(w.id, x.id), append(w.step, ""), append(w.stepType, "")
	w.workflow, w.user, w.status = append(w.workflow, x.workflow), append(w.user, x.user), append(w.status, x.status)
	w.version, w.attempt, w.depth = append(w.version, x.version), append(w.attempt, x.attempt), append(w.depth, 0)
	w.queued, w.start, w.end = append(w.queued, instant(x.queued, w.loc)), append(w.start, instant(x.start, w.loc)), append(w.end, instant(x.end, w.loc))
	var queue, duration *float64
	if x.queued != criticalpath.Unknown {
		queue = number64(max(0, x.start-x.queued))
	}
	if x.end != criticalpath.Unknown {
		duration = number64(x.duration)
	}
	w.queue, w.duration = append(w.queue, queue), append(w.duration, duration)
	w.depends, w.critical = append(w.depends, "[]"), append(w.critical, true)
	w.share, w.saving = append(w.share, part(p.Queue+p.Retry+p.Run, p.WallClock())), append(w.saving, nil)
	w.gap, w.criticalQueue = append(w.gap, float64(p.Gap)), append(w.criticalQueue, float64(p.Queue))
	w.retry, w.run = append(w.retry, float64(p.Retry)), append(w.run, float64(p.Run))
	w.input, w.output, w.credits, w.exact = append(w.input, nil), append(w.output, nil), append(w.credits, nil), append(w.exact, "")
	w.trigger, w.errorType, w.errorMessage = append(w.trigger, x.triggerType), append(w.errorType, x.errorType), append(w.errorMessage, x.errorMessage)
}

func (w *waterfall) addStep(s *stepRow, f criticalpath.Figures, wallClock int64) {
	w.line, w.id, w.step, w.stepType = append(w.line, "step"), append(w.id, s.ID), append(w.step, s.StepID), append(w.stepType, s.stepType)
	w.workflow, w.user, w.status = append(w.workflow, s.workflow), append(w.user, s.user), append(w.status, s.status)
	w.version, w.attempt, w.depth = append(w.version, s.workflowVersion), append(w.attempt, int64(s.Attempt)), append(w.depth, int64(f.Depth))
	w.queued, w.start, w.end = append(w.queued, instant(s.Queued, w.loc)), append(w.start, instant(s.Start, w.loc)), append(w.end, instant(s.End, w.loc))
	w.queue, w.duration = append(w.queue, s.queue()), append(w.duration, number64(s.duration))
	depends, err := json.Marshal(s.DependsOn)
	if err != nil {
		depends = []byte("[]") // Unreachable: strings always marshal.
	}
	w.depends, w.critical = append(w.depends, string(depends)), append(w.critical, f.Critical)
	w.share = append(w.share, part(f.OnPath(), wallClock))
	if f.Superseded {
		w.saving = append(w.saving, nil)
	} else {
		w.saving = append(w.saving, number64(f.Saving))
	}
	w.gap, w.criticalQueue = append(w.gap, float64(f.Gap)), append(w.criticalQueue, float64(f.Queue))
	w.retry, w.run = append(w.retry, float64(f.Retry)), append(w.run, float64(f.Run))
	w.input, w.output = append(w.input, number64(s.input)), append(w.output, number64(s.output))
	w.amount(s.credits)
	w.trigger, w.errorType, w.errorMessage = append(w.trigger, ""), append(w.errorType, ""), append(w.errorMessage, "")
}

func (w *waterfall) amount(d event.Decimal) {
	nearest := d.Float64()
	w.credits, w.exact = append(w.credits, &nearest), append(w.exact, d.String())
}

func (w *waterfall) frame() *data.Frame {
	return frameOf(waterfallFields, w.line, w.id, w.step, w.stepType, w.workflow, w.version, w.user, w.status, w.attempt,
		w.queued, w.start, w.end, w.queue, w.duration, w.depth, w.depends, w.critical, w.share, w.saving,
		w.gap, w.criticalQueue, w.retry, w.run, w.input, w.output, w.credits, w.trigger, w.errorType, w.errorMessage)
}

func number64(n int64) *float64 {
	f := float64(n)
	return &f
}

// part divides, where there is something to divide by.
func part(n, of int64) *float64 {
	if of <= 0 {
		return nil
	}
	f := float64(n) / float64(of)
	return &f
}
