package clustertest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
)

// tenants are as many as it takes for both shards to have some.
var tenants = []string{"acme", "globex", "initech", "it's \\ odd"}

// sample makes about 5n events of a tenant with few distinct attributes, so that
// groups have several members.
func sample(tenant string, from time.Time, length time.Duration, n int, seed uint64) []event.Event {
	r := rand.New(rand.NewPCG(seed, 7))
	at := func() int64 { return from.UnixMilli() + r.Int64N(length.Milliseconds()) }
	user := func() string { return []string{"", "ann", "bob"}[r.IntN(3)] }
	workflow := func() string { return []string{"", "wf-a", "wf-b"}[r.IntN(3)] }
	amount := func() event.Decimal {
		d, _ := event.ParseDecimal(fmt.Appendf(nil, "%d.%015d", r.IntN(9)-2, r.Int64N(1e15)))
		return d
	}
	blank := event.Event{Tenant: tenant, Source: "test", PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime}
	var out []event.Event
	for i := range n {
		id := fmt.Sprintf("e%d-%d", seed, i)
		start := blank
		start.Kind, start.Status, start.ID, start.Time = event.KindExecution, event.StatusStarted, id, at()
		start.WorkflowID, start.WorkflowVersion, start.UserID = workflow(), r.Uint32N(3), user()
		start.TriggerType = []string{"", "cron"}[r.IntN(2)]
		out = append(out, start)
		if r.IntN(4) > 0 {
			end := start
			end.Status, end.Duration = event.StatusCompleted, r.Int64N(3_600_000)
			end.Time += end.Duration
			if r.IntN(3) == 0 {
				end.Status, end.ErrorType, end.ErrorMessage = event.StatusFailed, "timeout", fmt.Sprintf("order %d failed", r.IntN(100))
			}
			out = append(out, end)
			if i%2 == 0 { // It is said to have ended twice.
				end.Time += 1000
				out = append(out, end)
			}
		}
		step := blank
		step.Kind, step.ID, step.Time, step.ExecutionID = event.KindStep, id+"-s", at(), id
		step.Status = []event.Status{event.StatusCompleted, event.StatusFailed, event.StatusSkipped}[r.IntN(3)]
		step.StepID, step.StepType, step.Duration = []string{"s1", "s2"}[r.IntN(2)], "http", r.Int64N(5000)
		step.InputSize, step.OutputSize, step.Credits = r.Int64N(1<<40), r.Int64N(1000), amount()
		if r.IntN(2) == 0 { // Else it takes them from its execution.
			step.WorkflowID, step.WorkflowVersion, step.UserID = workflow(), r.Uint32N(3), user()
		}
		cost := blank
		cost.Kind, cost.ID, cost.Time, cost.WorkflowID, cost.UserID = event.KindCost, id+"-c", at(), workflow(), user()
		cost.ActionType, cost.Credits, cost.Dollars = []string{"api", "llm"}[r.IntN(2)], amount(), amount()
		act := blank
		act.Kind, act.ID, act.Time, act.UserID, act.Duration = event.KindActivity, id+"-a", at(), user(), r.Int64N(5000)
		act.Action, act.Resource, act.SessionID = []string{"login", "view"}[r.IntN(2)], "wf", []string{"", "x"}[r.IntN(2)]
		out = append(out, step, cost, act)
	}
	return out
}

// corrected sends some events again with other attributes: some at their own
// time, some moved to another.
func corrected(events []event.Event, by time.Duration) []event.Event {
	var out []event.Event
	for i := 0; i < len(events); i += 3 {
		e := events[i]
		if e.Kind != event.KindActivity {
			e.WorkflowID = "wf-corrected"
		}
		e.Duration++
		if i%2 == 0 {
			e.PreviousTime, e.Time = e.Time, e.Time+by.Milliseconds()
		}
		out = append(out, e)
	}
	return out
}

// count adds up, one by one, what stands of the deliveries of a tenant. It returns
// the metrics that it counts, and the answer to a question about them.
func count(deliveries []event.Event, tenant string) (answer string, metrics []string) {
	standing := map[event.Identity]event.Event{}
	for _, e := range deliveries {
		if e.Tenant != tenant {
			continue
		}
		if e.PreviousTime != event.NoTime {
			before := e
			before.Time = e.PreviousTime
			delete(standing, before.Identity())
		}
		standing[e.Identity()] = e
	}
	numbers := map[string]int64{}
	var credits, dollars event.Decimal
	for _, e := range standing {
		switch e.Kind {
		case event.KindExecution:
			switch e.Status {
			case event.StatusStarted:
				numbers["executions_started"]++
				continue
			case event.StatusFailed:
				numbers["executions_failed"]++
			}
			numbers["executions"]++
			numbers["duration_sum"] += e.Duration
		case event.KindStep:
			if e.Status != event.StatusSkipped {
				numbers["steps"]++
			}
			numbers["step_input_bytes"] += e.InputSize
		case event.KindCost:
			numbers["cost_records"]++
			credits, dollars = credits.Add(e.Credits), dollars.Add(e.Dollars)
		case event.KindActivity:
			numbers["actions"]++
		}
	}
	for _, name := range []string{"executions", "executions_started", "executions_failed", "duration_sum", "steps", "step_input_bytes", "cost_records", "actions"} {
		answer += fmt.Sprintf("%s=%d ", name, numbers[name])
		metrics = append(metrics, name)
	}
	for name, sum := range map[string]event.Decimal{"credits": credits, "dollars": dollars} {
		answer += fmt.Sprintf("%s=%s ", name, sum)
		metrics = append(metrics, name)
	}
	return answer, metrics
}
