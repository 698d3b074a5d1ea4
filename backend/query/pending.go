package query

import (
	"time"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

type pendingReader struct {
	client *clickhouse.Client
	ttl    time.Duration
}

func newPendingReader(c *clickhouse.Client, ttl time.Duration) *pendingReader {
	return &pendingReader{client: c, ttl: ttl}
}
