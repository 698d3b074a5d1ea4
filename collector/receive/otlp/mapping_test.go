package otlp

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
)

// The first mapping of each kind makes the event, so one of one's own stands before a
// preset's, and one span can be a step and a cost.
func TestOwnMappings(t *testing.T) {
	p := mapper(t, `
mappings:
  - name: tests
    match: {attributes: {n8n.node.name: "Test *"}}
    event: ignore
  - name: temporal
    match: {span: "RunActivity:*", scope: temporal-*, attributes: {temporalRunID: "*"}}
    event: step
    fields: {executionId: "{temporalRunID}", stepId: "{$*}", stepType: temporal, source: "{$scope}/{service.name}"}
  - name: llm
    match: {span: "chat *", kind: client, attributes: {gen_ai.operation.name: chat}, resource: {service.name: bill*}}
    event: cost
    metadata: all
    fields: {actionType: "{$*}", credits: "{gen_ai.usage.credits}", executionId: "{$parent_id}/{$span_id}"}
  - name: rows
    match: {span: load}
    event: execution
    started: false
    metadata: none
    fields: {workflowId: loader, triggerId: ["{cron}", "{$message}", by hand]}
  - name: no metadata but this
    match: {span: save}
    event: activity
    fields: {metadata: "{details}", action: save}
`)
	r := request(
		aSpan("node.execute", "n8n.node.name", "Test 1"),
		aSpan("node.execute", "n8n.node.name", "Real 1"),
		aSpan("RunActivity:Charge:card", "temporalRunID", "r1"),
		kind(aSpan("chat gpt", "gen_ai.operation.name", "chat", "gen_ai.usage.credits", 7, "gen_ai.usage.input_tokens", 42, "n8n.node.name", "LLM"), trace.Span_SPAN_KIND_CLIENT),
		kind(aSpan("chat gpt", "gen_ai.operation.name", "chat"), trace.Span_SPAN_KIND_SERVER),
		aSpan("load", "rows", 3),
		aSpan("save", "details", attrs("a", 1, "b", []any{true, "x", 1.5, []byte{1, 2}, nil}), "other", 1),
	)
	r.ResourceSpans[0].ScopeSpans[0].Scope.Name = "temporal-sdk-go"
	out := p.decode(mediaProtobuf, marshal(t, r))
	require.Nil(t, out.refusal)
	require.Empty(t, out.faults)
	require.Len(t, out.events, 5)
	require.Equal(t, "Real 1", out.events[0].StepID)
	require.Equal(t, []event.Event{{
		Kind: event.KindStep, Status: event.StatusCompleted, Tenant: "acme", Source: "temporal-sdk-go/billing", ID: ownID,
		ExecutionID: "r1", StepID: "Charge:card", StepType: "temporal", Time: startMs, EndTime: endMs, Duration: 1500,
		PreviousTime: event.NoTime, QueuedTime: event.NoTime,
	}, {
		Kind: event.KindCost, Tenant: "acme", Source: "billing", ID: ownID, Time: endMs, ActionType: "gpt", Credits: decimal(t, "7"),
		ExecutionID: rootHex + "/" + spanHex, Pricing: event.PricingUnpriced,
		Metadata:     `{` + ids + `,"gen_ai.usage.input_tokens":42,"n8n.node.name":"LLM","host.name":"h1"}`,
		PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
	}, {
		Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", Source: "billing", ID: traceHex, Time: endMs, Duration: 1500,
		WorkflowID: "loader", TriggerID: "by hand", PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
	}, {
		Kind: event.KindActivity, Tenant: "acme", Source: "billing", ID: ownID, Time: startMs, Duration: 1500, Action: "save",
		Metadata: `{"a":1,"b":[true,"x",1.5,"AQI=",null]}`, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
	}}, out.events[1:])
}

// What the documentation shows is what can be written.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../../docs/sources/otlp.md")
	require.NoError(t, err)
	_, text, ok := strings.Cut(string(page), "```yaml\n")
	require.True(t, ok)
	text, _, _ = strings.Cut(text, "```")
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	cfg, err := config.Load(file, nil)
	require.NoError(t, err)
	require.Len(t, cfg.Sources.OTLP.Mappings, 4)
	_, err = New(Config{Presets: cfg.Sources.OTLP.Presets, Mappings: cfg.Sources.OTLP.Mappings})
	require.NoError(t, err)
}

func TestMappingErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{event: deed, match: {span: a}}`:                                                   `event is "deed"`,
		`{event: step}`:                                                                     "match every span",
		`{event: step, match: {span: "*", attributes: {}}}`:                                 "match every span",
		`{event: step, match: {span: a, kind: sideways}}`:                                   `kind is "sideways"`,
		`{event: step, match: {span: a}, fields: {workflowID: x}}`:                          `sets no field "workflowID"`,
		`{event: step, match: {span: a}, fields: {action: x}}`:                              `a mapping to step sets no field "action"`,
		`{event: step, match: {span: a}, fields: {stepId: "{$nme}"}}`:                       "{$nme} is no reference",
		`{event: step, match: {span: a}, fields: {stepId: "{name"}}`:                        "a reference ends with }",
		`{event: step, match: {span: a}, fields: {stepId: ["a", ""]}}`:                      "it is empty",
		`{event: ignore, match: {span: a}, fields: {stepId: a}}`:                            "has no fields",
		`{event: step, match: {span: a}, metadata: some}`:                                   `metadata is "some"`,
		`{event: step, match: {span: a}, status: {from: "{a}", started: [a]}}`:              "executions are started",
		`{event: execution, match: {span: a}, status: {from: "{a}", skipped: [a]}}`:         "executions are started",
		`{event: cost, match: {span: a}, status: {from: "{a}", failed: [a]}}`:               "can only be ignored",
		`{event: step, match: {span: a}, status: {from: "{a}"}}`:                            "needs both",
		`{event: step, match: {span: a}, status: {failed: [a]}}`:                            "needs both",
		`{event: step, match: {span: a}, status: {from: "{a}", failed: [a], skipped: [a]}}`: `"a" means two`,
		`{event: step, match: {span: a}, status: {from: "{a", failed: [a]}}`:                "status: from",
	} {
		_, err := New(Config{Mappings: mappings(t, "mappings: ["+strings.Replace(text, "{", "{name: mine, ", 1)+"]")})
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, `"mine"`)
	}
	_, err := New(Config{Presets: []string{"n8n", "m9m"}})
	require.ErrorContains(t, err, `no preset "m9m"; there are airflow, cicd, flowgauge, n8n`)
}

func TestRejected(t *testing.T) {
	p := mapper(t, "")
	change := func(do func(*trace.Span)) *trace.Span {
		s := aSpan("work", "flowgauge.kind", "step")
		do(s)
		return s
	}
	long := strings.Repeat("x", event.MaxNameBytes+1)
	for name, tc := range map[string]struct {
		span *trace.Span
		want string
	}{
		"no trace id":                   {change(func(s *trace.Span) { s.TraceId = nil }), "missing_field traceId"},
		"trace id of 0":                 {change(func(s *trace.Span) { clear(s.TraceId) }), "missing_field traceId"},
		"short span id":                 {change(func(s *trace.Span) { s.SpanId = s.SpanId[:7] }), "missing_field spanId"},
		"no start":                      {change(func(s *trace.Span) { s.StartTimeUnixNano = 0 }), "missing_field startTimeUnixNano"},
		"no end":                        {change(func(s *trace.Span) { s.EndTimeUnixNano = 0 }), "missing_field endTimeUnixNano"},
		"end before start":              {change(func(s *trace.Span) { s.EndTimeUnixNano = s.StartTimeUnixNano - 1 }), "end_before_start endTimeUnixNano"},
		"beyond time":                   {change(func(s *trace.Span) { s.EndTimeUnixNano, s.StartTimeUnixNano = math.MaxUint64, math.MaxUint64-9 }), "time_out_of_range startTime"},
		"from 1970 on":                  {change(func(s *trace.Span) { s.StartTimeUnixNano, s.EndTimeUnixNano = 1, math.MaxUint64 }), "time_out_of_range endTime"},
		"long step":                     {change(func(s *trace.Span) { s.Name = long }), "too_long stepId"},
		"no step":                       {change(func(s *trace.Span) { s.Name = "" }), "missing_field stepId"},
		"version":                       {aSpan("work", "flowgauge.kind", "step", "flowgauge.workflowVersion", "v2"), "not_an_integer workflowVersion"},
		"attempt":                       {aSpan("work", "flowgauge.kind", "step", "flowgauge.attempt", -1), "negative_number attempt"},
		"size":                          {aSpan("work", "flowgauge.kind", "step", "flowgauge.inputSize", 1e17), "out_of_range inputSize"},
		"credits":                       {aSpan("work", "flowgauge.kind", "step", "flowgauge.creditsUsed", "many"), "invalid_amount creditsUsed"},
		"queued":                        {aSpan("work", "flowgauge.kind", "step", "flowgauge.queuedTime", "soon"), "invalid_time queuedTime"},
		"depends":                       {aSpan("work", "flowgauge.kind", "step", "flowgauge.dependsOn", []any{1}), "wrong_type dependsOn"},
		"many depend":                   {aSpan("work", "flowgauge.kind", "step", "flowgauge.dependsOn", strings.Repeat("a,", event.MaxDependsOn+1)), "too_many dependsOn"},
		"tenant":                        {aSpan("work", "flowgauge.kind", "step", "flowgauge.tenantId", "other"), "tenant_mismatch tenantId"},
		"invalid amount":                {aSpan("work", "flowgauge.dollarAmount", math.Inf(1)), "invalid_amount dollarAmount"},
		"run's start":                   {aSpan("dag_run.a", "airflow.dag_id", "a", "airflow.dag_run.run_id", "r", "airflow.dag_run.start_date", "x"), "invalid_time startTime"},
		"step with a cost that is none": {aSpan("work", "flowgauge.kind", "step", "flowgauge.credits", "x"), "invalid_amount credits"},
	} {
		t.Run(name, func(t *testing.T) {
			out := p.export(t, tc.span, aSpan("work", "flowgauge.kind", "step"))
			require.Len(t, out.faults, 1)
			require.Equal(t, tc.want, string(out.faults[0].Code)+" "+out.faults[0].Field)
			require.Len(t, out.events, 1, "all of a span is rejected, and nothing of another")
			// The dead letter can be sent again as it is.
			again := p.decode(mediaProtobuf, out.letters[0])
			require.Nil(t, again.refusal)
			require.Equal(t, out.faults, again.faults)
			require.Equal(t, out.letters, again.letters)
		})
	}
}

func TestTenants(t *testing.T) {
	p := mapper(t, "")
	body := marshal(t, request(aSpan("work", "flowgauge.kind", "step", "flowgauge.tenantId", "other"), aSpan("work", "flowgauge.kind", "step")))
	for name, tc := range map[string]struct {
		tenant string
		want   []string
	}{
		"of a tenant": {"acme", []string{"other", "acme"}}, "of none": {"", []string{"other", "missing_field"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			m := messageOf(body)
			m.Who.Tenant, m.Who.CrossTenant = tc.tenant, true
			require.Nil(t, p.Decode(m, func(_ int, _ []byte, e *event.Event, err *event.Error) bool {
				if err != nil {
					got = append(got, string(err.Code))
				} else {
					got = append(got, e.Tenant)
				}
				return true
			}))
			require.Equal(t, tc.want, got)
		})
	}
}

// Metadata is a JSON object within its limits, whatever the attributes are.
func TestMetadata(t *testing.T) {
	p := mapper(t, "")
	deep := any("x")
	for range 100 {
		deep = []any{deep}
	}
	many := []any{"flowgauge.kind", "execution"}
	for i := range 2000 {
		many = append(many, "key"+string(rune('a'+i%26))+strings.Repeat("k", i/26), i)
	}
	for name, tc := range map[string]struct {
		attributes []any
		dropped    int
	}{
		"plain":          {[]any{"a", "b"}, 0},
		"control":        {[]any{"a\x00\"\\", "\x01\n\u2028é"}, 0},
		"not text":       {[]any{"a", math.NaN(), "b", math.Inf(-1), "c", 1e300, "d", nil}, 0},
		"own names":      {[]any{"trace_id", "mine", "span_id", "mine", "dropped_attributes", "mine"}, 0},
		"one too large":  {[]any{"a", strings.Repeat("a", event.MaxMetadataBytes), "b", "kept"}, 1},
		"grows":          {[]any{"a", strings.Repeat("\x01", event.MaxMetadataBytes/4), "b", "kept"}, 1},
		"large together": {[]any{"a", strings.Repeat("a", 40<<10), "c", strings.Repeat("a", 40<<10), "b", "kept"}, 1},
		"deep":           {[]any{"a", deep, "b", "kept"}, 0},
		"many":           {many, 2002 - maxAttributes},
	} {
		t.Run(name, func(t *testing.T) {
			out := p.export(t, aSpan("work", append([]any{"flowgauge.kind", "execution"}, tc.attributes...)...))
			require.Empty(t, out.faults)
			require.LessOrEqual(t, len(out.events[0].Metadata), event.MaxMetadataBytes)
			var got map[string]any
			require.NoError(t, json.Unmarshal([]byte(out.events[0].Metadata), &got))
			require.Equal(t, traceHex, got["trace_id"])
			require.Equal(t, spanHex, got["span_id"])
			dropped, _ := got["dropped_attributes"].(float64)
			require.Equal(t, tc.dropped, int(dropped))
			if last := tc.attributes[len(tc.attributes)-1]; last == "kept" {
				require.Equal(t, last, got["b"])
			}
		})
	}
}

// A long or broken message does not cost the execution.
func TestErrorMessages(t *testing.T) {
	p := mapper(t, "")
	for _, message := range []string{strings.Repeat("é", event.MaxMessageBytes), "x" + strings.Repeat("é", event.MaxMessageBytes)} {
		out := p.export(t, failed(aSpan("work", "flowgauge.kind", "execution"), message))
		require.Empty(t, out.faults)
		got := out.events[0].ErrorMessage
		require.True(t, strings.HasPrefix(message, got))
		require.GreaterOrEqual(t, len(got), event.MaxMessageBytes-1)
	}
	body := marshal(t, request(failed(aSpan("work", "flowgauge.kind", "execution"), strings.Repeat("bad ", 2000))))
	broken := []byte(strings.ReplaceAll(string(body), "bad ", "b\xffd\xfe")) // proto.Marshal would refuse it
	out := p.decode(mediaProtobuf, broken)
	require.Empty(t, out.faults)
	require.Contains(t, out.events[0].ErrorMessage, "b\ufffdd\ufffd")
	require.LessOrEqual(t, len(out.events[0].ErrorMessage), event.MaxMessageBytes)

	// The last exception counts, and only when the span failed.
	s := exception(exception(aSpan("work", "flowgauge.kind", "execution"), "First", "a"), "Last", "b")
	require.Empty(t, p.export(t, s).events[0].ErrorType)
	out = p.export(t, failed(s, ""))
	require.Equal(t, "Last: b", out.events[0].ErrorType+": "+out.events[0].ErrorMessage)
}

// Spans of a request that is sent again have the same identities, in any order and
// grouping.
func TestIdentity(t *testing.T) {
	p := mapper(t, "")
	root := aSpan("workflow.execute", "n8n.workflow.id", "w")
	root.SpanId, root.ParentSpanId = unhex(rootHex), nil
	node := aSpan("node.execute", "n8n.node.name", "n")
	together := p.export(t, root, node)
	apart := append(p.export(t, node).events, p.export(t, root).events...)
	require.ElementsMatch(t, together.events, apart)
	require.Equal(t, together.events[0].ID, together.events[2].ExecutionID, "a step finds its execution")
}
