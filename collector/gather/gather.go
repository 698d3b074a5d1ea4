// Package gather makes events of fragments: of what messages, each for itself, say
// about a run.
//
//	fragments of a batch ──> run_fragments ──> all that is known of their runs
//	                                                      │ derive
//	                                                      ▼
//	                     rows for the batch:  what stands, and what stands no longer
//
// An execution or a step is a pure function of the set of fragments of its run
// (derive.go), and of nothing else: no other run, no order, no clock. So whatever
// order they come in, however often, and whatever is repeated after a crash, the
// same rows are left in the end. Fragments are stored before the set is read; two
// collectors that work on one run at the same moment cannot both miss the other's.
//
// # Rows that stand no longer
//
// The own time of an event is part of its identity, and a later fragment may move
// it: a step whose end came first stood at its end until the start came. Nobody
// remembers which rows were written, and after a crash nobody could. What can be
// told is at which times a row may have been written, by anyone who did not know
// all fragments of this batch; all of these but the one that stands are deleted
// (stale.go). To delete what never was is harmless. When fragments come in the order
// in which they happened there are none. Fragments that were known before the batch
// are not its own to care for: they make no rows again.
//
// # Versions
//
// A row's version is the highest of its fragments', plus how many more there are:
// of two rows made of different sets, one of which holds the other, that of the
// larger set stands, in whatever order they were inserted.
//
// # Quiet fragments
//
// A fragment that changes nothing, such as the news that a job still runs, makes no
// rows: they would mark the minute of its start again and again. This is left out
// only where it can be told that somebody has stored, or will store, the same rows:
// everything else that is known of the run is older than the batch, and no part of
// the batch made other rows (quiet in stale.go).
package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
)

// Fragment is a fragment with the order in which the log accepted it.
type Fragment struct {
	event.Fragment
	Version queue.Version // the last one, if it came more than once
	// Partition is that of the log that it came from, of those of a batch.
	Partition int32

	first  queue.Version
	again  bool // it came by another way too, whose order is unknown
	digest uint64
}

// Row is a row of a raw table: an event that stands, or one that does no longer.
type Row struct {
	Event   event.Event
	Version queue.Version
	Deleted bool
	// Was is what stood in its place before, nil if that was the same, or nothing that is
	// known. Of a row that is deleted it is the Event.
	Was *event.Event
	// Said is the last fragment of the batch that says something of its run, as the log
	// accepted it. It is of no other run.
	Said Said
}

// Said is the place of a fragment in its log.
type Said struct {
	Version   queue.Version
	Partition int32
}

// Gatherer keeps fragments in ClickHouse. It may be used by one goroutine.
type Gatherer struct{ shelf shelf }

// shelf keeps fragments.
type shelf interface {
	// put returns when all of them are durable and seen by known: all or none.
	put(ctx context.Context, fragments []Fragment) error
	// known returns all fragments of the runs, each once, in any order.
	known(ctx context.Context, runs []run) ([]Fragment, error)
}

// run names a run.
type run struct{ tenant, id string }

// New returns a Gatherer.
func New(client *clickhouse.Client) (*Gatherer, error) {
	if client == nil {
		return nil, errors.New("gather: no ClickHouse client")
	}
	return &Gatherer{shelf: &table{client: client}}, nil
}

// Gather keeps the fragments of a batch, in the order in which they were accepted,
// and returns the rows that have to be stored before the batch may be forgotten. It
// may be repeated.
func (g *Gatherer) Gather(ctx context.Context, fragments []Fragment) ([]Row, error) {
	if len(fragments) == 0 {
		return nil, nil
	}
	fresh, runs := group(fragments)
	if err := g.shelf.put(ctx, flatten(fresh, runs)); err != nil {
		return nil, fmt.Errorf("keep %d fragments: %w", len(fragments), err)
	}
	known, err := g.shelf.known(ctx, runs)
	if err != nil {
		return nil, fmt.Errorf("read the fragments of %d runs: %w", len(runs), err)
	}
	before := map[run][]Fragment{}
	for _, f := range known {
		r := run{f.Tenant, f.Run}
		i := slices.IndexFunc(fresh[r], func(other Fragment) bool { return other.digest == f.digest })
		switch {
		case i < 0:
			before[r] = append(before[r], f)
		case f.first < fresh[r][i].first:
			before[r] = append(before[r], f)
			fresh[r] = slices.Delete(fresh[r], i, i+1)
		case f.Version > fresh[r][i].Version:
			fresh[r][i].Version, fresh[r][i].again = f.Version, true
		}
	}
	var rows []Row
	for _, r := range runs {
		if len(fresh[r]) > 0 {
			rows = append(rows, changes(before[r], fresh[r])...)
		}
	}
	return rows, nil
}

// group returns the fragments of each run, each once, in their order, and the runs
// in the order of their first.
func group(fragments []Fragment) (map[run][]Fragment, []run) {
	of := map[run][]Fragment{}
	var runs []run
	type one struct {
		run
		digest uint64
	}
	seen := map[one]bool{}
	for _, f := range fragments {
		f.digest, f.first = f.Digest(), f.Version
		r := run{f.Tenant, f.Run}
		if seen[one{r, f.digest}] {
			continue
		}
		seen[one{r, f.digest}] = true
		if of[r] == nil {
			runs = append(runs, r)
		}
		of[r] = append(of[r], f)
	}
	return of, runs
}

func flatten(of map[run][]Fragment, runs []run) []Fragment {
	var out []Fragment
	for _, r := range runs {
		out = append(out, of[r]...)
	}
	return out
}
