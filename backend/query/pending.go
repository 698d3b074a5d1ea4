package query

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

const (
	// markWindow is how far back marks are looked at. What has waited longer is a
	// roller that is down, and its operator knows by other means.
	markWindow = 7 * 24 * time.Hour
	// tenMinutes is the unit of the marks' sorting key, in microseconds.
	tenMinutes = 600_000_000
)

// pendingMinutes holds, for each kind, the minutes (Unix seconds, in order) that
// are marked and not rolled up under a later version.
type pendingMinutes map[string][]int64

// within counts a kind's minutes that overlap a period.
func (p pendingMinutes) within(kind string, period span) uint64 {
	minutes := p[kind]
	first, _ := slices.BinarySearch(minutes, floorTo(period.from/1000, Minute.width()))
	last, _ := slices.BinarySearch(minutes, (period.to+999)/1000)
	return uint64(max(0, last-first))
}

// mostSpans is how many spans of pending minutes a condition lists; more are one.
const mostSpans = 100

// spans returns the times of a kind's minutes that overlap a period.
func (p pendingMinutes) spans(kind string, period span) []span {
	minutes := p[kind]
	first, _ := slices.BinarySearch(minutes, floorTo(period.from/1000, Minute.width()))
	last, _ := slices.BinarySearch(minutes, (period.to+999)/1000)
	if first >= last {
		return nil
	}
	var all []span
	for _, m := range minutes[first:last] {
		all = append(all, span{m * 1000, (m + Minute.width()) * 1000})
	}
	if all = join(all); len(all) > mostSpans {
		all = []span{{all[0].from, all[len(all)-1].to}}
	}
	return all
}

// pendingReader reads the pending minutes of a tenant once for all requests that
// come within a second: a dashboard asks for a dozen panels at once. An older
// list is no danger, since what it misses is younger than itself. Who keeps answers
// follows the tenant's marks too, which the same statement reads.
type pendingReader struct {
	client   *clickhouse.Client
	settings func() map[string]string
	ttl      time.Duration

	mu      sync.Mutex
	tenants map[string]*pendingEntry
}

type pendingEntry struct {
	reading sync.Mutex // held while the statement runs

	mu       sync.Mutex
	until    time.Time
	last     *Changes
	followed bool
}

func newPendingReader(c *clickhouse.Client, ttl time.Duration, settings func() map[string]string) *pendingReader {
	if ttl == 0 {
		ttl = time.Second
	}
	return &pendingReader{client: c, settings: settings, ttl: ttl, tenants: map[string]*pendingEntry{}}
}

func (r *pendingReader) entry(tenant string) *pendingEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.tenants[tenant]
	if e == nil {
		e = &pendingEntry{}
		r.tenants[tenant] = e
	}
	return e
}

// read returns what is known of a tenant's minutes. Those who wait for another's
// reading share it; each stops waiting with its own context only after that, so
// a reading is as short as one statement.
func (r *pendingReader) read(ctx context.Context, tenant string) (*Changes, error) {
	e := r.entry(tenant)
	if c := e.fresh(0); c != nil {
		return c, nil
	}
	e.reading.Lock()
	defer e.reading.Unlock()
	return r.renew(ctx, tenant, e)
}

// follow is read with the tenant's marks. While somebody else reads, or when that
// fails, an older feed is good enough that is not older than tolerated.
func (r *pendingReader) follow(ctx context.Context, tenant string, tolerated time.Duration) (*Changes, error) {
	e := r.entry(tenant)
	e.follow()
	if c := e.fresh(0); c != nil {
		return c, nil
	}
	if !e.reading.TryLock() {
		if c := e.fresh(tolerated); c != nil {
			return c, nil
		}
		e.reading.Lock()
	}
	defer e.reading.Unlock()
	c, err := r.renew(ctx, tenant, e)
	if err != nil {
		if c := e.fresh(tolerated); c != nil {
			return c, nil
		}
	}
	return c, err
}

// follow makes the next reading bring the marks, if none has brought them yet.
func (e *pendingEntry) follow() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.followed {
		e.followed, e.last = true, nil
	}
}

// fresh returns what was read last, if it need not be read again or is not older than
// tolerated.
func (e *pendingEntry) fresh(tolerated time.Duration) *Changes {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if e.last != nil && (now.Before(e.until) || now.Sub(e.last.At) < tolerated) {
		return e.last
	}
	return nil
}

// renew reads anew, unless somebody has just done so.
func (r *pendingReader) renew(ctx context.Context, tenant string, e *pendingEntry) (*Changes, error) {
	if c := e.fresh(0); c != nil {
		return c, nil
	}
	e.mu.Lock()
	last, followed := e.last, e.followed
	e.mu.Unlock()
	began := time.Now()
	c, err := r.query(ctx, tenant, began, last, followed)
	if err != nil {
		return nil, err
	}
	// A long list, of a backfill, is read for a tenth of the time, unless it would be too
	// old by then for whoever keeps answers by it: all would ask the database, which is
	// slow already.
	ttl := r.ttl
	if took := time.Since(began); ttl > 0 {
		ttl = max(ttl, min(10*took, oldestFeed))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.followed == followed { // else it has no marks, which somebody wants by now
		e.last, e.until = c, time.Now().Add(ttl)
	}
	return c, nil
}

// oldestFeed is less than what a cache tolerates (5 s), by the time of a reading.
const oldestFeed = 3 * time.Second

// pendingSQL lists the minutes that wait, and those that were marked from a stamp on.
// Marks and versions are compared in one statement: a minute whose mark is listed and
// which does not wait was rolled up with what the mark stands for.
const pendingSQL = `SELECT CAST(m.kind, 'String') AS kind, toInt64(toUnixTimestamp(m.minute)) AS minute, m.marked AS marked, toUInt8(m.marked >= v.version) AS waits,
    toUInt64(toUnixTimestamp64Micro(now64(6))) AS now
FROM (
    SELECT kind, minute, max(marked_at) AS marked FROM bucket_marks
    WHERE tenant = {tenant:String} AND marked_at >= {since:UInt64} AND intDiv(marked_at, 600000000) >= {slot:UInt64}
    GROUP BY kind, minute
) AS m
LEFT ANY JOIN (
    SELECT kind, bucket, max(version) AS version FROM bucket_versions
    WHERE tenant = {tenant:String} AND level = 'minute' AND (kind, bucket) IN (
        SELECT kind, minute FROM bucket_marks
        WHERE tenant = {tenant:String} AND marked_at >= {since:UInt64} AND intDiv(marked_at, 600000000) >= {slot:UInt64}
    )
    GROUP BY kind, bucket
) AS v ON m.kind = v.kind AND m.minute = v.bucket
WHERE waits OR m.marked >= {after:UInt64}
ORDER BY kind, minute
LIMIT 200000 BY kind
UNION ALL
SELECT '', 0, 0, 0, toUInt64(toUnixTimestamp64Micro(now64(6)))`

func (r *pendingReader) query(ctx context.Context, tenant string, began time.Time, last *Changes, marks bool) (*Changes, error) {
	var (
		kind             proto.ColStr
		minute           proto.ColInt64
		marked, now      proto.ColUInt64
		waits            proto.ColUInt8
		since            = uint64(began.Add(-markWindow).UnixMicro())
		after            = uint64(math.MaxUint64)
		c                = &Changes{At: began, pending: pendingMinutes{}, since: math.MaxUint64}
		read             = map[string][]mark{}
		counts, complete = map[string]int{}, true
	)
	if marks {
		after = uint64(began.UnixMicro()) - markMemory
		if last != nil && last.since != math.MaxUint64 {
			after = last.position - markSlack
		}
	}
	err := r.client.Do(ctx, clickhouse.Query{
		SQL:      pendingSQL,
		Params:   map[string]any{"tenant": tenant, "since": since, "slot": since / tenMinutes, "after": after},
		Settings: r.settings(),
		Result: proto.Results{
			{Name: "kind", Data: &kind},
			{Name: "minute", Data: &minute},
			{Name: "marked", Data: &marked},
			{Name: "waits", Data: &waits},
			{Name: "now", Data: &now},
		},
		OnResult: func(context.Context, proto.Block) error {
			for i, m := range minute {
				c.position = max(c.position, now[i], marked[i])
				k := string(kind.RowBytes(i))
				if k == "" {
					continue
				}
				counts[k]++
				complete = complete && counts[k] < mostMarks
				if waits[i] != 0 {
					c.pending[k] = append(c.pending[k], m)
				}
				if marked[i] >= after {
					read[k] = append(read[k], mark{m, marked[i]})
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read pending buckets: %w", err)
	}
	if !marks || !complete {
		return c, nil // It vouches for nothing.
	}
	c.since, c.marks = after, read
	if last != nil && last.since != math.MaxUint64 {
		c.since = max(last.since, c.position-min(c.position, markMemory))
		c.marks = last.merged(read, c.since)
	}
	return c, nil
}
