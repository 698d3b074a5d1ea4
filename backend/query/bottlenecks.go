package query

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/criticalpath"
)

const (
	defaultBottlenecks = 50
	maxBottlenecks     = 1000
	defaultSample      = 2000
	maxSample          = 10_000
)

var bottlenecksParams = []ParamInfo{{
	Name: "sample", Default: strconv.Itoa(defaultSample), Example: "5000",
	Description: "How many executions are read at most, 10000 at the very most. Of more than that, a uniform sample is read, the same each time.",
}}

var bottlenecksFields = []FieldInfo{
	{"step", "", "What the workflow calls the step. Empty in a last row of its own: the time that belongs to no step, between, before and after them."},
	{"step_type", "", "What kind of step it is."},
	{"executions", "short", "Executions read in which the step occurs."},
	{"on_path", "short", "Executions read in which it is on the critical path."},
	{"share", "percentunit", "Part of the wall-clock time of the executions read that is on the critical path for it: queueing, retrying and running together."},
	{"queue_share", "percentunit", "Part of the wall-clock time in which the path waited in the step's queue."},
	{"retry_share", "percentunit", "Part of the wall-clock time that went into attempts of the step that had to be repeated, with the pauses between."},
	{"run_share", "percentunit", "Part of the wall-clock time in which the path waited for the attempt that counts."},
	{"retries", "short", "Attempts in the executions read that another attempt superseded."},
	{"path_avg_ms", "ms", "Time on the critical path, per execution read."},
	{"saving_avg_ms", "ms", "How much earlier an execution would end on average, did the step take no time. Executions without the step count as 0."},
	{"saving_p95_ms", "ms", "The same for the execution of the nearest rank at 95 %."},
	{"saving_total_ms", "ms", "What all executions of the period would save together; with a sample, the average times their number."},
	{"runs", "short", "Attempts of the step in the executions read, without those that were skipped."},
	{"failed", "short", "How many of these failed."},
	{"duration_avg_ms", "ms", "How long an attempt ran on average."},
	{"waited_for", "", "The steps that it waited for, as a JSON object: by the step's name, in how many of the executions read."},
}

var bottlenecksShape = shape{
	KindInfo: KindInfo{
		Kind: KindBottlenecks, Title: "Bottlenecks of a workflow",
		Description: "The critical paths of a workflow's executions added up: for each step the part of the wall-clock time that their ends had to wait for it, and what they would save if it took no time; the largest saving first. Needs a filter that keeps one workflow. limit is 50 by default, 1000 at most.",
		Uses:        []string{"filters", "limit", "asOf"},
		Params:      bottlenecksParams,
		Fields:      bottlenecksFields,
	},
	answer:  (*Engine).bottlenecks,
	aliases: map[string]string{"waited_for": metric.Step},
}

func (e *Engine) bottlenecks(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit := r.Limit
	if limit == 0 {
		limit = defaultBottlenecks
	}
	if limit < 0 || limit > maxBottlenecks {
		return nil, requestError("limit", strconv.Itoa(limit), "must be 1 to "+strconv.Itoa(maxBottlenecks), "20")
	}
	most, err := wholeParam(bottlenecksParams, &r, "sample", 1, maxSample)
	if err != nil {
		return nil, err
	}
	q, err := e.check(p, Request{Metrics: []string{"executions"}, From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: r.Filters})
	if err != nil {
		return nil, err
	}
	if err := q.oneWorkflow(); err != nil {
		return nil, err
	}
	if r.To.Sub(r.From) > e.limits.RawMetadata {
		return nil, requestError("from", r.From.Format(time.RFC3339),
			"critical paths are worked out from the steps themselves, up to "+strconv.Itoa(int(e.limits.RawMetadata.Hours()/24))+" days: take a shorter period", "2026-03-01T00:00:00Z")
	}
	s, err := e.sample(ctx, p, q, r, most)
	if err != nil {
		return nil, err
	}
	sum := pathSum{steps: map[string]*stepSum{}}
	for s.next() {
		if err := s.read(ctx, &sum); err != nil {
			return nil, err
		}
	}
	frame, truncated := sum.frame(limit, max(s.total, sum.executions))
	meta := s.meta
	meta.Truncated = truncated
	meta.Sample = &Sample{Executions: sum.executions, Of: max(s.total, sum.executions)}
	if meta.Sample.Executions < meta.Sample.Of {
		meta.Notices = append(meta.Notices, fmt.Sprintf("%d of %d executions were read, chosen evenly; totals are scaled up from them", sum.executions, s.total))
	}
	if sum.cut > 0 {
		meta.Notices = append(meta.Notices, fmt.Sprintf("%d executions have more than %d steps: only that many of each were read", sum.cut, maxExecutionSteps))
	}
	if sum.atLeast > 0 {
		meta.Notices = append(meta.Notices, fmt.Sprintf("in %d executions some steps occur too often to work out what they save together: what one of them saves is counted", sum.atLeast))
	}
	return &Result{Frame: frame, Exact: map[string][]string{}, Meta: meta}, nil
}

// wholeParam returns a parameter that is a whole number.
func wholeParam(params []ParamInfo, r *Request, name string, least, most int) (int, error) {
	value := paramOf(params, r, name)
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, requestError("params."+name, value, fmt.Sprintf("must be a whole number from %d to %d", least, most), paramOf(params, &Request{}, name))
	}
	return n, nil
}

// oneWorkflow wants a filter that keeps a single workflow: steps of different
// workflows that share a name are different steps.
func (q *question) oneWorkflow() error {
	for _, f := range q.filters {
		if f.dimension == metric.Workflow && !f.not && len(f.values) == 1 {
			return nil
		}
	}
	return requestError("filters", "", "this kind of question is about one workflow: filter by workflow with operator in and one value",
		`{"dimension":"workflow","operator":"in","values":["billing"]}`)
}

// stepSum adds up a step over executions.
type stepSum struct {
	stepType                    string
	executions, onPath, retries int
	queue, retry, run, saving   int64
	savings                     []int64 // those that are more than 0

	runs, failed int
	duration     int64
	waitedFor    map[string]int
}

// pathSum adds up the critical paths of executions.
type pathSum struct {
	executions, cut, atLeast int
	wallClock, gap           int64
	steps                    map[string]*stepSum
}

// add takes one execution. Its steps may be none.
func (s *pathSum) add(rows []stepRow, start, end int64) {
	if len(rows) > maxExecutionSteps {
		rows = rows[:maxExecutionSteps]
		s.cut++
	}
	p := criticalpath.Of(pathSteps(rows), start, end)
	s.executions++
	s.wallClock += p.WallClock()
	s.gap += p.Gap
	atLeast := false
	for _, g := range p.Groups {
		step := s.steps[g.StepID]
		if step == nil {
			step = &stepSum{waitedFor: map[string]int{}}
			s.steps[g.StepID] = step
		}
		step.executions++
		step.retries += g.Retries
		if g.Critical {
			step.onPath++
		}
		step.queue, step.retry, step.run = step.queue+g.Queue, step.retry+g.Retry, step.run+g.Run
		if step.saving += g.Saving; g.Saving > 0 {
			step.savings = append(step.savings, g.Saving)
		}
		for _, before := range g.WaitedFor {
			step.waitedFor[before]++
		}
		atLeast = atLeast || g.AtLeast
	}
	if atLeast {
		s.atLeast++
	}
	for i := range rows {
		step := s.steps[rows[i].StepID]
		keep(&step.stepType, rows[i].stepType)
		if rows[i].status == event.StatusSkipped.String() {
			continue
		}
		step.runs++
		step.duration += rows[i].duration
		if rows[i].Failed {
			step.failed++
		}
	}
}

// percentile returns the saving of the nearest rank among all executions.
func (s *stepSum) percentile(percent, executions int) float64 {
	slices.Sort(s.savings)
	rank := (executions*percent + 99) / 100 // From 1.
	if i := rank - 1 - (executions - len(s.savings)); i >= 0 {
		return float64(s.savings[i])
	}
	return 0
}

// before is what the step waited for, as JSON.
func (s *stepSum) before() string {
	text, err := json.Marshal(s.waitedFor)
	if err != nil {
		return "{}" // Unreachable: such a map always marshals.
	}
	return string(text)
}

func (s *pathSum) frame(limit, total int) (frame *data.Frame, truncated bool) {
	names := make([]string, 0, len(s.steps))
	for name := range s.steps {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := s.steps[a], s.steps[b]
		return cmp.Or(cmp.Compare(y.saving, x.saving), cmp.Compare(y.queue+y.retry+y.run, x.queue+x.retry+x.run), strings.Compare(a, b))
	})
	truncated = len(names) > limit
	names = names[:min(limit, len(names))]
	n := len(names)
	step, stepType := make([]string, n), make([]string, n)
	executions, onPath, retries := make([]*int64, n), make([]*int64, n), make([]*int64, n)
	share, queue, retry, run := make([]*float64, n), make([]*float64, n), make([]*float64, n), make([]*float64, n)
	path, average, p95, all := make([]*float64, n), make([]*float64, n), make([]*float64, n), make([]*float64, n)
	runs, failed, duration, waitedFor := make([]*int64, n), make([]*int64, n), make([]*float64, n), make([]string, n)
	for i, name := range names {
		sum := s.steps[name]
		runs[i], failed[i], duration[i], waitedFor[i] = integer64(sum.runs), integer64(sum.failed), part(sum.duration, int64(sum.runs)), sum.before()
		step[i], stepType[i] = name, sum.stepType
		executions[i], onPath[i], retries[i] = integer64(sum.executions), integer64(sum.onPath), integer64(sum.retries)
		share[i] = part(sum.queue+sum.retry+sum.run, s.wallClock)
		queue[i], retry[i], run[i] = part(sum.queue, s.wallClock), part(sum.retry, s.wallClock), part(sum.run, s.wallClock)
		path[i], average[i] = part(sum.queue+sum.retry+sum.run, int64(s.executions)), part(sum.saving, int64(s.executions))
		ninetyFifth, together := sum.percentile(95, s.executions), float64(sum.saving)
		if total > s.executions {
			together = *average[i] * float64(total)
		}
		p95[i], all[i] = &ninetyFifth, &together
	}
	if s.gap > 0 {
		step, stepType = append(step, ""), append(stepType, "")
		executions, onPath, retries = append(executions, nil), append(onPath, nil), append(retries, nil)
		share, queue, retry, run = append(share, part(s.gap, s.wallClock)), append(queue, nil), append(retry, nil), append(run, nil)
		path, average = append(path, part(s.gap, int64(s.executions))), append(average, nil)
		p95, all = append(p95, nil), append(all, nil)
		runs, failed, duration, waitedFor = append(runs, nil), append(failed, nil), append(duration, nil), append(waitedFor, "")
	}
	return frameOf(bottlenecksFields, step, stepType, executions, onPath, share, queue, retry, run, retries, path, average, p95, all, runs, failed, duration, waitedFor), truncated
}

func integer64(n int) *int64 {
	i := int64(n)
	return &i
}
