package sink_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
	"github.com/flowgauge/flowgauge/collector/gather"
	"github.com/flowgauge/flowgauge/collector/sink"
)

// fill appends requests with events of two tenants and all kinds, duplicates and
// dead letters, some seconds apart, so that they belong to several minutes.
func (r *rig) fill(requests int) {
	r.t.Helper()
	for n := range requests {
		var records [][]byte
		for i, e := range samples(r.t) {
			e.Tenant, e.ID = []string{"a", "b"}[(n+i)%2], fmt.Sprint(e.ID, "-", n)
			records = append(records, event.AppendBinary(nil, &e))
		}
		tenant := []string{"a", "b"}[n%2]
		if n%3 == 0 {
			records = append(records, event.AppendDuplicates(nil, &event.Duplicates{Tenant: tenant, Source: "n8n", Kind: event.KindStep, Count: uint32(n + 2)}))
		}
		if n%4 == 1 {
			letter := event.DeadLetter{Tenant: tenant, Source: "crm", Code: event.CodeMissingField, Kind: event.Kind(n % 3)}
			records = append(records, event.AppendDeadLetter(nil, &letter))
		}
		require.NoError(r.t, r.log.Append(r.t.Context(), records))
		r.clock = r.clock.Add(7 * time.Second)
	}
}

// recount reads the log as if nothing of it were stored, and counts what is in it.
func recount(t *testing.T, dir string) map[string]uint64 {
	t.Helper()
	log, err := wal.New(wal.Options{Dir: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, log.Close()) }()
	out := map[string]uint64{}
	for range log.Stats().Pending {
		records, err := log.Fetch(t.Context(), 1)
		require.NoError(t, err)
		at := time.UnixMilli(records[0].Version.UnixMilli()).UTC().Format("15:04")
		switch data := records[0].Data; event.RecordType(data) {
		case event.RecordEvent:
			var e event.Event
			require.NoError(t, event.DecodeBinary(data, &e))
			out[strings.Join([]string{at, e.Tenant, e.Source, e.Kind.String(), "accepted"}, " ")]++
			out[strings.Join([]string{at, e.Tenant, e.Source, e.Kind.String(), "stored"}, " ")]++
		case event.RecordDuplicates:
			var d event.Duplicates
			require.NoError(t, event.DecodeDuplicates(data, &d))
			out[strings.Join([]string{at, d.Tenant, d.Source, d.Kind.String(), "duplicates"}, " ")] += uint64(d.Count)
		case event.RecordDeadLetter:
			var l event.DeadLetter
			require.NoError(t, event.DecodeDeadLetter(data, &l))
			kind := ""
			if l.Kind != 0 {
				kind = l.Kind.String()
			}
			out[strings.Join([]string{at, l.Tenant, l.Source, kind, "rejected"}, " ")]++
		}
	}
	return out
}

// counted returns what ingest_log says, in the same words.
func (r *rig) counted() map[string]uint64 {
	r.t.Helper()
	out := map[string]uint64{}
	for _, line := range r.lines(`SELECT concat(formatDateTime(minute, '%H:%i'), ' ', tenant, ' ', source, ' ', kind, ' ', f.1, '=', toString(sum(f.2))) AS line
		FROM ingest_log ARRAY JOIN [('accepted', accepted), ('duplicates', duplicates), ('rejected', rejected), ('stored', stored)] AS f
		WHERE f.2 > 0 GROUP BY minute, tenant, source, kind, f.1`) {
		key, n, _ := strings.Cut(line, "=")
		var err error
		out[key], err = strconv.ParseUint(n, 10, 64)
		require.NoError(r.t, err)
	}
	return out
}

// live runs a sink until it is killed.
func (r *rig) live(m *mortal, batch int) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	m.Client, m.Consumer, m.kill = r.client, r.log, cancel
	g, err := gather.New(r.client)
	require.NoError(r.t, err)
	s, err := sink.New(sink.Config{Consumer: m, Client: m, Gather: g, BatchSize: batch, Linger: 10 * time.Millisecond})
	require.NoError(r.t, err)
	require.NoError(r.t, s.Run(ctx))
	require.True(r.t, m.dead, "%s was not reached", m.step)
	require.NoError(r.t, r.log.Close())
	r.open()
}

// Wherever the sink is killed, and however the batches are cut when it comes back,
// everything is counted once.
func TestEverythingIsCountedOnce(t *testing.T) {
	client := schematest.Client(t)
	for _, step := range []string{"insert bucket_marks", "insert costs", "insert dead_letters", "select", "insert ingest_log", "commit"} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(step, " ", after), func(t *testing.T) {
				for _, table := range []string{"executions", "steps", "costs", "activity", "dead_letters", "ingest_log"} {
					require.NoError(t, client.Exec(t.Context(), "TRUNCATE TABLE "+table, nil))
				}
				r := rigOf(t, client)
				r.fill(16)
				require.NoError(t, r.log.Close())
				want := recount(t, r.dir)
				r.open()
				nth := 1
				if step == "insert bucket_marks" {
					nth = 3 // The second time of the second batch.
				}
				r.live(&mortal{step: step, nth: nth, after: after}, 20)
				r.live(&mortal{step: step, nth: nth, after: after}, 13) // Cut elsewhere.
				r.live(&mortal{step: step, after: after}, 1000)
				r.drain()
				require.Equal(t, want, r.counted())
				r.requireStoredOnce()
			})
		}
	}
}

func (r *rig) requireStoredOnce() {
	r.t.Helper()
	require.Equal(r.t, r.lines("SELECT toString(sum(stored)) AS line FROM ingest_log"), r.lines(`SELECT toString(sum(n)) AS line FROM (
		SELECT count() AS n FROM executions FINAL UNION ALL SELECT count() FROM steps FINAL UNION ALL SELECT count() FROM costs FINAL UNION ALL SELECT count() FROM activity FINAL)`))
	require.Equal(r.t, r.lines("SELECT toString(sum(rejected)) AS line FROM ingest_log"), r.lines("SELECT toString(count()) AS line FROM dead_letters FINAL"))
}

// The position may lie far behind, as after a disk that lost it.
func TestTheWholeLogComesAgain(t *testing.T) {
	r := newRig(t)
	r.fill(20)
	require.NoError(t, r.log.Close())
	want := recount(t, r.dir)
	for _, batch := range []int{1000, 13} {
		r.open()
		records, err := r.log.Fetch(t.Context(), 1000)
		require.NoError(t, err)
		for chunk := range slices.Chunk(records, batch) {
			r.drainUncommitted(chunk)
		}
		require.Equal(t, want, r.counted())
		require.NoError(t, r.log.Close())
	}
	r.open()
	r.fill(3)
	require.NoError(t, r.log.Close())
	want = recount(t, r.dir)
	r.open()
	r.drain()
	require.Equal(t, want, r.counted())
}

// On a cluster an insert may reach the shard of one tenant and not that of another.
func TestCountsOfOneShardAreLost(t *testing.T) {
	r := newRig(t)
	r.fill(20)
	require.NoError(t, r.log.Close())
	want := recount(t, r.dir)
	r.open()
	r.live(&mortal{step: "insert ingest_log", after: true}, 50)
	require.NoError(t, r.client.Exec(t.Context(), "ALTER TABLE ingest_log DELETE WHERE tenant = 'b' SETTINGS mutations_sync = 1", nil))
	r.drain()
	require.Equal(t, want, r.counted())
}

// Two collectors have a log each, and a log may have partitions; versions of one
// say nothing of those of another.
func TestLogsAndPartitionsAreCountedApart(t *testing.T) {
	r := newRig(t)
	r.fill(5)
	records, err := r.log.Fetch(t.Context(), 1000)
	require.NoError(t, err)
	other := slices.Clone(records)
	for i := range other {
		other[i].Partition = 1
	}
	r.drainLog("one", records)
	r.drainLog("two", slices.Concat(records, other))
	r.drainLog("one", records)
	r.drainLog("two", other[7:]) // A partition that another sink takes over comes again alone.
	r.drainLog("two", slices.Concat(records[3:], other))
	sums := map[string]uint64{}
	for key, n := range r.counted() {
		sums[key[strings.LastIndexByte(key, ' ')+1:]] += n
	}
	assert.Equal(t, map[string]uint64{"accepted": 60, "stored": 60, "duplicates": 3 * (2 + 5), "rejected": 3}, sums)
	assert.Equal(t, []string{"one 0", "two 0", "two 1"}, r.lines("SELECT DISTINCT concat(log, ' ', toString(partition)) AS line FROM ingest_log ORDER BY line"))
	assert.Equal(t, []string{"3"}, r.lines("SELECT toString(count()) AS line FROM dead_letters FINAL"), "none takes the place of another")
}
