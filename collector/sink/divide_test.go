package sink_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/sink"
)

// poison forbids executions of one workflow, as a constraint of an operator's does.
func (r *rig) poison() {
	require.NoError(r.t, r.client.Exec(r.t.Context(), "ALTER TABLE executions ADD CONSTRAINT no_poison CHECK workflow_id != 'poison'", nil))
}

func (r *rig) acceptExecutions(n int, poisoned func(i int) bool) {
	var events []event.Event
	for i := range n {
		e := samples(r.t)[0]
		e.ID, e.WorkflowID = fmt.Sprint("e", i), "fine"
		if poisoned(i) {
			e.WorkflowID = "poison"
		}
		events = append(events, e)
	}
	r.accept(events...)
}

// An event that ClickHouse will never take holds up no other, and nothing of it is lost.
func TestARefusedEventHoldsUpNoOther(t *testing.T) {
	r := newRig(t)
	r.poison()
	poisoned := func(i int) bool { return i == 0 || i == 117 || i == 118 }
	r.acceptExecutions(300, poisoned)
	for range 2 { // the second time as after a crash before the commit
		records, err := r.log.Fetch(t.Context(), 1000)
		require.NoError(t, err)
		r.drainUncommitted(records)
		require.Equal(t, []string{"297"}, r.lines("SELECT toString(count()) AS line FROM executions FINAL"))
		require.Equal(t, []string{"3 store_failed"}, r.lines("SELECT concat(toString(count()), ' ', any(code)) AS line FROM dead_letters FINAL"))
		require.NoError(t, r.log.Close())
		r.open()
	}
	assert.Equal(t, []string{"297 3"}, r.lines("SELECT concat(toString(sum(stored)), ' ', toString(sum(rejected))) AS line FROM ingest_log"))
	want := samples(t)[0]
	want.ID, want.WorkflowID = "e117", "poison"
	for _, payload := range r.lines("SELECT payload AS line FROM dead_letters FINAL WHERE payload LIKE '%e117%'") {
		fault := event.Decode([]byte(payload), event.FormatJSON, event.Options{Tenant: "t"}, func(_ int, _ []byte, e *event.Event, fault *event.Error) bool {
			require.Nil(t, fault)
			assert.Equal(t, want, *e)
			return true
		})
		require.Nil(t, fault)
	}
	r.drain()
}

// When every row is refused the tables are at fault: it waits for whoever mends them.
func TestABrokenTableIsNoReasonToRefuse(t *testing.T) {
	r := newRig(t)
	r.poison()
	r.acceptExecutions(150, func(int) bool { return true })
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.drain()
	}()
	letters := func() string {
		return r.lines("SELECT toString(count()) AS line FROM dead_letters FINAL")[0]
	}
	require.Eventually(t, func() bool { return letters() == "100" }, 5*time.Minute, 50*time.Millisecond)
	require.NoError(t, r.client.Exec(t.Context(), "ALTER TABLE executions DROP CONSTRAINT no_poison", nil))
	<-done
	assert.Equal(t, []string{"50"}, r.lines("SELECT toString(count()) AS line FROM executions FINAL"))
	assert.Equal(t, "100", letters())
}

// small is a database that has no memory for more than so many rows.
type small struct {
	*clickhouse.Client
	rows    int
	largest int
}

func rowsOf(blocks []proto.Input) (n int) {
	for _, block := range blocks {
		n += block[0].Data.Rows()
	}
	return n
}

func (s *small) Insert(ctx context.Context, table string, blocks ...proto.Input) error {
	if n := rowsOf(blocks); n > s.rows {
		return &clickhouse.Error{Class: clickhouse.ClassLimit, Err: errors.New("no memory")}
	} else if table == "executions" {
		s.largest = max(s.largest, n)
	}
	return s.Client.Insert(ctx, table, blocks...)
}

func TestABatchThatIsTooMuchIsHalved(t *testing.T) {
	r := newRig(t)
	r.acceptExecutions(1000, func(int) bool { return false })
	db := &small{Client: r.client, rows: 70}
	s, err := sink.New(sink.Config{Consumer: r.log, Client: db, Gather: nothing{}, Linger: 10 * time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(t, func() bool { return r.log.Stats().Pending == 0 }, time.Minute, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
	assert.Equal(t, []string{"1000 1000"}, r.lines("SELECT concat(toString(count()), ' ', toString(uniqExact(id))) AS line FROM executions FINAL"))
	assert.Equal(t, []string{"1000"}, r.lines("SELECT toString(sum(stored)) AS line FROM ingest_log"))
	assert.Greater(t, db.largest, 30, "it is not halved more often than needed")
}
