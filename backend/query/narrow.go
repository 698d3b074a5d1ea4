package query

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// Whatever level a segment has, its rows lie in the kind's rollups, by all dimensions,
// and in narrow ones, by a few. A question reads the narrow one that keeps all
// columns which it groups, filters or counts by, if there is one.

// narrowSince is the day, in Unix seconds, from which on a kind's buckets have narrow
// rows. A kind that is not there has none.
type narrowSince map[string]int64

// complete reports whether all buckets of all kinds have some.
func (n narrowSince) complete() bool {
	for kind := range schema.Narrows {
		if since, ok := n[kind]; !ok || since > 0 {
			return false
		}
	}
	return true
}

// narrowReader reads how far back there are narrow rollups, once for all questions that
// come within a second, and no more when all there are have them. What it remembers is
// no danger: the day goes back only.
type narrowReader struct {
	client   *clickhouse.Client
	settings func() map[string]string
	ttl      time.Duration

	mu    sync.Mutex
	until time.Time
	known narrowSince
}

func (r *narrowReader) read(ctx context.Context) (narrowSince, error) {
	r.mu.Lock()
	known, until := r.known, r.until
	r.mu.Unlock()
	began := time.Now()
	if known.complete() || began.Before(until) {
		return known, nil
	}
	var kind proto.ColStr
	var since proto.ColInt64
	out := narrowSince{}
	err := r.client.Do(ctx, clickhouse.Query{
		SQL:      "SELECT CAST(kind, 'String') AS k, toInt64(toUnixTimestamp(min(since))) AS s FROM narrow_since GROUP BY kind",
		Settings: r.settings(),
		Result:   proto.Results{{Name: "k", Data: &kind}, {Name: "s", Data: &since}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range since {
				out[kind.Row(i)] = since[i]
			}
			return nil
		},
	})
	switch {
	case clickhouse.ClassOf(err) == clickhouse.ClassUnavailable:
		// The shard with this table may be away while those of the question are there.
		// What is not known to be narrow is read of the rollups by all dimensions.
		return known, nil
	case err != nil:
		return nil, fmt.Errorf("read how far back there are narrow rollups: %w", err)
	}
	r.mu.Lock()
	r.known, r.until = out, began.Add(r.ttl)
	r.mu.Unlock()
	return out, nil
}

// rollupBranches renders what a question reads of rollups: a branch of the narrow one
// that will do, as far back as it goes, and one of all dimensions for the rest. needs
// are columns that it reads besides those of its dimensions, filters and scope.
func (q *question) rollupBranches(b *binder, src rollupSource, segments []segment, columns string, needs []string) []string {
	n, ok := q.narrow(src, segments, needs)
	if !ok {
		return []string{q.current(b, src, src.rollup, "", segments, columns)}
	}
	var out []string
	wide, narrow := split(segments, n, q.narrowSince[src.kind]*1000)
	if len(wide) > 0 {
		out = append(out, q.current(b, src, src.rollup, "", wide, columns))
	}
	if len(narrow) > 0 {
		out = append(out, q.current(b, src, src.narrow, "kept = '"+n.Name+"' AND ", narrow, columns))
	}
	return out
}

// narrow finds the narrow rollup with the fewest rows that keeps what a question needs.
func (q *question) narrow(src rollupSource, segments []segment, needs []string) (n schema.Narrow, ok bool) {
	if _, some := q.narrowSince[src.kind]; !some {
		return n, false
	}
	var columns []string
	need := func(dimension string) {
		if dimension == metric.Team {
			dimension = metric.User
		}
		if c, ok := src.dimensions[dimension]; ok { // hours and weekdays are of the bucket
			columns = append(columns, c)
		}
	}
	for _, d := range q.dims {
		need(d)
	}
	for _, f := range q.filters {
		need(f.dimension)
	}
	if q.groups != nil {
		for _, d := range q.groups.dims {
			need(d)
		}
	}
	if !q.scope.all || slices.ContainsFunc(segments, func(s segment) bool { return s.level == levelDayUser || s.level == levelQuarterUser }) {
		need(metric.User)
	}
	for _, c := range src.dimensions {
		if slices.Contains(needs, c) {
			columns = append(columns, c)
		}
	}
	for _, n := range schema.Narrows[src.kind] {
		if n.Keeps(columns) {
			return n, true
		}
	}
	return n, false
}

// split parts segments into those of levels at which there is a narrow rollup from a
// moment on, in Unix milliseconds, at which no bucket is cut, and the others.
func split(segments []segment, n schema.Narrow, at int64) (wide, narrow []segment) {
	for _, seg := range segments {
		if !n.Has(string(seg.level)) {
			wide = append(wide, seg)
			continue
		}
		var early, late []span
		for _, s := range seg.spans {
			if s.from < at {
				early = append(early, span{s.from, min(s.to, at)})
			}
			if s.to > at || s.from >= at {
				late = append(late, span{max(s.from, at), s.to})
			}
		}
		if len(early) > 0 {
			wide = append(wide, segment{seg.level, early})
		}
		if len(late) > 0 {
			narrow = append(narrow, segment{seg.level, late})
		}
	}
	return wide, narrow
}
