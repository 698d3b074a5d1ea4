package api

import (
	"maps"
	"slices"
	"sync"

	"github.com/flowgauge/flowgauge/backend/query"
)

// readings remember what bodies of POST /query say. A dashboard's panels send the same
// bytes for every viewer, and reading them again costs more than their answer does.
type readings struct {
	mu    sync.RWMutex
	known map[string]query.Request
	bytes int
}

const (
	mostReadings     = 10_000
	mostReadingBytes = 4 << 20
	longestReading   = 4 << 10
)

// get returns what a body says, for the caller to change as it likes.
func (r *readings) get(body []byte) (query.Request, bool) {
	r.mu.RLock()
	q, ok := r.known[string(body)]
	r.mu.RUnlock()
	if !ok {
		return q, false
	}
	q.Metrics, q.GroupBy, q.Filters, q.Params = slices.Clone(q.Metrics), slices.Clone(q.GroupBy), slices.Clone(q.Filters), maps.Clone(q.Params)
	for i := range q.Filters {
		q.Filters[i].Values = slices.Clone(q.Filters[i].Values)
	}
	return q, true
}

// put keeps what a sound body says. When it is full, all is forgotten: what is asked often
// is soon there again.
func (r *readings) put(body []byte, q query.Request) {
	if len(body) > longestReading {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= mostReadings || r.bytes >= mostReadingBytes {
		r.known, r.bytes = map[string]query.Request{}, 0
	}
	r.known[string(body)] = q
	r.bytes += len(body)
}
