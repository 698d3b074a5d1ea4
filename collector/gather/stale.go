package gather

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
)

// key is what tells the rows of a run apart.
type key struct {
	kind  event.Kind
	phase event.Phase
	time  int64
}

func keyOf(e *event.Event) key { return key{e.Kind, e.Phase(), e.Time} }

// changes returns the rows to store for a run of which before was known besides the
// fresh fragments of a batch, which are in the order of their acceptance.
func changes(before, fresh []Fragment) []Row {
	all := slices.Concat(before, fresh)
	stand := derive(all)
	if quiet(before, fresh, stand) {
		return nil
	}
	version := all[0].Version
	for _, f := range all {
		version = max(version, f.Version)
	}
	version += queue.Version(len(all) - 1)

	// Nobody knew the last without the others, unless it came by another way too.
	some := all
	if !fresh[len(fresh)-1].again {
		some = slices.Concat(before, fresh[:len(fresh)-1])
	}
	gone := candidates(some)
	last := &fresh[len(fresh)-1]
	said := Said{Version: last.first, Partition: last.Partition}
	var stood map[key]event.Event
	if len(gone) > 0 { // Mostly nothing can have stood there.
		stood = history(before, fresh)
	}
	rows := make([]Row, 0, len(stand)+len(gone))
	for _, e := range stand {
		k := keyOf(&e)
		delete(gone, k)
		row := Row{Event: e, Version: version, Said: said}
		if was, known := stood[k]; known && !reflect.DeepEqual(was, e) {
			row.Was = &was
		}
		rows = append(rows, row)
	}
	m := merge(all, slices.ContainsFunc(all, func(f Fragment) bool { return f.Step() }))
	for _, k := range sorted(gone) {
		e, known := stood[k]
		if !known {
			e = tombstone(k, &m)
		}
		rows = append(rows, Row{Event: e, Version: version, Deleted: true, Said: said})
	}
	return rows
}

// history returns the events that were stored before the batch, and those that a part of
// it made if it was cut off by a crash. What others stored who knew other parts is not
// in it.
func history(before, fresh []Fragment) map[key]event.Event {
	stood := map[key]event.Event{}
	known := slices.Clone(before)
	for _, f := range fresh[:min(len(fresh), manyFresh)] {
		for _, e := range derive(known) {
			if _, ok := stood[keyOf(&e)]; !ok {
				stood[keyOf(&e)] = e
			}
		}
		known = append(known, f)
	}
	return stood
}

// candidates are the rows that may have been stored by those who knew some of the
// fragments: any part of them.
func candidates(fragments []Fragment) map[key]struct{} {
	out := map[key]struct{}{}
	step := slices.ContainsFunc(fragments, func(f Fragment) bool { return f.Step() })
	ended := slices.ContainsFunc(fragments, func(f Fragment) bool { return ends(f.Status) })
	for i := range fragments {
		f := &fragments[i]
		start, started := f.start()
		if !f.Step() { // Those who knew only such ones took it for an execution.
			if started {
				out[key{event.KindExecution, event.PhaseStarted, start}] = struct{}{}
			}
			if ends(f.Status) {
				out[key{event.KindExecution, event.PhaseTerminal, f.Time}] = struct{}{}
			}
		}
		if step && ended {
			if started {
				out[key{event.KindStep, event.PhaseNone, start}] = struct{}{}
			}
			if ends(f.Status) {
				out[key{event.KindStep, event.PhaseNone, f.Time}] = struct{}{}
			}
		}
	}
	return out
}

func sorted(keys map[key]struct{}) []key {
	out := make([]key, 0, len(keys))
	for k := range keys {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.phase, b.phase), cmp.Compare(a.time, b.time))
	})
	return out
}

// tombstone is a row of which only is known that it may be there.
func tombstone(k key, m *event.Fragment) event.Event {
	e := event.Event{
		Kind: k.kind, Status: event.StatusCompleted, Tenant: m.Tenant, Source: m.Source, ID: m.Run, Time: k.time,
		PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, WorkflowID: m.Workflow,
	}
	if k.phase == event.PhaseStarted {
		e.Status = event.StatusStarted
	}
	if k.kind == event.KindStep {
		e.ExecutionID, e.StepID, e.EndTime = m.Execution, m.StepID, k.time
	}
	return e
}

// manyFresh is how many fragments of one run in a batch are not worth finding out
// whether they are quiet.
const manyFresh = 16

// quiet says whether fresh fragments change nothing. before has been stored, or will
// be: a fragment is forgotten by its log only when what it changed is stored. That
// holds for those only that were accepted before the batch, since a younger one may
// rely on this batch in its turn. Nor is it enough that all of them together change
// nothing, because a part of the batch may have been stored before a crash, and any
// part of what came by another way too.
func quiet(before, fresh []Fragment, stand []event.Event) bool {
	if len(before) == 0 || len(fresh) > manyFresh {
		return false
	}
	if slices.ContainsFunc(fresh, func(f Fragment) bool { return f.again }) ||
		slices.ContainsFunc(before, func(f Fragment) bool { return f.first >= fresh[0].first }) {
		return false
	}
	known := slices.Clone(before)
	if !reflect.DeepEqual(derive(known), stand) {
		return false
	}
	for _, f := range fresh[:len(fresh)-1] {
		known = append(known, f)
		if !reflect.DeepEqual(derive(known), stand) {
			return false
		}
	}
	return true
}
