package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// patience is how long Redis may take.
	patience = 2 * time.Second
	pageSize = 256
	// maxBytes bounds the frames of a tenant that are kept. With more, the oldest go.
	maxBytes = 64 << 20
)

// feed is what is known of a tenant's last minutes.
type feed struct {
	hub    *Hub
	tenant string
	used   atomic.Int64 // when last, in Unix nanoseconds

	mu     sync.Mutex
	read   time.Time // when last tried
	err    error     // of the last try
	last   string    // id of the last entry
	clock  int64     // Redis', in Unix ms
	since  int64     // when counting began; 0: nobody counts
	frames []frame   // in order of time
	first  uint64    // the number of the first frame
	bytes  int
	oldest int64 // frames before this time may be gone
}

// frame is an entry of the stream.
type frame struct {
	at   int64 // in Unix ms of Redis' clock
	text string
}

func newFeed(h *Hub, tenant string, now time.Time) *feed {
	f := &feed{hub: h, tenant: tenant, last: "0"}
	f.used.Store(now.UnixNano())
	return f
}

func (f *feed) idle(now time.Time) time.Duration {
	return time.Duration(now.UnixNano() - f.used.Load())
}

// refresh reads what is new, unless somebody just did. It returns Redis' clock.
func (f *feed) refresh(ctx context.Context) (clock int64, err error) {
	f.used.Store(time.Now().UnixNano())
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.read) < f.hub.fresh {
		return f.clock, f.err
	}
	// What is read is everybody's, whoever gives up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	f.err = nil
	for more := true; more && f.err == nil; {
		more, f.err = f.page(ctx)
	}
	if f.err != nil {
		f.err = fmt.Errorf("%w: %w", ErrAway, f.err)
	}
	f.read = time.Now()
	return f.clock, f.err
}

// page reads some frames and reports whether there are more.
func (f *feed) page(ctx context.Context) (more bool, err error) {
	var clock *goredis.TimeCmd
	var since *goredis.StringCmd
	var entries *goredis.XMessageSliceCmd
	_, err = f.hub.redis.Pipelined(ctx, func(p goredis.Pipeliner) error {
		clock, since = p.Time(ctx), p.Get(ctx, sinceKey)
		entries = p.XRangeN(ctx, streamKey(f.tenant), "("+f.last, "+", pageSize)
		return nil
	})
	if err != nil && !errors.Is(err, goredis.Nil) {
		return false, err
	}
	now := clock.Val().UnixMilli()
	if now < f.clock-time.Second.Milliseconds() { // another Redis, or its clock was set back
		f.first += uint64(len(f.frames))
		f.frames, f.bytes, f.last, f.oldest = nil, 0, "0", 0
		f.clock = now
		return true, nil
	}
	f.clock, f.since = now, 0
	if text, err := since.Result(); err == nil {
		if f.since, err = strconv.ParseInt(text, 10, 64); err != nil {
			return false, fmt.Errorf("%s is %q, not a time in ms", sinceKey, text)
		}
	}
	list, err := entries.Result()
	if err != nil {
		return false, err
	}
	for _, m := range list {
		ms, _, _ := strings.Cut(m.ID, "-")
		at, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			return false, fmt.Errorf("entry %q has no time", m.ID)
		}
		text, _ := m.Values[frameField].(string)
		f.frames, f.bytes, f.last = append(f.frames, frame{at, text}), f.bytes+len(text), m.ID
	}
	f.trim()
	return len(list) == pageSize, nil
}

// trim drops frames that no window has any more.
func (f *feed) trim() {
	f.oldest = max(f.oldest, f.clock-kept.Milliseconds())
	n := 0
	for n < len(f.frames) && (f.frames[n].at < f.oldest || f.bytes > maxBytes) {
		f.oldest = max(f.oldest, f.frames[n].at+1)
		f.bytes -= len(f.frames[n].text)
		n++
	}
	if n > 0 {
		f.frames, f.first = slices.Delete(f.frames, 0, n), f.first+uint64(n)
	}
}

// after returns the frames from a number on, and the number of the next to come. A
// number that is gone is the first.
func (f *feed) after(number uint64) (_ []frame, next uint64, since, oldest int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := max(number, f.first) - f.first
	return slices.Clone(f.frames[from:]), f.first + uint64(len(f.frames)), f.since, f.oldest
}
