package gather

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
)

// Derive returns the events of one run of which the given fragments are known, in
// any order.
func Derive(fragments ...event.Fragment) []event.Event {
	known := make([]Fragment, len(fragments))
	for i, f := range fragments {
		known[i] = Fragment{Fragment: f, digest: f.Digest()}
	}
	return derive(known)
}

// derive returns the events of a run of which the given fragments are known.
//
// A run of which no fragment says otherwise is an execution: started at the first
// start that is known, and ended as the last end says. Any other run is a step. It is
// an event once its end is known; until its start is, it began when it ended, and
// took no time. What describes the run is taken from the latest fragment that says
// it.
//
// fragments is sorted; their order has no influence on the result.
func derive(fragments []Fragment) []event.Event {
	slices.SortFunc(fragments, precedence)
	step := slices.ContainsFunc(fragments, func(f Fragment) bool { return f.Step() })
	m := merge(fragments, step)
	start, started := startOf(fragments)
	end := endOf(fragments)
	e := event.Event{
		Tenant: m.Tenant, Source: m.Source, ID: m.Run, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		WorkflowID: m.Workflow, UserID: m.UserID, Attempt: m.Attempt,
	}
	if m.QueuedTime != 0 {
		e.QueuedTime = m.QueuedTime
	}
	if step {
		if end == nil {
			return nil
		}
		return []event.Event{asStep(e, &m, start, started, end)}
	}
	return asExecution(e, &m, start, started, end)
}

func asStep(e event.Event, m *event.Fragment, start int64, started bool, end *Fragment) event.Event {
	e.Kind, e.Status = event.KindStep, end.Status
	e.ExecutionID, e.StepID, e.StepType = m.Execution, m.StepID, m.StepType
	e.InputSize, e.OutputSize, e.DependsOn = m.InputSize, m.OutputSize, m.DependsOn
	e.Time = end.Time
	if started {
		e.Time = start
	}
	e.EndTime = max(e.Time, end.Time) // Clocks of two machines may differ.
	if e.Duration = end.Duration; e.Duration == event.NoDuration {
		e.Duration = e.EndTime - e.Time
	}
	return e
}

func asExecution(e event.Event, m *event.Fragment, start int64, started bool, end *Fragment) []event.Event {
	e.Kind = event.KindExecution
	e.TriggerID, e.TriggerType, e.Metadata = m.TriggerID, m.TriggerType, metadata(m.Facts)
	var out []event.Event
	if started {
		e.Status, e.Time = event.StatusStarted, start
		out = append(out, e)
	}
	if end == nil {
		return out
	}
	e.Status, e.Time, e.Duration = end.Status, end.Time, end.Duration
	switch {
	case e.Duration != event.NoDuration:
	case started:
		e.Duration = max(0, end.Time-start)
	default:
		e.Duration = 0
	}
	switch e.Status {
	case event.StatusSkipped: // An execution has no such status; nothing failed.
		e.Status = event.StatusCompleted
	case event.StatusFailed:
		e.ErrorType, e.ErrorMessage = m.ErrorType, m.ErrorMessage
	}
	return append(out, e)
}

// precedence orders fragments by time. Of two at one moment, that of the graver end
// comes last; the digest makes the order total.
func precedence(a, b Fragment) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(rank(a.Status), rank(b.Status)), cmp.Compare(a.digest, b.digest))
}

func rank(s event.Status) int {
	switch s {
	case event.StatusStarted:
		return 1
	case event.StatusSkipped:
		return 2
	case event.StatusCompleted:
		return 3
	case event.StatusFailed:
		return 4
	}
	return 0
}

func ends(s event.Status) bool { return s >= event.StatusCompleted }

// startOf returns the first start that is known.
func startOf(fragments []Fragment) (start int64, known bool) {
	for i := range fragments {
		if t, ok := fragments[i].start(); ok && (!known || t < start) {
			start, known = t, true
		}
	}
	return start, known
}

// start is when the run started, if the fragment says it.
func (f *Fragment) start() (int64, bool) {
	if f.Status == event.StatusStarted {
		return f.Time, true
	}
	return f.Start, f.Start != 0
}

// endOf returns the last end of sorted fragments, nil when there is none.
func endOf(fragments []Fragment) *Fragment {
	for i := len(fragments) - 1; i >= 0; i-- {
		if ends(fragments[i].Status) {
			return &fragments[i]
		}
	}
	return nil
}

// merge returns what the latest fragments say. What a fragment that did not know
// that the run is a step says of the workflow is of another one.
func merge(fragments []Fragment, step bool) event.Fragment {
	var m event.Fragment
	facts := map[string]string{}
	for i := range fragments {
		f := &fragments[i].Fragment
		m.Tenant, m.Run = f.Tenant, f.Run
		if f.Step() == step {
			latest(&m.Workflow, f.Workflow)
			latest(&m.Execution, f.Execution)
			latest(&m.StepID, f.StepID)
		}
		latest(&m.Source, f.Source)
		latest(&m.StepType, f.StepType)
		latest(&m.UserID, f.UserID)
		latest(&m.TriggerID, f.TriggerID)
		latest(&m.TriggerType, f.TriggerType)
		latest(&m.ErrorType, f.ErrorType)
		latest(&m.ErrorMessage, f.ErrorMessage)
		latest(&m.QueuedTime, f.QueuedTime)
		latest(&m.Attempt, f.Attempt)
		latest(&m.InputSize, f.InputSize)
		latest(&m.OutputSize, f.OutputSize)
		if len(f.DependsOn) > 0 {
			m.DependsOn = f.DependsOn
		}
		for _, fact := range f.Facts {
			facts[fact.Name] = fact.Value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		m.Facts = append(m.Facts, event.Fact{Name: name, Value: facts[name]})
	}
	return m
}

func latest[T comparable](to *T, said T) {
	var absent T
	if said != absent {
		*to = said
	}
}

// metadata returns facts as a JSON object. Each fragment's are bounded, but many
// fragments may have many: the last ones are left out.
func metadata(facts []event.Fact) string {
	if len(facts) == 0 {
		return ""
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // URLs stay readable.
	text := func(s string) string {
		b.Reset()
		_ = enc.Encode(s) // A string can be encoded.
		return strings.TrimSuffix(b.String(), "\n")
	}
	out := []byte{'{'}
	for _, f := range facts {
		member := text(f.Name) + ":" + text(f.Value)
		if len(out)+len(member)+2 > event.MaxMetadataBytes {
			break
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, member...)
	}
	return string(append(out, '}'))
}
