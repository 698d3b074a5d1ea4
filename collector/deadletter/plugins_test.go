package deadletter

import (
	"context"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/enrich"
)

// unwilling is plugins that want nothing stored.
type unwilling struct{}

func (unwilling) Err() error { return nil }

func (unwilling) Enrich(_ context.Context, events []event.Event) ([]enrich.Result, error) {
	results := make([]enrich.Result, len(events))
	for i := range events {
		results[i].Letter = event.LetterOf(&events[i], event.CodePluginDropped, "no")
	}
	return results, nil
}

// rows returns what counts, of every kind, but for the order in which it was accepted.
func (r *rig) rows() (out []string) {
	r.t.Helper()
	for _, table := range []string{"executions", "steps", "costs", "activity"} {
		var row proto.ColStr
		require.NoError(r.t, r.client.Do(r.t.Context(), clickhouse.Query{
			SQL:    "SELECT toString(tuple(* EXCEPT (version, stored_at))) AS row FROM " + table + " FINAL ORDER BY row",
			Result: proto.Results{{Name: "row", Data: &row}},
			OnResult: func(context.Context, proto.Block) error {
				for i := range row.Rows() {
					out = append(out, table+" "+row.Row(i))
				}
				return nil
			},
		}))
	}
	return out
}

// What plugins have dropped is replayed as what it was: events in which what may be 0 is, and
// both rows of a run that was told in parts.
func TestWhatPluginsDroppedIsReplayed(t *testing.T) {
	lines := []string{
		`{"kind":"execution","id":"e1","timestamp":"2026-03-01T10:00:00Z","workflowId":"w","status":"completed","duration":0}`,
		`{"kind":"execution","id":"e2","timestamp":"2026-03-01T10:00:00Z","workflowId":"w","status":"started","metadata":{ "a" : 1 }}`,
		`{"kind":"step","id":"s1","executionId":"e1","stepId":"a","startTime":"2026-03-01T10:00:00Z","endTime":"2026-03-01T10:00:09Z","duration":0,"status":"failed"}`,
		`{"kind":"step","id":"s2","executionId":"e1","stepId":"b","startTime":"2026-03-01T10:00:00Z","status":"skipped"}`,
		cost("c1", `,"credits":0`), cost("c2", `,"dollarAmount":0`), cost("c3", `,"metadata":{}`),
		`{"kind":"activity","id":"a1","timestamp":"1970-01-01T00:00:00Z","action":"a"}`,
	}
	start := event.Fragment{Tenant: "acme", Source: "s", Run: "r", Workflow: "w", StepID: "w", Status: event.StatusStarted, Time: 1_772_359_200_000, Duration: event.NoDuration}
	end := start
	end.Status = event.StatusCompleted
	take := func(r *rig) {
		r.post("acme", "application/x-ndjson", strings.Join(lines, "\n"))
		require.NoError(t, r.log.Append(t.Context(), [][]byte{event.AppendFragment(nil, &start), event.AppendFragment(nil, &end)}))
		r.drain()
	}
	willing := newRig(t)
	take(willing)
	want := willing.rows()
	require.Len(t, want, len(lines)+2)

	r := newRig(t)
	r.enrich = unwilling{}
	take(r)
	require.Empty(t, r.rows())
	letters := r.list(Filter{})
	require.Len(t, letters, len(want))
	r.enrich = nil
	for _, listed := range letters {
		l, err := r.store.Get(t.Context(), r.scope, listed.ID)
		require.NoError(t, err)
		require.Equal(t, listed, l)
		result, err := r.replayer.Replay(t.Context(), r.scope, l.ID, Order{})
		require.NoError(t, err)
		require.Nil(t, result.Fault, "%s", l.Payload)
	}
	r.drain()
	require.Empty(t, r.list(Filter{States: []State{Open}}))
	require.Equal(t, want, r.rows())
}
