package sink

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
)

// outcome is what became of what was received, or that it was not received at all.
type outcome uint8

const (
	accepted outcome = iota
	duplicate
	rejected
	added // by a plugin, to one that was received
	gone  // accepted, and stored under another source
	came  // stored under this source, and accepted under another
	outcomes
)

// reported are the outcomes that have a column of their own.
const reported = added + 1

// countKey is what is counted apart.
type countKey struct {
	tenant    string
	source    string
	kind      string     // "" is unknown
	code      event.Code // of what was rejected
	partition int32
	minute    int64 // of receipt
}

// counts says what became of a batch's records. They are kept one by one until the
// batch is stored: only then it is known which of them were counted before.
type counts struct {
	tallies map[countKey]*tally
	entries []entry
	recent  *tally // events of one kind often come in a row
}

// entry is one record, whose count is 1 unless it stands for many.
type entry struct {
	tally   *tally
	version queue.Version
	count   uint32
	outcome outcome
}

func keyOf(e *event.Event) countKey {
	return countKey{tenant: e.Tenant, source: e.Source, kind: e.Kind.String()}
}

type span struct{ first, last queue.Version }

type tally struct {
	key    countKey
	events [outcomes]uint64
	lagSum int64 // ms from receipt to storage, of accepted events
	lagMax int64
	last   queue.Version // of those counted now; 0 is none
}

func newCounts() counts {
	return counts{tallies: map[countKey]*tally{}}
}

func (c *counts) reset() {
	clear(c.tallies)
	clear(c.entries)
	c.entries, c.recent = c.entries[:0], nil
}

// add notes n events that came with a record.
func (c *counts) add(key countKey, at place, what outcome, n uint32) {
	key.partition, key.minute = at.partition, at.version.UnixMilli()/60_000*60
	t := c.recent
	if t == nil || t.key != key {
		if t = c.tallies[key]; t == nil {
			t = &tally{key: key}
			c.tallies[key] = t
		}
		c.recent = t
	}
	c.entries = append(c.entries, entry{tally: t, version: at.version, count: n, outcome: what})
}

// spans returns the first and the last version of each partition.
func (c *counts) spans() map[int32]span {
	out := map[int32]span{}
	for i := range c.entries {
		partition, v := c.entries[i].tally.key.partition, c.entries[i].version
		s, ok := out[partition]
		if !ok {
			s = span{v, v}
		}
		out[partition] = span{min(s.first, v), max(s.last, v)}
	}
	return out
}

// token names the batch's records. A batch that is repeated has the same one, any
// other batch another.
func token(log string, spans map[int32]span) string {
	var b strings.Builder
	b.WriteString(log)
	for _, partition := range slices.Sorted(maps.Keys(spans)) {
		fmt.Fprintf(&b, " %d:%d-%d", partition, spans[partition].first, spans[partition].last)
	}
	return b.String()
}

// sum counts the records that were not counted before.
func (c *counts) sum(before counted, stored time.Time) {
	for _, t := range c.tallies {
		*t = tally{key: t.key}
	}
	now := stored.UnixMilli()
	for i := range c.entries {
		e := &c.entries[i]
		t := e.tally
		if e.version <= before[tenantPart{t.key.tenant, t.key.partition}] {
			continue
		}
		t.events[e.outcome] += uint64(e.count)
		t.last = max(t.last, e.version)
		if e.outcome == accepted {
			lag := now - e.version.UnixMilli()
			t.lagSum += int64(e.count) * lag
			t.lagMax = max(t.lagMax, lag)
		}
	}
}

// input returns the sums as columns.
func (c *counts) input(log string) proto.Input {
	cols := new(columns)
	tenant, source, kind, code, logs := cols.str("tenant"), cols.str("source"), cols.str("kind"), cols.str("code"), cols.str("log")
	partition := number(cols, "partition", new(proto.ColInt32))
	minute := number(cols, "minute", new(proto.ColDateTime))
	var figures [reported]*proto.ColUInt64
	for what, name := range [reported]string{"accepted", "duplicates", "rejected", "added"} {
		figures[what] = number(cols, name, new(proto.ColUInt64))
	}
	stored, last := number(cols, "stored", new(proto.ColUInt64)), number(cols, "last", new(proto.ColUInt64))
	lagSum, lagMax := number(cols, "lag_ms_sum", new(proto.ColInt64)), number(cols, "lag_ms_max", new(proto.ColInt64))
	for key, t := range c.tallies {
		if t.last == 0 {
			continue // All of it was counted before.
		}
		tenant.Append(key.tenant)
		source.Append(key.source)
		kind.Append(key.kind)
		code.Append(string(key.code))
		logs.Append(log)
		partition.Append(key.partition)
		minute.Append(time.Unix(key.minute, 0))
		for what, n := range t.events[:reported] {
			figures[what].Append(n)
		}
		// ClickHouse has acknowledged the events before their counts are sent.
		stored.Append(t.events[accepted] - t.events[gone] + t.events[came] + t.events[added])
		lagSum.Append(t.lagSum)
		lagMax.Append(t.lagMax)
		last.Append(uint64(t.last))
	}
	return cols.input
}
