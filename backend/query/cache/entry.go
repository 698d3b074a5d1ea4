package cache

import (
	"sync/atomic"
	"time"

	"github.com/flowgauge/flowgauge/backend/query"
)

// entry is an answer with what shows that it is current.
type entry struct {
	key    string
	asked  *query.Asked
	result *query.Result
	state  query.State
	until  time.Time // when it is over although nothing changed; zero is never
	// passing entries are good for one reading of the feed.
	passing bool
	// seen is the latest feed by which it was current: most who ask come by the same.
	seen atomic.Pointer[query.Changes]
	size int64 // in memory, as it was when it was put there
}

// current reports whether an entry is the answer at a question's moment.
func (e *entry) current(q *question) bool {
	if !e.until.IsZero() && !q.now.Before(e.until) {
		return false
	}
	if e.seen.Load() == q.changes {
		return true
	}
	if e.passing || !e.asked.Current(q.changes, e.state) {
		return false
	}
	e.seen.Store(q.changes)
	return true
}

// weigh is about how many bytes an entry takes.
func (e *entry) weigh() int64 {
	const cell = 32
	n := int64(512 + len(e.key))
	for _, s := range e.result.Meta.SQL {
		n += int64(len(s))
	}
	for _, values := range e.result.Exact {
		n += int64(len(values) * cell)
	}
	if f := e.result.Frame; f != nil {
		// The encoded answers that are kept with it take as much again.
		n += 2 * int64(f.Rows()*len(f.Fields)*cell)
	}
	return n
}
