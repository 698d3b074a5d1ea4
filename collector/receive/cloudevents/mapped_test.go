package cloudevents

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
)

func TestMappings(t *testing.T) {
	d := decoder(t, `
mappings:
  - name: noise
    match: {type: com.acme.job.*, source: "/test*"}
    event: ignore
  - name: jobs
    match: {type: com.acme.job.*}
    event: execution
    fields:
      id: "{subject}"
      workflowId: "{data.job.name}"
      duration: "{data.ms}"
      triggerType: ["{trigger}", "{$*}"]
      userId: ["{data.by.0.id}", nobody]
      workflowVersion: "{data.version}"
      metadata: "{data.details}"
    status: {from: "{data.state}", completed: [ok], failed: [bad, "3"], ignored: [queued]}
  - name: tasks
    match: {type: com.acme.task}
    event: step
    fields: {executionId: "{subject}", stepId: "{data.task}", duration: "{data.ms}", status: "{data.state}", dependsOn: "{data.after}", creditsUsed: "{data.price}"}
`)
	send := func(typ, source, more, data string) outcome {
		return d.structured(`{"specversion":"1.0","id":"1","type":"` + typ + `","source":"` + source + `","subject":"run 7","time":"2024-05-31T10:00:00Z"` + more + `,"data":` + data + `}`)
	}
	job := event.Event{
		Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", Source: "/ci", ID: "run 7", Time: at, Duration: 1500, WorkflowID: "nightly",
		UserID: "nobody", TriggerType: "done", PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
	}
	out := send("com.acme.job.done", "/ci", "", `{"job":{"name":"nightly"},"ms":1500,"state":"ok","by":[]}`)
	require.Empty(t, out.faults)
	require.Equal(t, []event.Event{job}, out.events)

	job.Status, job.UserID, job.TriggerType, job.WorkflowVersion, job.Metadata = event.StatusFailed, "ann", "cron", 3, `{"a":[1,{"b":"}"}]}`
	out = send("com.acme.job.done", "/ci", `,"trigger":"cron"`, `{"job":{"name":"nightly"},"ms":"1500","state":3,"by":[{"id":"ann"}],"version":3,"details":{"a":[1,{"b":"}"}]}}`)
	require.Empty(t, out.faults)
	require.Equal(t, []event.Event{job}, out.events)

	out = send("com.acme.task", "/ci", "", `{"task":"t","ms":0.6,"state":"skipped","after":["a","b"],"price":"0.5"}`)
	require.Empty(t, out.faults)
	require.Equal(t, "t", out.events[0].StepID)
	require.Equal(t, "/ci 1", out.events[0].ID)
	require.Equal(t, []string{"a", "b"}, out.events[0].DependsOn)
	require.Equal(t, int64(1), out.events[0].Duration)
	require.Equal(t, []string{"a", "b"}, send("com.acme.task", "/ci", "", `{"task":"t","ms":1,"state":"failed","after":"a, b"}`).events[0].DependsOn)

	d2 := decoder(t, `mappings: [{match: {type: j}, event: execution, fields: {workflowId: w, status: "{data}", duration: "5"}}]`)
	job2 := `{"specversion":"1.0","id":"1","type":"j","source":"/ci","time":"2024-05-31T10:00:00Z","data":"%"}`
	require.Equal(t, "/ci 1", d2.structured(strings.Replace(job2, "%", "completed", 1)).events[0].ID)
	require.Equal(t, "id", d2.structured(strings.Replace(job2, "%", "started", 1)).faults[0].Field, "its end could not have this id")

	require.Equal(t, outcome{ignored: 1}, send("com.acme.job.done", "/test/7", "", `{}`))
	require.Equal(t, outcome{ignored: 1}, send("com.acme.job.done", "/ci", "", `{"state":"queued"}`))
	for data, want := range map[string]string{
		`{"job":{"name":"n"},"ms":5,"state":"odd"}`:              "missing_field status",
		`{"job":{"name":"n"},"state":"ok"}`:                      "missing_field duration",
		`{"job":{"name":"n"},"ms":"long","state":"ok"}`:          "wrong_type duration",
		`{"job":{"name":"n"},"ms":[5],"state":"ok"}`:             "wrong_type duration",
		`{"ms":5,"state":"ok"}`:                                  "missing_field workflowId",
		`{"job":{"name":"n"},"ms":5,"state":"ok","details":"x"}`: "wrong_type metadata",
		`5`: "missing_field workflowId",
	} {
		out = send("com.acme.job.done", "/ci", "", data)
		require.Len(t, out.faults, 1, data)
		require.Equal(t, want, string(out.faults[0].Code)+" "+out.faults[0].Field, data)
	}
}

func TestMappingErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{event: deed, match: {type: a}}`:                                                               `event is "deed"`,
		`{event: step}`:                                                                                 "match every event",
		`{event: step, match: {type: a}, fields: {action: x}}`:                                          `no field "action"`,
		`{event: step, match: {type: a}, fields: {colour: x}}`:                                          `no event has a field "colour"`,
		`{event: activity, match: {type: a}, fields: {creditsUsed: x}}`:                                 `no field "creditsUsed"`,
		`{event: cost, match: {type: a}, fields: {startTime: x}}`:                                       `no field "startTime"`,
		`{event: cost, match: {type: a}, fields: {dependsOn: x}}`:                                       `no field "dependsOn"`,
		`{event: step, match: {type: a}, fields: {metadata: x}}`:                                        `no field "metadata"`,
		`{event: step, match: {type: a}, fields: {kind: x}}`:                                            "the kind is what event says",
		`{event: step, match: {type: a}, fields: {stepId: "{Subject}"}}`:                                "{Subject} is no reference",
		`{event: step, match: {type: a}, fields: {stepId: "{data"}}`:                                    "a reference ends with }",
		`{event: ignore, match: {type: a}, fields: {stepId: x}}`:                                        "has no fields",
		`{event: cost, match: {type: a}, status: {from: "{data.x}", failed: [a]}}`:                      `a cost has no field "status"`,
		`{event: step, match: {type: a}, status: {from: "{data.x}"}}`:                                   "needs both",
		`{event: step, match: {type: a}, fields: {status: x}, status: {from: "{data.x}", failed: [a]}}`: "given twice",
	} {
		mappings, err := config.EventMappings([]byte("mappings: [" + strings.Replace(text, "{", "{name: mine, ", 1) + "]"))
		require.NoError(t, err)
		_, err = NewDecoder(mappings, nil)
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, `"mine"`)
	}
	_, err := NewDecoder(nil, []string{"cdevent"})
	require.ErrorContains(t, err, `no preset "cdevent"; there is cdevents`)
}

// What the documentation shows is what can be written.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../../docs/sources/cloudevents.md")
	require.NoError(t, err)
	text := string(page)
	for n := 0; ; n++ {
		var ok bool
		if _, text, ok = strings.Cut(text, "```yaml\n"); !ok {
			require.Positive(t, n)
			return
		}
		block, _, _ := strings.Cut(text, "```")
		file := filepath.Join(t.TempDir(), "c.yaml")
		require.NoError(t, os.WriteFile(file, []byte(block), 0o600))
		cfg, err := config.Load(file, nil)
		require.NoError(t, err)
		_, err = New(Config{CloudEvents: cfg.Sources.CloudEvents})
		require.NoError(t, err)
	}
}
