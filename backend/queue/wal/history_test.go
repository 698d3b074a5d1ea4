package wal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// history knows what was given to a log and what it answered, and checks what comes
// out of it:
//
//   - Nothing invented, nothing twice: a record that comes out was appended, comes at
//     most once between two recoveries, and never again once a Commit returned nil.
//   - Nothing lost: what was acknowledged and not committed comes out. So does what
//     came out once: a consumer has seen it.
//   - Whole requests: all records of a request one after the other, or none.
//   - Order: what was acknowledged before another was appended comes before it.
//   - Versions rise, a record has the same one for ever, and no two have the same.
//   - A request that was refused because the log or the disk is full is not in it.
type history struct {
	t        *testing.T
	mu       sync.Mutex
	tick     int
	requests []*request
	versions map[uint64]place // which record has it

	certain  uint64 // a Commit of it returned nil
	possible uint64 // the highest that a Commit was tried of
	before   uint64 // the same, when the log was opened

	stream          []place // what came out since the log was opened
	done            int     // so many of it are committed
	fetch           []int   // how many records each fetch behind them returned
	lastFetchWorked bool
}

type request struct {
	id        int
	sizes     []int
	versions  []uint64 // 0 until it came out
	submitted int
	answered  int // 0 until it was acknowledged
	refused   bool
	lost      bool // was not there when all was read
}

// place is a record of a request.
type place struct {
	request *request
	index   int
}

func (p place) version() uint64 { return p.request.versions[p.index] }

func newHistory(t *testing.T) *history {
	return &history{t: t, versions: map[uint64]place{}}
}

func (h *history) newRequest(sizes []int) *request {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &request{id: len(h.requests), sizes: sizes, versions: make([]uint64, len(sizes))}
	h.requests = append(h.requests, r)
	return r
}

func (r *request) data() [][]byte {
	var out [][]byte
	for i, size := range r.sizes {
		out = append(out, []byte(text(r.id, i, size)))
	}
	return out
}

func (h *history) submit(r *request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tick++
	r.submitted = h.tick
}

func (h *history) answer(r *request, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tick++
	switch {
	case err == nil:
		r.answered = h.tick
	case errors.Is(err, queue.ErrFull):
		r.refused = true
	case errors.Is(err, context.Canceled):
		h.t.Errorf("request %d: %v", r.id, err)
	}
}

// opened ends one stream and begins another.
func (h *history) opened() {
	h.check(false)
	h.stream, h.before = nil, h.possible
	h.done, h.fetch = 0, nil
}

// fetched checks records that came out.
func (h *history) fetched(records []queue.Record) {
	h.lastFetchWorked = true
	if len(records) > 0 {
		h.fetch = append(h.fetch, len(records))
	}
	for _, r := range records {
		p := h.identify(r)
		h.follows(p)
		h.stream = append(h.stream, p)
	}
}

// identify says which record it is, whose version it fixes.
func (h *history) identify(r queue.Record) place {
	t, version := h.t, uint64(r.Version)
	var id, index int
	_, err := fmt.Sscanf(string(r.Data), "%d/%d/", &id, &index)
	require.NoError(t, err, "invented: %q", r.Data)
	require.Less(t, id, len(h.requests))
	req := h.requests[id]
	require.Less(t, index, len(req.sizes))
	require.Equal(t, text(id, index, req.sizes[index]), string(r.Data))
	require.False(t, req.refused, "request %d was refused because there was no space", id)
	require.False(t, req.lost, "request %d was not there before", id)
	p := place{req, index}
	if known := p.version(); known != 0 {
		require.Equal(t, known, version, "request %d has another version", id)
	} else {
		require.NotContains(t, h.versions, version, "request %d has a version of another", id)
		req.versions[index] = version
		h.versions[version] = p
	}
	require.Greater(t, version, h.certain, "request %d was committed", id)
	return p
}

// follows checks that a record may come after those before it.
func (h *history) follows(p place) {
	t := h.t
	if len(h.stream) == 0 {
		if p.index > 0 {
			before := place{p.request, p.index - 1}.version()
			require.NotZero(t, before, "a request's beginning is missing")
			require.LessOrEqual(t, before, h.possible, "a request's beginning is missing")
		}
		return
	}
	last := h.stream[len(h.stream)-1]
	require.Greater(t, p.version(), last.version(), "versions rise")
	if p.index > 0 {
		require.Equal(t, place{p.request, p.index - 1}, last, "a request in pieces")
		require.Equal(t, last.version()+1, p.version())
	} else {
		require.Len(t, last.request.sizes, last.index+1, "a request's end is missing")
	}
}

// fetches returns how many records some of the first fetches returned.
func (h *history) fetches(rng *rand.Rand) (n int) {
	for _, fetch := range h.fetch[:rng.IntN(len(h.fetch)+1)] {
		n += fetch
	}
	return n
}

// committed notes a Commit of the first n records that were not committed.
func (h *history) committed(n int, err error) {
	if n == 0 {
		return
	}
	last := h.stream[h.done+n-1].version()
	h.possible = max(h.possible, last)
	if err != nil {
		return
	}
	h.certain = max(h.certain, last)
	for h.done += n; n > 0; h.fetch = h.fetch[1:] {
		n -= h.fetch[0]
	}
}

// drained checks that nothing is missing, all having been read.
func (h *history) drained() {
	h.check(true)
	for _, r := range h.requests {
		r.lost = r.lost || r.versions[0] == 0
	}
}

// check checks that what must have come out did: all, or what comes before the last
// that came out.
func (h *history) check(all bool) {
	out := map[place]bool{}
	latest := 0 // submission of what came out
	first, last := uint64(math.MaxUint64), uint64(0)
	for _, p := range h.stream {
		out[p] = true
		first, last = min(first, p.version()), max(last, p.version())
		if at := p.request.answered; at != 0 {
			require.Greater(h.t, at, latest, "request %d came after one that was appended later", p.request.id)
		}
		latest = max(latest, p.request.submitted)
	}
	for _, r := range h.requests {
		for i, version := range r.versions {
			switch {
			case out[place{r, i}]:
			case version == 0 && r.answered == 0: // It need not be there.
			case version == 0:
				require.False(h.t, all || latest > r.answered, "request %d was acknowledged and is lost", r.id)
			case version <= h.before && version < first: // It may have been committed.
			default:
				require.True(h.t, !all && version > last, "request %d came out before and is lost", r.id)
			}
		}
	}
}
