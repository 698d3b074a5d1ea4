package sink_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
	"github.com/flowgauge/flowgauge/collector/sink"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

var base = time.Date(2024, 2, 29, 23, 59, 59, 999e6, time.UTC).UnixMilli()

func dec(t *testing.T, text string) event.Decimal {
	t.Helper()
	d, err := event.ParseDecimal([]byte(text))
	require.NoError(t, err)
	return d
}

// one of each kind, with every field set.
func samples(t *testing.T) []event.Event {
	return []event.Event{
		{
			Kind: event.KindExecution, Status: event.StatusFailed, Tenant: "t", Source: "n8n", ID: "e1", Time: base,
			PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: base - 5, Duration: 1 << 40,
			WorkflowID: "w", WorkflowVersion: 3, UserID: "u", Attempt: 2, TriggerID: "tr", TriggerType: "webhook",
			StepCount: 4, ErrorType: "timeout", ErrorMessage: "after 30 s", Metadata: `{"a":1}`,
		},
		{
			Kind: event.KindStep, Status: event.StatusSkipped, Tenant: "t", Source: "n8n", ID: "s1", Time: base,
			PreviousTime: event.NoTime, EndTime: base + 7, QueuedTime: event.NoTime, Duration: 7, ExecutionID: "e1",
			StepID: "fetch", StepType: "http", InputSize: 1 << 40, OutputSize: 2, DependsOn: []string{"s0", "s'9"}, Credits: dec(t, "0.000000000000001"),
		},
		{
			Kind: event.KindCost, Tenant: "t", ID: "c1", Time: base, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
			WorkflowID: "w", UserID: "u", ExecutionID: "e1", ActionType: "llm", Credits: dec(t, "-12345678901234567890123.123456789012345"), Dollars: dec(t, "8e-7"),
		},
		{
			Kind: event.KindActivity, Tenant: "t", ID: "a1", Time: base, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
			UserID: "u", SessionID: "se", Action: "login", Resource: "app", ResourceID: "1", Duration: 9, Metadata: "{}",
		},
	}
}

// rig is a log, a sink and a database.
type rig struct {
	t      *testing.T
	dir    string
	log    *wal.Log
	client *clickhouse.Client
	clock  time.Time // of the log
	enrich sink.Enrich
	price  func(*event.Event)
}

func newRig(t *testing.T) *rig { return rigOf(t, schematest.Client(t)) }

func rigOf(t *testing.T, client *clickhouse.Client) *rig {
	r := &rig{t: t, dir: t.TempDir(), client: client, clock: time.Date(2026, 3, 1, 23, 57, 0, 0, time.UTC)}
	r.open()
	return r
}

func (r *rig) open() {
	log, err := wal.New(wal.Options{Dir: r.dir, Now: func() time.Time { return r.clock }})
	require.NoError(r.t, err)
	r.log = log
	r.t.Cleanup(func() { _ = log.Close() })
}

func (r *rig) accept(events ...event.Event) {
	var records [][]byte
	for i := range events {
		records = append(records, event.AppendBinary(nil, &events[i]))
	}
	require.NoError(r.t, r.log.Append(r.t.Context(), records))
}

// drain runs a sink until the log is empty.
func (r *rig) drain() {
	s, err := sink.New(sink.Config{Consumer: r.log, Client: r.client, Enrich: r.enrich, Price: r.price, Linger: 10 * time.Millisecond})
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(r.t, func() bool { return r.log.Stats().Pending == 0 }, time.Minute, 5*time.Millisecond)
	cancel()
	require.NoError(r.t, <-ended)
}

func (r *rig) lines(sql string) []string {
	r.t.Helper()
	var col proto.ColStr
	var out []string
	require.NoError(r.t, r.client.Do(r.t.Context(), clickhouse.Query{
		SQL: sql, Result: proto.Results{{Name: "line", Data: &col}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range col.Rows() {
				out = append(out, col.Row(i))
			}
			return nil
		},
	}))
	return out
}

func TestEveryFieldIsStored(t *testing.T) {
	r := newRig(t)
	r.accept(samples(t)...)
	r.drain()
	for table, want := range map[string]string{
		"executions": fmt.Sprintf("('t','2024-02-29 23:59:59.999','e1','terminal','w',3,'u','tr','webhook','failed',1099511627776,%d,4,'timeout','after 30 s',%d,'2024-02-29 23:59:59.994',2,'{\"a\":1}','n8n',0)",
			event.DurationBucket(1<<40), event.Fingerprint("after 30 s")),
		"steps":    "('t','2024-02-29 23:59:59.999','s1','e1','fetch','http','skipped','2024-03-01 00:00:00.006','1970-01-01 00:00:00.000',7," + strconv.Itoa(int(event.DurationBucket(7))) + ",1099511627776,2,0.000000000000001,'',0,'',['s0','s\\'9'],0,'n8n',0)",
		"costs":    "('t','2024-02-29 23:59:59.999','c1','w','u','e1','llm',-12345678901234567890123.123456789012345,0.0000008,'sent',0,'1970-01-01 00:00:00.000','','',0)",
		"activity": "('t','2024-02-29 23:59:59.999','a1','u','se','login','app','1',9,'{}','',0)",
	} {
		assert.Equal(t, []string{want}, r.lines("SELECT toString(tuple(* EXCEPT (version, stored_at))) AS line FROM "+table), table)
	}
	assert.Equal(t, []string{"activity 2024-02-29 23:59:00", "cost 2024-02-29 23:59:00", "execution 2024-02-29 23:59:00", "step 2024-02-29 23:59:00"},
		r.lines("SELECT DISTINCT concat(toString(kind), ' ', toString(minute)) AS line FROM bucket_marks ORDER BY line"))
	assert.Equal(t, []string{"4 0"}, r.lines("SELECT concat(toString(sum(stored)), ' ', toString(countIf(code != ''))) AS line FROM ingest_log"))
}

func TestTheOneAcceptedLastStands(t *testing.T) {
	r := newRig(t)
	first := samples(t)[2]
	second := first
	second.Dollars = dec(t, "2")
	r.accept(first, second, first, second)
	r.drain()
	assert.Equal(t, []string{"2"}, r.lines("SELECT toString(dollars) AS line FROM costs FINAL"))
	r.accept(first)
	r.drain()
	assert.Equal(t, []string{"0.0000008"}, r.lines("SELECT toString(dollars) AS line FROM costs FINAL"))
}

// A correction that moves an event's time takes it away where it was, and both
// minutes are recomputed.
func TestACorrectionMovesAnEvent(t *testing.T) {
	r := newRig(t)
	e := samples(t)[0]
	r.accept(e)
	r.drain()
	e.PreviousTime, e.Time = e.Time, e.Time-365*86400_000
	r.accept(e)
	r.drain()
	assert.Equal(t, []string{"2023-03-01 23:59:59.999"}, r.lines("SELECT toString(time) AS line FROM executions FINAL"))
	assert.Equal(t, []string{"2023-03-01 23:59:00", "2024-02-29 23:59:00"}, r.lines("SELECT DISTINCT toString(minute) AS line FROM bucket_marks ORDER BY line"))
}

// A batch that was stored but not committed comes again after a crash.
func TestStoringABatchAgainChangesNothing(t *testing.T) {
	r := newRig(t)
	var events []event.Event
	for i := range 500 {
		for _, e := range samples(t) {
			e.ID = fmt.Sprint(e.ID, i)
			e.Time += int64(i) * 86400_000 // hundreds of days in one batch
			events = append(events, e)
		}
	}
	r.accept(events...)

	records, err := r.log.Fetch(t.Context(), 10_000) // a reader that dies before its commit
	require.NoError(t, err)
	require.NotEmpty(t, records)
	r.drainUncommitted(records)
	require.NoError(t, r.log.Close())

	r.open()
	r.drain()
	for _, table := range []string{"executions", "steps", "costs", "activity"} {
		assert.Equal(t, []string{"500"}, r.lines("SELECT toString(count()) AS line FROM "+table+" FINAL"), table)
	}
	assert.Equal(t, []string{"2000"}, r.lines("SELECT toString(sum(stored)) AS line FROM ingest_log"))
}

// drainUncommitted stores records as a sink does whose commit never arrives.
func (r *rig) drainUncommitted(records []queueRecord) { r.drainLog("", records) }

func (r *rig) drainLog(name string, records []queueRecord) {
	r.t.Helper()
	consumer := &onlyOnce{records: records, committed: make(chan struct{})}
	s, err := sink.New(sink.Config{Consumer: consumer, Client: r.client, Log: name, Enrich: r.enrich, Price: r.price, Linger: 10 * time.Millisecond})
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-consumer.committed
	cancel()
	require.NoError(r.t, <-ended)
}

func TestClickHouseMayBeAway(t *testing.T) {
	r := newRig(t)
	r.accept(samples(t)...)
	away, err := clickhouse.New(clickhouse.Config{Addr: "127.0.0.1:1", Database: "nowhere"})
	require.NoError(t, err)
	s, err := sink.New(sink.Config{Consumer: r.log, Client: away, Linger: time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(t, func() bool { return s.Err() != nil }, time.Minute, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-ended, "that is no reason to stop")
	require.NoError(t, r.log.Close())

	r.open()
	require.EqualValues(t, 4, r.log.Stats().Pending, "nothing was forgotten")
	r.drain()
	assert.Equal(t, []string{"1"}, r.lines("SELECT toString(count()) AS line FROM executions"))
}
