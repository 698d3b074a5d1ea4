package otlp

import (
	"testing"

	"github.com/stretchr/testify/require"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/flowgauge/flowgauge/backend/event"
)

const (
	startMs  = start / 1_000_000
	endMs    = startMs + 1500
	ownID    = traceHex + "-" + spanHex
	parentID = traceHex + "-" + rootHex
	ids      = `"trace_id":"` + traceHex + `","span_id":"` + spanHex + `"`
)

// base is what all expected events have.
func base(e event.Event) event.Event {
	e.Tenant, e.Source = "acme", "billing"
	e.PreviousTime = event.NoTime
	if e.QueuedTime == 0 {
		e.QueuedTime = event.NoTime
	}
	if e.EndTime == 0 {
		e.EndTime = event.NoTime
	}
	return e
}

// run is a terminal execution, and the start that it reports.
func run(e event.Event) []event.Event {
	e.Kind, e.Duration = event.KindExecution, 1500
	if e.Time == 0 {
		e.Time = endMs
	}
	e = base(e)
	started := e
	started.Status, started.Time, started.Duration = event.StatusStarted, e.Time-e.Duration, 0
	started.ErrorType, started.ErrorMessage, started.Metadata = "", "", ""
	return []event.Event{e, started}
}

func aStep(e event.Event) []event.Event {
	e.Kind, e.Time, e.EndTime, e.Duration = event.KindStep, startMs, endMs, 1500
	return []event.Event{base(e)}
}

func kind(s *trace.Span, k trace.Span_SpanKind) *trace.Span {
	s.Kind = k
	return s
}

func TestPresets(t *testing.T) {
	p := mapper(t, "")
	n8n := []any{
		"n8n.workflow.id", "wf-1", "n8n.workflow.name", "Test", "n8n.workflow.version_id", "v1", "n8n.workflow.node_count", 2,
		"n8n.execution.id", "4711", "n8n.execution.mode", "webhook", "n8n.execution.is_retry", false,
	}
	n8nMetadata := `{` + ids + `,"n8n.workflow.name":"Test","n8n.workflow.version_id":"v1","n8n.execution.id":"4711","n8n.execution.is_retry":false}`
	airflow := []any{"airflow.dag_id", "etl", "airflow.dag_run.run_id", "manual__1"}
	for name, tc := range map[string]struct {
		span *trace.Span
		want []event.Event
	}{
		"n8n workflow": {
			aSpan("workflow.execute", append(n8n, "n8n.execution.status", "success")...),
			run(event.Event{ID: ownID, Status: event.StatusCompleted, WorkflowID: "wf-1", TriggerType: "webhook", StepCount: 2, Metadata: n8nMetadata}),
		},
		"n8n workflow that fails": {
			exception(failed(aSpan("workflow.execute", append(n8n, "n8n.execution.status", "error", "n8n.execution.error_type", "NodeOperationError")...), ""), "Error", "connection refused"),
			run(event.Event{
				ID: ownID, Status: event.StatusFailed, WorkflowID: "wf-1", TriggerType: "webhook", StepCount: 2,
				ErrorType: "NodeOperationError", ErrorMessage: "connection refused", Metadata: n8nMetadata,
			}),
		},
		"n8n workflow cancelled by a user": {
			aSpan("workflow.execute", append(n8n, "n8n.execution.status", "canceled")...),
			run(event.Event{ID: ownID, Status: event.StatusFailed, WorkflowID: "wf-1", TriggerType: "webhook", StepCount: 2, Metadata: n8nMetadata}),
		},
		"n8n node": {
			aSpan("node.execute", "n8n.node.id", "n1", "n8n.node.name", "HTTP Request", "n8n.node.type", "n8n-nodes-base.httpRequest", "n8n.node.items.input", 1),
			aStep(event.Event{ID: ownID, ExecutionID: parentID, Status: event.StatusCompleted, StepID: "HTTP Request", StepType: "n8n-nodes-base.httpRequest"}),
		},
		"n8n node that fails": {
			exception(failed(aSpan("node.execute", "n8n.node.name", "HTTP Request", "n8n.node.type", "x"), ""), "TypeError", "refused"),
			aStep(event.Event{ID: ownID, ExecutionID: parentID, Status: event.StatusFailed, StepID: "HTTP Request", StepType: "x"}),
		},
		"n8n of another name":   {aSpan("n8n.test_trace", "n8n.test", true), nil},
		"another's of the name": {aSpan("workflow.execute", "workflow", "x"), nil},
		"pipeline run": {
			kind(aSpan("BUILD deploy", "cicd.pipeline.run.id", "120912", "cicd.pipeline.name", "deploy", "cicd.pipeline.result", "success", "cicd.pipeline.action.name", "BUILD", "cicd.pipeline.run.url.full", "https://ci/1"), trace.Span_SPAN_KIND_SERVER),
			run(event.Event{
				ID: "120912", Status: event.StatusCompleted, WorkflowID: "deploy", TriggerType: "BUILD",
				Metadata: `{` + ids + `,"cicd.pipeline.run.url.full":"https://ci/1"}`,
			}),
		},
		"pipeline run without an id that times out": {
			aSpan("deploy", "cicd.pipeline.result", "timeout"),
			run(event.Event{ID: traceHex, Status: event.StatusFailed, WorkflowID: "deploy", ErrorType: "timeout", Metadata: `{` + ids + `}`}),
		},
		"pipeline run that fails": {
			failed(aSpan("deploy", "cicd.pipeline.result", "failure", "error.type", "ExitCode"), "exit 1"),
			run(event.Event{ID: traceHex, Status: event.StatusFailed, WorkflowID: "deploy", ErrorType: "ExitCode", ErrorMessage: "exit 1", Metadata: `{` + ids + `}`}),
		},
		"pipeline run that was skipped": {aSpan("deploy", "cicd.pipeline.result", "skip"), nil},
		"pipeline task": {
			aSpan("compile", "cicd.pipeline.run.id", "120912", "cicd.pipeline.name", "deploy", "cicd.pipeline.task.name", "compile", "cicd.pipeline.task.run.id", "1", "cicd.pipeline.task.run.result", "success", "cicd.pipeline.task.type", "build"),
			aStep(event.Event{ID: ownID, ExecutionID: "120912", WorkflowID: "deploy", Status: event.StatusCompleted, StepID: "compile", StepType: "build"}),
		},
		"pipeline task that was skipped": {
			aSpan("compile", "cicd.pipeline.task.name", "compile", "cicd.pipeline.task.run.id", "1", "cicd.pipeline.task.run.result", "skip"),
			aStep(event.Event{ID: ownID, ExecutionID: traceHex, Status: event.StatusSkipped, StepID: "compile"}),
		},
		"pipeline task that names its pipeline's result": {
			aSpan("compile", "cicd.pipeline.result", "success", "cicd.pipeline.task.run.id", "1"),
			aStep(event.Event{ID: ownID, ExecutionID: traceHex, Status: event.StatusCompleted, StepID: "compile"}),
		},
		"Airflow DAG run": {
			failed(aSpan("dag_run.etl", append(airflow, "airflow.dag_run.queued_at", "2024-05-31 09:59:00.5+00:00", "airflow.dag_run.start_date", "2024-05-31 12:00:00.500123+02:00")...), ""),
			func() []event.Event {
				out := run(event.Event{
					ID: "etl/manual__1", Status: event.StatusFailed, WorkflowID: "etl", QueuedTime: startMs - 59_500, Metadata: `{` + ids + `}`,
				})
				out[0].Duration, out[1].Time = 1000, startMs+500
				return out
			}(),
		},
		"Airflow task": {
			failed(aSpan("task_run.load", append(airflow, "airflow.task_id", "load", "airflow.task_instance.try_number", 2, "airflow.task_instance.map_index", -1, "airflow.task_instance.state", "up_for_retry", "airflow.task_instance.id", "ti-9")...), ""),
			aStep(event.Event{ID: "ti-9", ExecutionID: "etl/manual__1", WorkflowID: "etl", Status: event.StatusFailed, StepID: "load", Attempt: 2}),
		},
		"Airflow worker": {aSpan("worker.load", append(airflow, "airflow.task_id", "load")...), nil},
		"flowgauge execution": {
			aSpan("nightly", "flowgauge.kind", "execution", "flowgauge.workflowId", "wf", "flowgauge.workflowVersion", 3, "user.id", "ann", "flowgauge.attempt", "2", "region", "eu"),
			run(event.Event{ID: traceHex, Status: event.StatusCompleted, WorkflowID: "wf", WorkflowVersion: 3, UserID: "ann", Attempt: 2, Metadata: `{` + ids + `,"region":"eu"}`}),
		},
		"flowgauge step": {
			aSpan("load", "flowgauge.kind", "step", "flowgauge.stepType", "http", "flowgauge.inputSize", 10, "flowgauge.outputSize", 20.0, "flowgauge.creditsUsed", 0.1, "flowgauge.dependsOn", []any{"a", "", "b"}, "flowgauge.status", "skipped", "flowgauge.executionId", "e1"),
			aStep(event.Event{
				ID: ownID, ExecutionID: "e1", Status: event.StatusSkipped, StepID: "load", StepType: "http", InputSize: 10, OutputSize: 20,
				Credits: decimal(t, "0.1"), DependsOn: []string{"a", "b"},
			}),
		},
		"flowgauge step with a cost": {
			aSpan("llm", "flowgauge.kind", "step", "flowgauge.credits", "12.5", "flowgauge.dollarAmount", 0.30000000000000004, "gen_ai.usage.input_tokens", 42),
			append(aStep(event.Event{ID: ownID, ExecutionID: traceHex, Status: event.StatusCompleted, StepID: "llm"}), base(event.Event{
				Kind: event.KindCost, ID: ownID, Time: endMs, ActionType: "llm", ExecutionID: traceHex, Credits: decimal(t, "12.5"), Dollars: decimal(t, "0.3"),
				Metadata: `{` + ids + `,"flowgauge.kind":"step","gen_ai.usage.input_tokens":42}`,
			})),
		},
		"flowgauge activity": {
			aSpan("open", "flowgauge.kind", "activity", "enduser.id", "ann", "session.id", "s1", "flowgauge.resource", "report"),
			[]event.Event{base(event.Event{
				Kind: event.KindActivity, ID: ownID, Time: startMs, Duration: 1500, Action: "open", UserID: "ann", SessionID: "s1", Resource: "report", Metadata: `{` + ids + `}`,
			})},
		},
		"of nothing": {aSpan("GET /", "http.method", "GET"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			out := p.export(t, tc.span)
			require.Empty(t, out.faults)
			require.Equal(t, tc.want, out.events)
		})
	}
}

func decimal(t testing.TB, s string) event.Decimal {
	t.Helper()
	d, err := event.ParseDecimal([]byte(s))
	require.NoError(t, err)
	return d
}

// A run's attributes may be its resource's, as the conventions propose.
func TestResourceAttributes(t *testing.T) {
	r := request(aSpan("RUN deploy", "cicd.pipeline.result", "success"), aSpan("compile", "cicd.pipeline.task.run.id", "1"))
	r.ResourceSpans[0].Resource.Attributes = attrs("cicd.pipeline.run.id", "7", "cicd.pipeline.name", "deploy")
	r.ResourceSpans[0].ScopeSpans[0].Scope.Attributes = attrs("service.name", "of the scope")
	out := mapper(t, "").decode(mediaProtobuf, marshal(t, r))
	require.Len(t, out.events, 3)
	require.Equal(t, "7", out.events[0].ID)
	require.Equal(t, "deploy", out.events[1].WorkflowID)
	require.Equal(t, "7", out.events[2].ExecutionID)
	require.Equal(t, "of the scope", out.events[2].Source)
}
