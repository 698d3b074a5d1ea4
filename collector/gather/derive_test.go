package gather

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/event"
)

func TestDerive(t *testing.T) {
	say := func(s event.Status, at int64, more ...func(*event.Fragment)) event.Fragment {
		f := event.Fragment{Tenant: "t", Run: "r", Workflow: "w", StepID: "w", Status: s, Time: at, Duration: event.NoDuration}
		for _, m := range more {
			m(&f)
		}
		return f
	}
	child := func(f *event.Fragment) { f.Execution, f.Workflow, f.StepID = "e", "dag", "task" }
	line := func(e event.Event) string {
		s := e.Kind.String() + " " + e.Status.String() + " " + string(rune('0'+e.Time)) + "+" + string(rune('0'+e.Duration)) + " " + e.WorkflowID
		return strings.TrimSpace(s + " " + strings.TrimSpace(e.ErrorType+" "+e.ErrorMessage) + e.Metadata)
	}
	for name, tc := range map[string]struct {
		said []event.Fragment
		want []string
	}{
		"started":              {[]event.Fragment{say(1, 3)}, []string{"execution started 3+0 w"}},
		"start and end":        {[]event.Fragment{say(1, 3), say(2, 5)}, []string{"execution started 3+0 w", "execution completed 5+2 w"}},
		"no start":             {[]event.Fragment{say(2, 5)}, []string{"execution completed 5+0 w"}},
		"end says start":       {[]event.Fragment{say(2, 5, func(f *event.Fragment) { f.Start = 1 })}, []string{"execution started 1+0 w", "execution completed 5+4 w"}},
		"end says duration":    {[]event.Fragment{say(1, 1), say(2, 5, func(f *event.Fragment) { f.Duration = 3 })}, []string{"execution started 1+0 w", "execution completed 5+3 w"}},
		"two starts":           {[]event.Fragment{say(1, 3), say(1, 2)}, []string{"execution started 2+0 w"}},
		"the last end":         {[]event.Fragment{say(3, 4), say(2, 5)}, []string{"execution completed 5+0 w"}},
		"the graver end":       {[]event.Fragment{say(3, 5), say(2, 5)}, []string{"execution failed 5+0 w"}},
		"clocks differ":        {[]event.Fragment{say(1, 7), say(2, 5)}, []string{"execution started 7+0 w", "execution completed 5+0 w"}},
		"skipped":              {[]event.Fragment{say(4, 5)}, []string{"execution completed 5+0 w"}},
		"only described":       {[]event.Fragment{say(0, 5)}, nil},
		"error":                {[]event.Fragment{say(3, 5, func(f *event.Fragment) { f.ErrorType, f.ErrorMessage = "x", "y" })}, []string{"execution failed 5+0 w x y"}},
		"error that was not":   {[]event.Fragment{say(3, 4, func(f *event.Fragment) { f.ErrorType = "x" }), say(2, 5)}, []string{"execution completed 5+0 w"}},
		"facts":                {[]event.Fragment{say(1, 5, func(f *event.Fragment) { f.Facts = []event.Fact{{Name: "u", Value: "a&b\n"}} })}, []string{`execution started 5+0 w {"u":"a&b\n"}`}},
		"a step":               {[]event.Fragment{say(1, 3, child), say(2, 5, child)}, []string{"step completed 3+2 dag"}},
		"a step that runs":     {[]event.Fragment{say(1, 3, child)}, nil},
		"a step without start": {[]event.Fragment{say(4, 3, child)}, []string{"step skipped 3+0 dag"}},
		"a step, said late":    {[]event.Fragment{say(1, 3, child), say(2, 5)}, []string{"step completed 3+2 dag"}},
		"its own parent":       {[]event.Fragment{say(1, 3, func(f *event.Fragment) { f.Execution = "r" })}, []string{"execution started 3+0 w"}},
	} {
		var got []string
		for _, e := range Derive(tc.said...) {
			require.Nil(t, event.Validate(&e), name)
			got = append(got, line(e))
		}
		require.Equal(t, tc.want, got, name)
	}
}

func TestMetadataIsBounded(t *testing.T) {
	var facts []event.Fact
	for i := range 40 {
		facts = append(facts, event.Fact{Name: strings.Repeat("n", i+1), Value: strings.Repeat("\x00", 400)})
	}
	text := metadata(facts)
	require.LessOrEqual(t, len(text), event.MaxMetadataBytes)
	require.Greater(t, len(text), event.MaxMetadataBytes-3000)
	e := event.Event{
		Kind: event.KindExecution, Status: event.StatusStarted, Tenant: "t", ID: "e", WorkflowID: "w", Metadata: text,
		PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
	}
	require.Nil(t, event.Validate(&e))
}

// Whatever is known, valid fragments make valid events, the right ones, and their
// order is nothing.
func TestOrderIsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		said := drawFragments(t, 1, 6)
		got := Derive(said...)
		w := want(said)
		n := 0
		for _, e := range got {
			require.Nil(t, event.Validate(&e))
			switch e.Phase() {
			case event.PhaseStarted:
				require.Equal(t, w.start, e.Time)
				continue
			case event.PhaseTerminal:
				require.True(t, w.execution)
				require.Equal(t, w.end, e.Time)
				require.Equal(t, w.status == event.StatusFailed, e.Status == event.StatusFailed)
			case event.PhaseNone:
				require.True(t, w.step)
				require.Equal(t, w.status, e.Status)
				if w.start != 0 {
					require.Equal(t, w.start, e.Time)
				}
				require.Equal(t, max(w.end, e.Time), e.EndTime)
			}
			n++
			if w.duration >= 0 {
				require.Equal(t, w.duration, e.Duration)
			}
		}
		if w.end != 0 {
			require.Equal(t, 1, n)
		}
		require.Equal(t, w.execution && w.start != 0, len(got) == n+1)
		require.Equal(t, got, Derive(rapid.Permutation(said).Draw(t, "order")...))
	})
}
