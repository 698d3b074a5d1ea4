package cloudevents

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/gather"
)

// cdEvent is an event as the conformance files of CDEvents have it.
func cdEvent(typ, at, subject string) string {
	return `{"specversion":"1.0","id":"c-` + typ + `","source":"/event/source/123","type":"dev.cdevents.` + typ + `","time":"2000-01-01T00:00:00Z","datacontenttype":"application/json",
"data":{"context":{"specversion":"0.6.0-draft","id":"c-` + typ + `","chainId":"4c8c","source":"/event/source/123","type":"dev.cdevents.` + typ + `","timestamp":"` + at + `"},"subject":` + subject + `}}`
}

// A run's events may come in any order; what is made of them is one execution.
func TestCDEvents(t *testing.T) {
	d := decoder(t, "")
	const subject = `{"id":"run-1","source":"/event/source/123","content":{"pipelineName":"build","uri":"https://ci/1"`
	messages := []string{
		cdEvent("pipelinerun.queued.0.3.0", "2024-05-31T09:59:59Z", subject+`}}`),
		cdEvent("pipelinerun.started.0.3.0", "2024-05-31T10:00:00Z", subject+`}}`),
		cdEvent("pipelinerun.finished.0.1.1", "2024-05-31T10:00:01.5Z", subject+`,"outcome":"failure","errors":"Unit tests failed"}}`),
	}
	var fragments []event.Fragment
	for _, m := range []string{messages[2], messages[0], messages[1]} {
		out := d.structured(m)
		require.Empty(t, out.faults)
		require.Empty(t, out.events)
		require.Len(t, out.fragments, 1)
		fragments = append(fragments, out.fragments...)
	}
	events := gather.Derive(fragments...)
	require.Len(t, events, 2)
	require.Equal(t, event.Event{
		Kind: event.KindExecution, Status: event.StatusFailed, Tenant: "acme", Source: "/event/source/123", ID: "/event/source/123 run-1", WorkflowID: "build",
		Time: at + 1500, Duration: 1500, QueuedTime: at - 1000, PreviousTime: event.NoTime, EndTime: event.NoTime, TriggerType: "cdevents",
		ErrorType: "failure", ErrorMessage: "Unit tests failed", Metadata: `{"chain_id":"4c8c","url":"https://ci/1"}`,
	}, events[1])
	require.Equal(t, at, events[0].Time)

	// A task without a pipeline is a run; one within a pipeline is of no use.
	out := d.structured(cdEvent("taskrun.finished.0.2.0", "2024-05-31T10:00:00Z", `{"id":"t-1","source":"/other","content":{"taskName":"lint","outcome":"success"}}`))
	require.Len(t, out.fragments, 1)
	require.Equal(t, "/other t-1 lint completed", out.fragments[0].Run+" "+out.fragments[0].Workflow+" "+out.fragments[0].Status.String())
	out = d.structured(cdEvent("taskrun.started.0.2.0", "2024-05-31T10:00:00Z", `{"id":"t-1","content":{"pipelineRun":{"id":"run-1"}}}`))
	require.Equal(t, outcome{ignored: 1}, out)

	for subject, want := range map[string]string{
		`{"content":{"outcome":"success"}}`: "missing_field subject.id",
		`{"id":"r","content":{}}`:           "missing_field outcome",
		`{"id":"r"}`:                        "missing_field outcome",
	} {
		out = d.structured(cdEvent("pipelinerun.finished.0.3.0", "2024-05-31T10:00:00Z", subject))
		require.Len(t, out.faults, 1, subject)
		require.Equal(t, want, string(out.faults[0].Code)+" "+out.faults[0].Field)
	}
	require.Equal(t, event.CodeInvalidTime, d.structured(cdEvent("pipelinerun.started.0.3.0", "soon", `{"id":"r"}`)).faults[0].Code)
	out = d.structured(cdEvent("pipelinerun.started.0.3.0", "", `{"id":"r"}`))
	require.Equal(t, int64(946684800000), out.fragments[0].Time, "the envelope's time")
	require.Equal(t, "r", out.fragments[0].Workflow)
	// Other subjects, and runs where the preset is off, are dead letters.
	require.Equal(t, event.CodeUnknownKind, d.structured(cdEvent("build.finished.0.3.0", "", `{}`)).faults[0].Code)
	off, err := NewDecoder(nil, nil)
	require.NoError(t, err)
	require.Equal(t, event.CodeUnknownKind, off.structured(messages[0]).faults[0].Code)
	require.True(t, strings.HasPrefix(off.structured(messages[0]).faults[0].Message, "no mapping is for the type dev.cdevents.pipelinerun.queued"))
}
