package app

import (
	"context"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/cache"
)

// readings counts what is recorded.
type readings int

func (r *readings) Audit(context.Context, query.AuditRecord) error {
	*r++
	return nil
}

// answering is an engine without a database: it answers what is sound with nothing.
type answering struct{ *query.Engine }

func (answering) Changes(context.Context, string, time.Duration) (*query.Changes, error) {
	return &query.Changes{At: time.Now()}, nil
}

func (a answering) Do(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error) {
	if _, err := a.Asked(p, r); err != nil {
		return a.Engine.Do(ctx, p, r)
	}
	return &query.Result{Frame: data.NewFrame("")}, nil
}

// With the cache on a reading is recorded once: asked for, remembered, or no matter for
// the cache.
func TestAReadingIsRecordedOnceWithTheCache(t *testing.T) {
	records, day := new(readings), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	engine, err := query.New(query.Config{Client: new(clickhouse.Client), Auditor: records, PendingTTL: -1})
	require.NoError(t, err)
	c, err := cache.New(cache.Config{Engine: answering{engine}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	analytics := remembered{Analytics: engine, cache: c}
	sound := query.Request{Metrics: []string{"executions"}, From: day, To: day.AddDate(0, 0, 1)}
	for i, r := range []query.Request{sound, sound, {Metrics: []string{"none"}, From: day, To: day.AddDate(0, 0, 1)}} {
		_, err := analytics.Do(t.Context(), access.Principal{Tenant: "acme", Role: access.RoleAdmin}, r)
		require.Equal(t, i == 2, err != nil, "%v", err)
		require.Equal(t, readings(i+1), *records)
	}
}
