package conformance

import (
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
)

// samples are events of every kind, with all fields, with none that may be absent, and with the
// longest and strangest that are accepted.
func samples() []event.Event {
	base := func(kind event.Kind, id string) event.Event {
		return event.Event{
			Kind: kind, Tenant: "conformance", ID: id, Time: 1_767_225_600_000, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		}
	}
	execution := base(event.KindExecution, "execution-1")
	execution.Status, execution.Source, execution.WorkflowID, execution.WorkflowVersion, execution.UserID = event.StatusFailed, "n8n", "invoices", 3, "ann"
	execution.TriggerID, execution.TriggerType, execution.StepCount, execution.Duration = "hook", "webhook", 4, 1500
	execution.ErrorType, execution.ErrorMessage, execution.QueuedTime, execution.Attempt = "timeout", "too late", 1_767_225_599_000, 2
	execution.Metadata = `{"region":"eu","nested":{"list":[1,2,3]}}`

	began := base(event.KindExecution, "execution-1")
	began.Status, began.WorkflowID = event.StatusStarted, "invoices"

	step := base(event.KindStep, "step-1")
	step.Status, step.ExecutionID, step.StepID, step.StepType = event.StatusCompleted, "execution-1", "fetch", "http"
	step.EndTime, step.Duration, step.InputSize, step.OutputSize, step.DependsOn = 1_767_225_600_500, 500, 100, 2000, []string{"step-0"}
	step.Credits, _ = event.ParseDecimal([]byte("0.125"))

	cost := base(event.KindCost, "cost-1")
	cost.UserID, cost.WorkflowID, cost.ExecutionID, cost.ActionType, cost.Pricing = "ann", "invoices", "execution-1", "call", event.PricingUnpriced
	cost.Credits, _ = event.ParseDecimal([]byte("3"))

	credited := base(event.KindCost, "cost-2")
	credited.UserID, credited.ActionType = "ann", "refund"
	credited.Credits, _ = event.ParseDecimal([]byte("-0.000000000000001"))
	credited.Dollars, _ = event.ParseDecimal([]byte("-99999999.999999999999999"))

	activity := base(event.KindActivity, "activity-1")
	activity.UserID, activity.Action, activity.SessionID, activity.Resource, activity.ResourceID, activity.Duration = "ann", "open", "s", "workflow", "invoices", 7

	strange := base(event.KindActivity, strings.Repeat("語", event.MaxNameBytes/3))
	strange.UserID, strange.Action, strange.Time = `"'; DROP TABLE <b>😀`, "\u200b\n\t", 0
	strange.Metadata = `{"` + strings.Repeat("k", 1000) + `":"` + strings.Repeat("v", event.MaxMetadataBytes-2000) + `"}`

	return []event.Event{execution, began, step, cost, credited, activity, strange}
}
