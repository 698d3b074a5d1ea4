package query

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// epochReader reads the first day of a tenant's rollups, once for all questions that
// come within a second.
type epochReader struct {
	client   *clickhouse.Client
	settings func() map[string]string
	ttl      time.Duration

	mu      sync.Mutex
	tenants map[string]epoch
}

type epoch struct {
	until time.Time
	first int64
}

// noEpoch is the first day of who has none.
const noEpoch = math.MaxInt64

// read returns the first day in Unix seconds.
func (r *epochReader) read(ctx context.Context, tenant string) (int64, error) {
	r.mu.Lock()
	known := r.tenants[tenant]
	r.mu.Unlock()
	began := time.Now()
	if began.Before(known.until) {
		return known.first, nil
	}
	var days, first proto.ColInt64
	out := int64(noEpoch)
	err := r.client.Do(ctx, clickhouse.Query{
		SQL:      "SELECT toInt64(count()) AS days, toInt64(toUnixTimestamp(min(bucket))) AS first FROM bucket_versions WHERE tenant = {tenant:String} AND level = 'day'",
		Params:   map[string]any{"tenant": tenant},
		Settings: r.settings(),
		Result:   proto.Results{{Name: "days", Data: &days}, {Name: "first", Data: &first}},
		OnResult: func(context.Context, proto.Block) error {
			for i, n := range days {
				if n > 0 {
					out = first[i]
				}
			}
			return nil
		},
	})
	if err != nil {
		return 0, fmt.Errorf("read the first day: %w", err)
	}
	r.mu.Lock()
	r.tenants[tenant] = epoch{until: began.Add(r.ttl), first: out}
	r.mu.Unlock()
	return out, nil
}
