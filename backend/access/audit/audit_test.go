package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access/audit"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

var began = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// fill writes n records of a new process.
func fill(t *testing.T, client *clickhouse.Client, tenant string, n int) {
	l, err := audit.New(audit.Config{Client: client})
	require.NoError(t, err)
	for i := range n {
		require.NoError(t, l.Add(t.Context(), audit.Record{
			At: began.Add(time.Duration(i) * time.Second), Tenant: tenant, UserID: fmt.Sprint("u", i%2), Kind: "metrics", Outcome: "answered",
			Filters: []audit.Filter{{Dimension: "workflow", Operator: "in", Values: []string{"it's \\ odd\n"}}}, From: began, To: began.AddDate(20000, 0, 0),
		}))
	}
	require.NoError(t, l.Flush(t.Context()))
}

func verify(t *testing.T, client *clickhouse.Client, tenant string) audit.Report {
	t.Helper()
	r, err := audit.Verify(t.Context(), client, tenant)
	require.NoError(t, err)
	return r
}

func TestChainsHoldTogether(t *testing.T) {
	client := schematest.Client(t)
	fill(t, client, "acme", 5)
	fill(t, client, "acme", 3) // a restart
	fill(t, client, "other", 2)
	r := verify(t, client, "acme")
	assert.Nil(t, r.Broken)
	assert.EqualValues(t, 8, r.Records)
	assert.Len(t, r.Chains, 2)

	list, next, err := audit.List(t.Context(), client, "acme", audit.Page{UserID: "u1", Limit: 10})
	require.NoError(t, err)
	require.Len(t, list, 3)
	assert.Empty(t, next)
	assert.Equal(t, began.Add(3*time.Second), list[0].At)
	assert.Equal(t, "it's \\ odd\n", list[0].Filters[0].Values[0])
	assert.Equal(t, "acme", list[0].Tenant)
	list, _, err = audit.List(t.Context(), client, "acme", audit.Page{Outcome: "denied", Limit: 10})
	require.NoError(t, err)
	assert.Empty(t, list)

	// An insert whose answer was lost, and is repeated, changes nothing.
	require.NoError(t, client.Exec(t.Context(), "INSERT INTO audit_log SELECT * FROM audit_log WHERE tenant = 'acme'", nil))
	r = verify(t, client, "acme")
	assert.Nil(t, r.Broken)
	assert.EqualValues(t, 8, r.Records)
}

// Pages put together are the list, whatever their size: records of one moment, of several
// chains, and stored twice included.
func TestPagesOfRecords(t *testing.T) {
	client := schematest.Client(t)
	fill(t, client, "acme", 4)
	fill(t, client, "acme", 3)
	require.NoError(t, client.Exec(t.Context(), "INSERT INTO audit_log SELECT * FROM audit_log WHERE tenant = 'acme' AND sequence = 2", nil))
	all, next, err := audit.List(t.Context(), client, "acme", audit.Page{Limit: 100})
	require.NoError(t, err)
	require.Len(t, all, 7)
	require.Empty(t, next)
	for _, limit := range []int{1, 2, 3, 6, 7} {
		var got []audit.Record
		for page := (audit.Page{Limit: limit}); ; {
			list, next, err := audit.List(t.Context(), client, "acme", page)
			require.NoError(t, err)
			require.LessOrEqual(t, len(list), limit)
			got = append(got, list...)
			if page.Cursor = next; next == "" {
				break
			}
		}
		assert.Equal(t, all, got, limit)
	}
	for _, cursor := range []string{"1", "x.y.z", "1.a.-1", "1.a.1.1", "99999999999999999.a.1", "' OR 1 --"} {
		_, _, err := audit.List(t.Context(), client, "acme", audit.Page{Cursor: cursor, Limit: 1})
		require.ErrorIs(t, err, audit.ErrCursor, cursor)
	}
}

// Whatever is done to the rows is found, and where.
func TestTamperingIsFound(t *testing.T) {
	client := schematest.Client(t)
	for i, c := range []struct {
		name, sql string
		sequence  uint64
	}{
		{"a record is changed", "ALTER TABLE audit_log UPDATE record = replace(record, 'answered', 'denied') WHERE tenant = '%s' AND sequence = 3 SETTINGS mutations_sync = 1", 3},
		{"a record is removed", "ALTER TABLE audit_log DELETE WHERE tenant = '%s' AND sequence = 3 SETTINGS mutations_sync = 1", 4},
		{"the first is removed", "ALTER TABLE audit_log DELETE WHERE tenant = '%s' AND sequence = 1 SETTINGS mutations_sync = 1", 2},
		{"a record is put in", "INSERT INTO audit_log SELECT tenant, chain, 4, at, previous, hash, replace(record, 'u', 'x') FROM audit_log WHERE tenant = '%s' AND sequence = 3", 4},
		{"the time is changed", "INSERT INTO audit_log SELECT tenant, chain, 6, at + 60, hash, SHA256(concat(hash, record)), record FROM audit_log WHERE tenant = '%s' AND sequence = 5", 6},
	} {
		tenant := fmt.Sprint("t", i)
		fill(t, client, tenant, 5)
		require.Nil(t, verify(t, client, tenant).Broken)
		require.NoError(t, client.Exec(t.Context(), fmt.Sprintf(c.sql, tenant), nil))
		r := verify(t, client, tenant)
		require.NotNil(t, r.Broken, c.name)
		assert.Equal(t, c.sequence, r.Broken.Sequence, "%s: %s", c.name, r.Broken.Problem)
	}
	// The end of a chain that another one continues.
	fill(t, client, "cut", 3)
	fill(t, client, "cut", 1)
	require.NoError(t, client.Exec(t.Context(), "ALTER TABLE audit_log DELETE WHERE tenant = 'cut' AND sequence = 3 SETTINGS mutations_sync = 1", nil))
	r := verify(t, client, "cut")
	require.NotNil(t, r.Broken)
	assert.Contains(t, r.Broken.Problem, "not there any more")
}

// While records cannot be written an answer that needs one is withheld; else the gap
// is told.
func TestTheDatabaseIsAway(t *testing.T) {
	gone, err := clickhouse.New(clickhouse.Config{Addr: "127.0.0.1:1", Database: "x", User: "x", MaxConns: 1})
	require.NoError(t, err)
	defer gone.Close()
	required, err := audit.New(audit.Config{Client: gone, Required: true})
	require.NoError(t, err)
	ctx := t.Context()
	done, stop := context.WithTimeout(ctx, 300*time.Millisecond)
	defer stop()
	require.ErrorIs(t, required.Add(done, audit.Record{At: began, Tenant: "acme"}), audit.ErrFull)

	measured := prometheus.NewRegistry()
	lax, err := audit.New(audit.Config{Client: gone, Registerer: measured})
	require.NoError(t, err)
	for range 20_100 {
		require.NoError(t, lax.Add(ctx, audit.Record{At: began, Tenant: "acme"}))
	}
	require.Error(t, lax.Flush(ctx))
	assert.EqualValues(t, 100, lax.Dropped())
	require.NoError(t, testutil.GatherAndCompare(measured, strings.NewReader(`
# HELP flowgauge_audit_dropped_total Readings of data whose audit record could not be kept: with audit.required their answers were withheld.
# TYPE flowgauge_audit_dropped_total counter
flowgauge_audit_dropped_total 100
# HELP flowgauge_audit_waiting_records Audit records that wait in memory for the database.
# TYPE flowgauge_audit_waiting_records gauge
flowgauge_audit_waiting_records 20000
`)))
}

// Whatever is asked is written down in bounded records, which are stored.
func TestRecordsAreBounded(t *testing.T) {
	client := schematest.Client(t)
	l, err := audit.New(audit.Config{Client: client})
	require.NoError(t, err)
	long := strings.Repeat("\x01ä", 10_000)
	many := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprint(i, long)
		}
		return out
	}
	params := map[string]string{}
	for _, name := range many(100) {
		params[name] = long
	}
	filters := make([]audit.Filter, 300)
	for i := range filters {
		filters[i] = audit.Filter{Dimension: long, Operator: long, Values: many(3)}
	}
	for _, r := range []audit.Record{
		{Metrics: many(300)},
		{GroupBy: many(300)},
		{Filters: filters},
		{Params: params},
		{Kind: long, Surface: long},
		{Metrics: many(60), GroupBy: many(60), Filters: filters, Params: params, Kind: long},
		{Metrics: []string{"executions"}, Params: map[string]string{"by": "user"}},
	} {
		r.Tenant, r.At = "acme", began
		require.NoError(t, l.Add(t.Context(), r))
	}
	assert.Len(t, params, 100, "the caller's are the caller's")
	require.NoError(t, l.Flush(t.Context()))
	assert.Nil(t, verify(t, client, "acme").Broken)
	list, _, err := audit.List(t.Context(), client, "acme", audit.Page{Limit: 10})
	require.NoError(t, err)
	require.Len(t, list, 7)
	for _, r := range list {
		text, err := json.Marshal(r)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(text), 16<<10)
		assert.LessOrEqual(t, len(r.Metrics), 51)
		assert.LessOrEqual(t, len(r.Filters), 51)
		assert.LessOrEqual(t, len(r.Params), 21)
		assert.LessOrEqual(t, len(r.Kind), 1600)
	}
	metrics := list[6].Metrics
	for _, r := range list {
		if len(r.Metrics) > len(metrics) {
			metrics = r.Metrics
		}
	}
	assert.Regexp(t, "^… and 2[0-9]+ more$", metrics[len(metrics)-1], "the rest is counted")
}
