package query

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"slices"
	"time"
)

// Changes is what was known of a tenant's changed minutes at one moment: its change
// feed. It does not change itself. An answer that was given beside one can be shown
// to be current beside a later one: see Asked.State.
type Changes struct {
	At time.Time // all that was marked before it is known

	pending  pendingMinutes
	marks    map[string][]mark // by kind, in order of minute
	since    uint64            // marks from this stamp on are known
	position uint64            // the server's time, or the highest mark if that is ahead of it
}

// mark is a minute (Unix seconds) with the stamp of its last mark.
type mark struct {
	minute int64
	stamp  uint64
}

const (
	// markSlack is how much later than its stamp a mark may become visible: it gets
	// its stamp while its insert runs. The roller waits as long.
	markSlack = uint64(10 * time.Minute / time.Microsecond)
	// markMemory is how far back a feed knows marks. An answer older than that cannot
	// be shown to be current.
	markMemory = uint64(25 * time.Hour / time.Microsecond)
	// mostMarks is how many minutes of a kind are read at once. With as many, some
	// may be missing.
	mostMarks = 200_000
)

// Changes returns the feed of a tenant. It is read at most once in
// Config.PendingTTL for all who ask; an older one is returned, up to tolerated, while
// another caller reads a new one.
func (e *Engine) Changes(ctx context.Context, tenant string, tolerated time.Duration) (*Changes, error) {
	return e.pending.follow(ctx, tenant, tolerated)
}

type changesKey struct{}

// WithChanges makes questions be planned by the feed as it stood, so that an answer
// and the State that is kept beside it come of the same knowledge.
func WithChanges(ctx context.Context, c *Changes) context.Context {
	return context.WithValue(ctx, changesKey{}, c)
}

func changesOf(ctx context.Context) *Changes {
	c, _ := ctx.Value(changesKey{}).(*Changes)
	return c
}

// merged returns the marks of an earlier feed with those that were read since.
func (c *Changes) merged(read map[string][]mark, forget uint64) map[string][]mark {
	out := make(map[string][]mark, len(read))
	for kind, old := range c.marks {
		out[kind] = mergeMarks(old, read[kind], forget)
	}
	for kind, fresh := range read {
		if _, ok := c.marks[kind]; !ok {
			out[kind] = fresh
		}
	}
	return out
}

// mergeMarks merges two lists in order of minute. The later stamp stands; marks
// below forget are left out.
func mergeMarks(old, fresh []mark, forget uint64) []mark {
	out := make([]mark, 0, len(old)+len(fresh))
	add := func(m mark) {
		if m.stamp >= forget {
			out = append(out, m)
		}
	}
	for len(old) > 0 || len(fresh) > 0 {
		switch {
		case len(fresh) == 0 || len(old) > 0 && old[0].minute < fresh[0].minute:
			add(old[0])
			old = old[1:]
		case len(old) == 0 || fresh[0].minute < old[0].minute:
			add(fresh[0])
			fresh = fresh[1:]
		default:
			add(mark{fresh[0].minute, max(old[0].stamp, fresh[0].stamp)})
			old, fresh = old[1:], fresh[1:]
		}
	}
	return out
}

// State says which changes of what an answer was made of were known when it was
// given: up to where the feed had been read, and a digest of the marks since shortly
// before that. The margin is there because a mark may come to light later than its
// stamp says.
type State struct {
	Position uint64 `json:"position"`
	Digest   uint64 `json:"digest"`
}

// digest sums up the marks of some minutes from a stamp on. ok is false when not all
// of them are known.
func (c *Changes) digest(reach []reach, from uint64) (sum uint64, ok bool) {
	if c.since > from {
		return 0, false
	}
	h := fnv.New64a()
	var b [16]byte
	for _, r := range reach {
		marks := c.marks[r.kind]
		first, _ := slices.BinarySearchFunc(marks, floorTo(r.from/1000, Minute.width()), func(m mark, at int64) int { return int(m.minute - at) })
		_, _ = h.Write([]byte(r.kind))
		for _, m := range marks[first:] {
			if m.minute*1000 >= r.to {
				break
			}
			if m.stamp < from {
				continue
			}
			binary.LittleEndian.PutUint64(b[:8], uint64(m.minute))
			binary.LittleEndian.PutUint64(b[8:], m.stamp)
			_, _ = h.Write(b[:])
		}
	}
	return h.Sum64(), true
}

// State returns the state of an answer that is given beside a feed. It is not ok
// while some of what the answer is made of waits for its rollup: then the answer
// changes once more without a mark.
func (a *Asked) State(c *Changes) (s State, ok bool) {
	for _, r := range a.reach {
		if c.pending.within(r.kind, r.span) > 0 {
			return State{}, false
		}
	}
	s.Position = c.position
	s.Digest, ok = c.digest(a.reach, s.Position-min(s.Position, markSlack))
	return s, ok
}

// Current reports whether nothing that an answer was made of has changed since its
// state was taken.
func (a *Asked) Current(c *Changes, s State) bool {
	digest, ok := c.digest(a.reach, s.Position-min(s.Position, markSlack))
	return ok && digest == s.Digest
}
