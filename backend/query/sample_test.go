package query

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
)

// sampleEvents makes about n events of each kind with few distinct attributes,
// so that groups have several members and some are empty.
func sampleEvents(from time.Time, length time.Duration, n int, seed uint64) []event.Event {
	r := rand.New(rand.NewPCG(seed, 7))
	at := func() int64 { return from.UnixMilli() + r.Int64N(length.Milliseconds()) }
	user := func() string { return []string{"", "ann", "bob", "cem"}[r.IntN(4)] }
	workflow := func() string { return []string{"", "wf-a", "wf-b", "it's \\ odd"}[r.IntN(4)] }
	duration := func() int64 {
		return []int64{0, 1, int64(r.IntN(50)), int64(r.IntN(5000)), int64(r.IntN(3_600_000))}[r.IntN(5)]
	}
	// Some are queued when they start, some after it by another clock.
	waited := func() int64 { return []int64{0, r.Int64N(2000), r.Int64N(7_200_000), -r.Int64N(3000)}[r.IntN(4)] }
	amount := func() event.Decimal {
		d, _ := event.ParseDecimal(fmt.Appendf(nil, "%d.%015d", r.IntN(9)-2, r.Int64N(1e15)))
		return d
	}
	var out []event.Event
	for i := range n {
		id := fmt.Sprintf("e%d-%d", seed, i)
		start := event.Event{
			Kind: event.KindExecution, Status: event.StatusStarted, Tenant: "acme", ID: id, Time: at(), PreviousTime: event.NoTime,
			WorkflowID: workflow(), WorkflowVersion: r.Uint32N(3), UserID: user(), TriggerType: []string{"", "cron", "hook"}[r.IntN(3)],
			Duration: 99, // Of no meaning yet: durations are those of what ended.
		}
		start.QueuedTime, start.Attempt = start.Time-waited(), r.Uint32N(4)
		if r.IntN(4) > 0 {
			out = append(out, start)
		}
		if r.IntN(4) > 0 {
			end := start
			end.Status, end.Duration = event.StatusCompleted, duration()
			end.Time += end.Duration
			if r.IntN(3) == 0 {
				end.QueuedTime = event.NoTime
			}
			if r.IntN(3) == 0 {
				end.Status, end.ErrorType = event.StatusFailed, []string{"", "timeout", "io"}[r.IntN(3)]
				end.ErrorMessage = fmt.Sprintf("order %d failed", r.IntN(100))
			}
			out = append(out, end)
		}
		step := event.Event{
			Kind: event.KindStep, Status: []event.Status{event.StatusCompleted, event.StatusFailed, event.StatusSkipped}[r.IntN(3)],
			Tenant: "acme", ID: id + "-s", Time: at(), EndTime: event.NoTime, Duration: duration(), ExecutionID: id,
			StepID: []string{"s1", "s2"}[r.IntN(2)], StepType: []string{"http", "sql"}[r.IntN(2)],
			InputSize: r.Int64N(1 << 40), OutputSize: r.Int64N(1000), Credits: amount(),
		}
		step.QueuedTime, step.Attempt = step.Time-waited(), r.Uint32N(4)
		if r.IntN(3) == 0 {
			step.QueuedTime = event.NoTime
		}
		if r.IntN(2) == 0 {
			step.WorkflowID, step.WorkflowVersion, step.UserID = workflow(), r.Uint32N(3), user()
		}
		cost := event.Event{
			Kind: event.KindCost, Tenant: "acme", ID: id + "-c", Time: at(), WorkflowID: workflow(), UserID: user(), ExecutionID: []string{"", id}[i%2],
			ActionType: []string{"api", "llm"}[r.IntN(2)], Credits: amount(), Dollars: amount(), Pricing: event.Pricing(r.IntN(3)),
		}
		act := event.Event{
			Kind: event.KindActivity, Tenant: "acme", ID: id + "-a", Time: at(), UserID: user(), Duration: duration(),
			SessionID: []string{"", "", "x", "y"}[r.IntN(4)], Action: []string{"login", "view"}[r.IntN(2)], Resource: []string{"wf", "run"}[r.IntN(2)],
		}
		out = append(out, step, cost, act)
	}
	return out
}
