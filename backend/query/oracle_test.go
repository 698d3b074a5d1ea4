package query

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// oracle counts events in Go, by definition and one by one: no buckets, no
// histograms merged in advance, no calendar of this package.
type oracle struct {
	events []event.Event // those that stand
	now    time.Time
}

// standing keeps the last delivery of each identity and gives steps what they
// inherit.
func newOracle(now time.Time, deliveries []event.Event) *oracle {
	last := map[event.Identity]int{}
	for i := range deliveries {
		last[deliveries[i].Identity()] = i
	}
	// What a step inherits: each attribute from the execution's latest event, the
	// version and the user from the latest that has one.
	latest := map[string]*event.Event{}
	version, user := map[string]uint32{}, map[string]string{}
	o := &oracle{now: now}
	for i := range deliveries {
		e := deliveries[i]
		if last[e.Identity()] != i {
			continue
		}
		o.events = append(o.events, e)
		if e.Kind == event.KindExecution {
			latest[e.ID] = &deliveries[i]
			if e.WorkflowVersion != 0 {
				version[e.ID] = e.WorkflowVersion
			}
			if e.UserID != "" {
				user[e.ID] = e.UserID
			}
		}
	}
	for i := range o.events {
		s := &o.events[i]
		if s.Kind != event.KindStep {
			continue
		}
		if x := latest[s.ExecutionID]; x != nil && s.WorkflowID == "" {
			s.WorkflowID = x.WorkflowID
		}
		if s.WorkflowVersion == 0 {
			s.WorkflowVersion = version[s.ExecutionID]
		}
		if s.UserID == "" {
			s.UserID = user[s.ExecutionID]
		}
	}
	return o
}

var kindOf = map[metric.Source]event.Kind{
	metric.SourceExecutions: event.KindExecution, metric.SourceSteps: event.KindStep,
	metric.SourceCosts: event.KindCost, metric.SourceActivity: event.KindActivity,
}

func dimensionValue(e *event.Event, name string, at time.Time) string {
	switch name {
	case metric.HourOfDay:
		return at.Format("15")
	case metric.Weekday:
		return strconv.Itoa((int(at.Weekday())+6)%7 + 1)
	case metric.Workflow:
		return e.WorkflowID
	case metric.Version:
		return strconv.Itoa(int(e.WorkflowVersion))
	case metric.TriggerType:
		return e.TriggerType
	case metric.ErrorType:
		return e.ErrorType
	case metric.User:
		return e.UserID
	case metric.Step:
		return e.StepID
	case metric.StepType:
		return e.StepType
	case metric.ActionType:
		return e.ActionType
	case metric.Action:
		return e.Action
	case metric.Resource:
		return e.Resource
	case metric.Execution:
		if e.Kind == event.KindExecution {
			return e.ID
		}
		return e.ExecutionID
	}
	panic(name)
}

// bucketStart is the start of a bucket as the wall clock shows it.
func bucketStart(g Granularity, t time.Time) time.Time {
	y, m, d := t.Date()
	loc := t.Location()
	switch g {
	case Day:
		return time.Date(y, m, d, 0, 0, 0, 0, loc)
	case Week:
		return time.Date(y, m, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, loc)
	case Month:
		return time.Date(y, m, 1, 0, 0, 0, 0, loc)
	}
	minutes := map[Granularity]int{Minute: 1, Quarter: 15, Hour: 60}[g]
	start := t.Add(-time.Duration(t.Minute()%minutes)*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	if changed, _ := t.ZoneBounds(); !changed.IsZero() && start.Before(changed) {
		_, before := start.Zone()
		_, after := t.Zone()
		if (after-before)%(minutes*60) != 0 {
			return changed
		}
	}
	return start
}

// group is an oracle's row.
type group struct {
	time   string
	dims   []string
	events []*event.Event
}

func groupKey(at string, dims []string) string { return at + "\x00" + strings.Join(dims, "\x00") }

// groups sorts the events of a source that the request is about into rows.
func (o *oracle) groups(r Request, users []string, loc *time.Location, kind event.Kind) map[string]*group {
	out := map[string]*group{}
	if r.Granularity == Whole && len(r.GroupBy) == 0 {
		out[groupKey("", nil)] = &group{}
	}
	for i := range o.events {
		e := &o.events[i]
		at := time.UnixMilli(e.Time)
		if e.Kind != kind || at.Before(r.From) || !at.Before(r.To) || (users != nil && !slices.Contains(users, e.UserID)) {
			continue
		}
		keep := true
		for _, f := range r.Filters {
			keep = keep && slices.Contains(f.Values, dimensionValue(e, f.Dimension, at.In(loc))) == (f.Operator == In)
		}
		if !keep {
			continue
		}
		g := &group{}
		if r.Granularity != Whole {
			g.time = bucketStart(r.Granularity, at.In(loc)).UTC().Format(time.RFC3339)
		}
		for _, d := range r.GroupBy {
			g.dims = append(g.dims, dimensionValue(e, d, at.In(loc)))
		}
		key := groupKey(g.time, g.dims)
		if out[key] == nil {
			out[key] = g
		}
		out[key].events = append(out[key].events, e)
	}
	return out
}

func amountOf(events []*event.Event, of func(*event.Event) event.Decimal, sign int) event.Decimal {
	var sum event.Decimal
	for _, e := range events {
		if d := of(e); sign == 0 || d.Sign() == sign {
			sum = sum.Add(d)
		}
	}
	if sign < 0 {
		return sum.Neg()
	}
	return sum
}

// value computes a metric of a row as text: decimal for exact amounts, "none".
func (g *group) value(name string) string {
	var started, completed, failed, skipped, sum, longest, input, output float64
	var durations, queues []int64
	var queueSum, retried, attempts float64
	users, workflows := map[string]bool{}, map[string]bool{}
	for _, e := range g.events {
		switch e.Status {
		case event.StatusStarted:
			started++
		case event.StatusCompleted:
			completed++
		case event.StatusFailed:
			failed++
		case event.StatusSkipped:
			skipped++
		}
		input, output = input+float64(e.InputSize), output+float64(e.OutputSize)
		if e.Status == event.StatusStarted {
			continue
		}
		if e.Status != event.StatusSkipped {
			durations = append(durations, e.Duration)
			sum, longest = sum+float64(e.Duration), max(longest, float64(e.Duration))
			if e.QueuedTime != event.NoTime && e.Kind != event.KindActivity && e.Kind != event.KindCost {
				began := e.Time
				if e.Kind == event.KindExecution {
					began -= e.Duration
				}
				wait := max(0, began-e.QueuedTime)
				queues, queueSum = append(queues, wait), queueSum+float64(wait)
			}
			attempts = max(attempts, 1, float64(e.Attempt))
			if e.Attempt > 1 {
				retried++
			}
		}
		workflows[e.WorkflowID] = true
		users[e.UserID] = true
	}
	delete(users, "")
	n := completed + failed
	per := func(a, b float64) string {
		if b == 0 {
			return "none"
		}
		return number(a / b)
	}
	credits := func(e *event.Event) event.Decimal { return e.Credits }
	dollars := func(e *event.Event) event.Decimal { return e.Dollars }
	percentile := func(of []int64, p string) string {
		percent, _ := strconv.Atoi(p)
		if len(of) == 0 {
			return "none"
		}
		slices.Sort(of)
		rank := int(math.Ceil(float64(percent) * float64(len(of)) / 100))
		exact := of[max(rank, 1)-1]
		return number(min(event.BucketMidpoint(event.DurationBucket(exact))*1000, float64(slices.Max(of))))
	}
	if p, ok := strings.CutPrefix(strings.TrimPrefix(name, "step_"), "duration_p"); ok {
		return percentile(durations, p)
	}
	if p, ok := strings.CutPrefix(strings.TrimPrefix(name, "step_"), "queue_time_p"); ok {
		return percentile(queues, p)
	}
	switch strings.TrimPrefix(name, "step_") {
	case "executions", "steps":
		return number(n)
	case "executions_started":
		return number(started)
	case "executions_completed", "steps_completed":
		return number(completed)
	case "executions_failed", "steps_failed":
		return number(failed)
	case "steps_skipped":
		return number(skipped)
	case "success_rate":
		return per(completed, n)
	case "failure_rate":
		return per(failed, n)
	case "duration_sum":
		return number(sum)
	case "duration_avg":
		return per(sum, n)
	case "duration_max":
		if n == 0 {
			return "none"
		}
		return number(longest)
	case "executions_queued", "steps_queued":
		return number(float64(len(queues)))
	case "queue_time_sum":
		return number(queueSum)
	case "queue_time_avg":
		return per(queueSum, float64(len(queues)))
	case "queue_time_max":
		if len(queues) == 0 {
			return "none"
		}
		return number(float64(slices.Max(queues)))
	case "executions_retried", "steps_retried":
		return number(retried)
	case "retry_rate":
		return per(retried, n)
	case "attempts_max":
		if n == 0 {
			return "none"
		}
		return number(attempts)
	case "active_workflows":
		return number(float64(len(workflows)))
	case "executing_users", "active_users":
		return number(float64(len(users)))
	case "input_bytes":
		return number(input)
	case "output_bytes":
		return number(output)
	case "credits":
		return amountOf(g.events, credits, 0).String()
	case "credits_charged":
		return amountOf(g.events, credits, 1).String()
	case "credits_credited":
		return amountOf(g.events, credits, -1).String()
	case "dollars":
		return amountOf(g.events, dollars, 0).String()
	case "dollars_charged":
		return amountOf(g.events, dollars, 1).String()
	case "dollars_credited":
		return amountOf(g.events, dollars, -1).String()
	case "cost_records_credited":
		n := 0
		for _, e := range g.events {
			if e.Credits.Sign() < 0 || e.Dollars.Sign() < 0 {
				n++
			}
		}
		return number(float64(n))
	case "dollars_derived":
		var total event.Decimal
		for _, e := range g.events {
			if e.Pricing == event.PricingDerived {
				total = total.Add(e.Dollars)
			}
		}
		return total.String()
	case "cost_records_unpriced":
		n := 0
		for _, e := range g.events {
			if e.Pricing == event.PricingUnpriced {
				n++
			}
		}
		return number(float64(n))
	case "cost_records", "actions":
		return number(float64(len(g.events)))
	case "action_duration":
		return number(sum)
	}
	panic(name)
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
