package query

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
)

func viewer(user string) access.Principal {
	return access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: user}
}

// runEvents makes executions of two workflows with steps that wait for each other,
// queue, fail, are tried again, run on behalf of somebody else, or say nothing.
func runEvents(from time.Time, length time.Duration, n int, seed uint64) []event.Event {
	r := rand.New(rand.NewPCG(seed, 11))
	var out []event.Event
	for i := range n {
		id := fmt.Sprintf("x%d-%d", seed, i)
		start := from.UnixMilli() + r.Int64N(length.Milliseconds())
		end := event.Event{
			Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", ID: id, PreviousTime: event.NoTime, QueuedTime: event.NoTime,
			WorkflowID: []string{"wf-a", "wf-b"}[r.IntN(2)], WorkflowVersion: 1 + r.Uint32N(2), UserID: []string{"", "ann", "bob"}[r.IntN(3)],
			TriggerType: []string{"cron", "hook"}[r.IntN(2)],
		}
		at, steps := start, r.IntN(7)
		for k := range steps {
			s := event.Event{
				Kind: event.KindStep, Status: event.StatusCompleted, Tenant: "acme", ID: fmt.Sprintf("%s/%d", id, k), PreviousTime: event.NoTime,
				QueuedTime: event.NoTime, ExecutionID: id, StepID: fmt.Sprintf("s%d", r.IntN(4)), StepType: "task",
				Time: at + r.Int64N(500), Duration: r.Int64N(5000), Attempt: 1, Credits: event.Decimal{Lo: r.Uint64N(1e15)},
			}
			if r.IntN(2) == 0 {
				s.QueuedTime = s.Time - r.Int64N(400)
			}
			for range r.IntN(3) {
				s.DependsOn = append(s.DependsOn, fmt.Sprintf("%s/%d", id, r.IntN(steps)))
			}
			if r.IntN(6) == 0 {
				s.UserID = "cem"
			}
			if r.IntN(4) == 0 {
				again := s
				again.Attempt, again.Time, again.QueuedTime = 2, s.Time+s.Duration+r.Int64N(300), event.NoTime
				again.EndTime = again.Time + again.Duration
				s.Status = event.StatusFailed
				out = append(out, again)
			}
			s.EndTime = s.Time + s.Duration
			if out = append(out, s); r.IntN(3) > 0 {
				at = s.EndTime
			}
		}
		end.Time = max(at, start) + r.Int64N(2000)
		end.Duration = end.Time - start
		if r.IntN(10) == 0 {
			end.Duration = 0
		}
		out = append(out, end)
	}
	return out
}

// field returns a column of a frame.
func field[T any](t testing.TB, frame *data.Frame, name string) []T {
	t.Helper()
	f, at := frame.FieldByName(name)
	require.NotEqual(t, -1, at, name)
	out := make([]T, f.Len())
	for i := range out {
		v, ok := f.At(i).(T)
		require.True(t, ok, "%s is %s", name, f.Type())
		out[i] = v
	}
	return out
}

// likeItsInfo checks that a frame has the fields that its kind describes.
func likeItsInfo(t testing.TB, frame *data.Frame, fields []FieldInfo) {
	t.Helper()
	require.Len(t, frame.Fields, len(fields))
	for i, f := range frame.Fields {
		require.Equal(t, fields[i].Name, f.Name)
		if fields[i].Unit != "" { // Some follow from the request.
			require.Equal(t, fields[i].Unit, f.Config.Unit, f.Name)
		}
		require.NotEmpty(t, f.Config.DisplayNameFromDS)
		require.NotEmpty(t, f.Config.Description)
	}
}
