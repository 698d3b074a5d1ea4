package query

import (
	"context"
	"fmt"
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

// pendingReader reads the pending minutes of a tenant once for all requests that
// come within a second: a dashboard asks for a dozen panels at once. An older
// list is no danger, since what it misses is younger than itself.
type pendingReader struct {
	client   *clickhouse.Client
	settings func() map[string]string
	ttl      time.Duration

	mu      sync.Mutex
	tenants map[string]*pendingEntry
}

type pendingEntry struct {
	mu    sync.Mutex
	until time.Time
	list  pendingMinutes
}

func newPendingReader(c *clickhouse.Client, ttl time.Duration, settings func() map[string]string) *pendingReader {
	if ttl == 0 {
		ttl = time.Second
	}
	return &pendingReader{client: c, settings: settings, ttl: ttl, tenants: map[string]*pendingEntry{}}
}

// read returns the pending minutes of a tenant. Those who wait for another's
// reading share it; each stops waiting with its own context only after that, so
// a reading is as short as one statement.
func (r *pendingReader) read(ctx context.Context, tenant string) (pendingMinutes, error) {
	r.mu.Lock()
	e := r.tenants[tenant]
	if e == nil {
		e = &pendingEntry{}
		r.tenants[tenant] = e
	}
	r.mu.Unlock()

	e.mu.Lock()
	defer e.mu.Unlock()
	began := time.Now()
	if began.Before(e.until) {
		return e.list, nil
	}
	list, err := r.query(ctx, tenant, began)
	if err != nil {
		return nil, err
	}
	// A long list, of a backfill, is read for a tenth of the time at most.
	ttl := r.ttl
	if took := time.Since(began); ttl > 0 {
		ttl = max(ttl, 10*took)
	}
	e.list, e.until = list, time.Now().Add(ttl)
	return list, nil
}

const pendingSQL = `SELECT CAST(m.kind, 'String') AS kind, toInt64(toUnixTimestamp(m.minute)) AS minute
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
WHERE m.marked >= v.version
ORDER BY kind, minute
LIMIT 200000 BY kind`

func (r *pendingReader) query(ctx context.Context, tenant string, now time.Time) (pendingMinutes, error) {
	var (
		kind   proto.ColStr
		minute proto.ColInt64
		out    = pendingMinutes{}
		since  = now.Add(-markWindow).UnixMicro()
	)
	err := r.client.Do(ctx, clickhouse.Query{
		SQL:      pendingSQL,
		Params:   map[string]any{"tenant": tenant, "since": since, "slot": since / tenMinutes},
		Settings: r.settings(),
		Result:   proto.Results{{Name: "kind", Data: &kind}, {Name: "minute", Data: &minute}},
		OnResult: func(context.Context, proto.Block) error {
			for i, m := range minute {
				k := string(kind.RowBytes(i))
				out[k] = append(out[k], m)
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read pending buckets: %w", err)
	}
	return out, nil
}
