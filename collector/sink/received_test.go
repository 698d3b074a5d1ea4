package sink

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

func TestReceivedMetrics(t *testing.T) {
	m, err := newReceived(prometheus.NewRegistry())
	require.NoError(t, err)
	c := newCounts()
	at := place{version: 1}
	c.add(countKey{tenant: "a", source: "crm", kind: "step"}, at, accepted, 1)
	c.add(countKey{tenant: "b", source: "crm", kind: "step"}, at, accepted, 1)
	c.add(countKey{tenant: "a", source: "crm", kind: "step"}, at, duplicate, 5)
	c.add(countKey{tenant: "a", source: "", kind: "", code: event.CodeMalformedJSON}, at, rejected, 1)
	c.add(countKey{tenant: "a", source: "\xff", code: event.CodeInvalidString}, at, rejected, 1)
	c.add(countKey{tenant: "a", source: "crm", kind: "step"}, at, accepted, 1)
	m.add(&c)
	many := newCounts()
	for i := range 3 * maxSources {
		many.add(countKey{source: fmt.Sprint("s", i), kind: "cost"}, at, accepted, 1)
	}
	m.add(&many)
	m.add(&c)
	require.InDelta(t, 6, testutil.ToFloat64(m.events.WithLabelValues("crm", "step", "accepted")), 0, "of all tenants")
	require.InDelta(t, 10, testutil.ToFloat64(m.events.WithLabelValues("crm", "step", "duplicate")), 0)
	require.InDelta(t, 2, testutil.ToFloat64(m.rejected.WithLabelValues("none", "malformed_json")), 0)
	require.InDelta(t, 2, testutil.ToFloat64(m.rejected.WithLabelValues("\uFFFD", "invalid_string")), 0)
	require.LessOrEqual(t, testutil.CollectAndCount(m.events), maxSources+4)
	require.Positive(t, testutil.ToFloat64(m.events.WithLabelValues(otherLabel, "cost", "accepted")))
}
