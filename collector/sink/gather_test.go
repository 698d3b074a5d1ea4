package sink_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

func (r *rig) tell(fragments ...event.Fragment) {
	var records [][]byte
	for i := range fragments {
		records = append(records, event.AppendFragment(nil, &fragments[i]))
	}
	require.NoError(r.t, r.log.Append(r.t.Context(), records))
}

// A step whose end came before its start moves when the start comes.
func TestFragmentsBecomeEvents(t *testing.T) {
	r := newRig(t)
	end := event.Fragment{
		Tenant: "t", Source: "openlineage", Run: "r1", Status: event.StatusFailed, Time: base, Duration: event.NoDuration,
		Execution: "e1", Workflow: "dag", StepID: "task", StepType: "TASK", UserID: "u", ErrorType: "x", ErrorMessage: "y",
		QueuedTime: base - 9, Attempt: 2, InputSize: 3, OutputSize: 4, DependsOn: []string{"r0"}, Facts: []event.Fact{{Name: "a", Value: "b"}},
	}
	r.tell(end)
	r.drain()
	const rows = "SELECT concat(toString(time), ' ', toString(end_time), ' ', toString(duration_ms)) AS line FROM steps FINAL"
	assert.Equal(t, []string{"2024-02-29 23:59:59.999 2024-02-29 23:59:59.999 0"}, r.lines(rows))

	start := event.Fragment{
		Tenant: "t", Source: "openlineage", Run: "r1", Status: event.StatusStarted, Time: base - 90_000, Duration: event.NoDuration,
		Execution: "e1", Workflow: "dag", StepID: "task",
	}
	r.tell(start, end)
	r.drain()
	assert.Equal(t, []string{"2024-02-29 23:58:29.999 2024-02-29 23:59:59.999 90000"}, r.lines(rows))
	assert.Equal(t, []string{"step 2024-02-29 23:58:00", "step 2024-02-29 23:59:00"},
		r.lines("SELECT DISTINCT concat(toString(kind), ' ', toString(minute)) AS line FROM bucket_marks ORDER BY line"))
	assert.Equal(t, []string{"3 2"}, r.lines("SELECT concat(toString(count()), ' ', toString(uniq(digest))) AS line FROM run_fragments FINAL"))
	assert.Equal(t, []string{
		"('t','r1','failed','2024-02-29 23:59:59.999','1970-01-01 00:00:00.000','2024-02-29 23:59:59.990',-1,'e1','dag','task','TASK','u','','','x','y',2,3,4,['r0'],{'a':'b'},'openlineage')",
	}, r.lines("SELECT toString(tuple(* EXCEPT (digest, version, stored_at))) AS line FROM run_fragments FINAL WHERE status = 'failed' LIMIT 1"))
	assert.Equal(t, []string{"fragment 3"}, r.lines("SELECT concat(kind, ' ', toString(sum(stored))) AS line FROM ingest_log GROUP BY kind"))
}
