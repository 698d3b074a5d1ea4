// Package querytest gives tests of what reads a database with events in it. Each
// Store is a database of its own with the full schema; Insert does to it what
// the sink does (mark, insert, mark), Settle what the roller does.
package querytest

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/history"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/engine"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/rollup"
)

// Store is a database for one test.
type Store struct {
	Client *clickhouse.Client

	endpoint engine.Endpoint
	database string
	version  uint64
	roller   *rollup.Roller
}

// New creates a database. The package's TestMain must be enginetest.Main.
func New(t testing.TB) *Store {
	t.Helper()
	endpoint := enginetest.Start(t)
	s := &Store{endpoint: endpoint, database: enginetest.Database(t), version: 1_000_000_000}
	client, err := clickhouse.New(clickhouse.Config{
		Addr: endpoint.TCPAddr(), Database: s.database, User: endpoint.Writer.Name, Password: endpoint.Writer.Password,
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	require.NoError(t, schema.Migrate(t.Context(), client))
	s.Client = client
	s.roller, err = rollup.New(rollup.Config{Client: client})
	require.NoError(t, err)
	return s
}

// Settle rolls up everything that is marked.
func (s *Store) Settle(t testing.TB) {
	t.Helper()
	for range 3 { // Executions mark the steps that inherit from them.
		n, err := s.roller.Settle(t.Context())
		require.NoError(t, err)
		if n == 0 {
			return
		}
	}
}

// Insert stores events, in the order in which they were received, and marks
// their minutes.
func (s *Store) Insert(t testing.TB, events ...event.Event) { s.next(t, 0, events) }

// Delete takes events away, as an erasure or a correction of their time does.
func (s *Store) Delete(t testing.TB, events ...event.Event) { s.next(t, 1, events) }

func (s *Store) next(t testing.TB, deleted uint8, events []event.Event) {
	t.Helper()
	rows := make([]Row, len(events))
	for i := range events {
		s.version++
		rows[i] = Row{Event: events[i], Version: s.version, Deleted: deleted}
	}
	s.Write(t, rows...)
}

// Row is an event as a raw table has it.
type Row struct {
	event.Event
	Version  uint64 // microseconds of its receipt
	Deleted  uint8
	StoredAt time.Time // zero is now
	PricedAt time.Time // when a stored cost got its price
}

// Received is an event that was received at a moment and stored at once, with the row
// that deletes it at the time it had, if it moves.
func Received(e event.Event, at time.Time) []Row {
	rows := []Row{{Event: e, Version: uint64(at.UnixMicro()), StoredAt: at}}
	if e.PreviousTime != event.NoTime && e.PreviousTime != e.Time {
		gone := rows[0]
		gone.Time, gone.Version, gone.Deleted = e.PreviousTime, gone.Version|schema.VersionMoved, 1
		rows = append(rows, gone)
	}
	return rows
}

// Write stores rows and marks their minutes.
func (s *Store) Write(t testing.TB, rows ...Row) {
	t.Helper()
	lines := map[string]*strings.Builder{}
	for i := range rows {
		table, row := rawRow(&rows[i].Event)
		row["version"], row["deleted"] = rows[i].Version, rows[i].Deleted
		if !rows[i].StoredAt.IsZero() {
			row["stored_at"] = millis(rows[i].StoredAt.UnixMilli())
		}
		if !rows[i].PricedAt.IsZero() {
			row["priced_at"] = millis(rows[i].PricedAt.UnixMilli())
		}
		line, err := json.Marshal(row)
		require.NoError(t, err)
		if lines[table] == nil {
			lines[table] = &strings.Builder{}
		}
		text := lines[table]
		text.WriteString(string(line) + "\n")
	}
	s.mark(t, rows)
	for table, text := range lines {
		s.Exec(t, "INSERT INTO "+s.database+"."+table+" SETTINGS input_format_skip_unknown_fields=0 FORMAT JSONEachRow\n"+text.String())
	}
	s.mark(t, rows)
}

func (s *Store) mark(t testing.TB, rows []Row) {
	t.Helper()
	var b strings.Builder
	for i := range rows {
		e := &rows[i]
		line, err := json.Marshal(map[string]any{"tenant": e.Tenant, "kind": e.Kind.String(), "minute": e.Time / 60_000 * 60})
		require.NoError(t, err)
		b.WriteString(string(line) + "\n")
	}
	s.Exec(t, "INSERT INTO "+s.database+".bucket_marks FORMAT JSONEachRow\n"+b.String())
}

// History switches the history on for so many days, as of what now says, and returns
// its keeper.
func (s *Store) History(t testing.TB, days int, now func() time.Time) *history.Keeper {
	t.Helper()
	k, err := history.New(history.Config{Client: s.Client, Days: days, Holder: "test", Now: now, Grace: -1})
	require.NoError(t, err)
	for range 2 {
		_, err := k.Advance(t.Context())
		require.NoError(t, err)
	}
	return k
}

// Exec runs a statement; tables need the database's name, see Table.
func (s *Store) Exec(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, s.endpoint.Exec(ctx, statement))
}

// Table returns a table's full name.
func (s *Store) Table(name string) string { return s.database + "." + name }

// ReadOnly returns a client that may do no more than Grafana's plugin.
func (s *Store) ReadOnly(t testing.TB) *clickhouse.Client {
	t.Helper()
	client, err := clickhouse.New(clickhouse.Config{
		Addr: s.endpoint.TCPAddr(), Database: s.database, User: s.endpoint.Reader.Name, Password: s.endpoint.Reader.Password,
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func millis(ms int64) string {
	if ms == event.NoTime {
		ms = 0
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000")
}

// rawRow returns the table of an event and its row.
func rawRow(e *event.Event) (string, map[string]any) {
	row := map[string]any{"tenant": e.Tenant, "time": millis(e.Time), "id": e.ID, "user_id": e.UserID, "source": e.Source}
	if e.Metadata != "" && e.Kind != event.KindStep {
		row["metadata"] = e.Metadata
	}
	switch e.Kind {
	case event.KindExecution:
		phase := "terminal"
		if e.Phase() == event.PhaseStarted {
			phase = "started"
		}
		add(row, map[string]any{
			"phase": phase, "workflow_id": e.WorkflowID, "workflow_version": e.WorkflowVersion,
			"trigger_id": e.TriggerID, "trigger_type": e.TriggerType, "status": e.Status.String(),
			"duration_ms": e.Duration, "duration_bucket": event.DurationBucket(e.Duration), "step_count": e.StepCount,
			"error_type": e.ErrorType, "error_message": e.ErrorMessage, "error_fingerprint": event.Fingerprint(e.ErrorMessage),
			"queued_time": millis(e.QueuedTime), "attempt": e.Attempt,
		})
		return "executions", row
	case event.KindStep:
		add(row, map[string]any{
			"execution_id": e.ExecutionID, "step_id": e.StepID, "step_type": e.StepType, "status": e.Status.String(),
			"end_time": millis(e.EndTime), "duration_ms": e.Duration, "duration_bucket": event.DurationBucket(e.Duration),
			"input_bytes": e.InputSize, "output_bytes": e.OutputSize, "credits": e.Credits.String(),
			"workflow_id": e.WorkflowID, "workflow_version": e.WorkflowVersion,
			"queued_time": millis(e.QueuedTime), "attempt": e.Attempt, "depends_on": append([]string{}, e.DependsOn...),
		})
		return "steps", row
	case event.KindCost:
		add(row, map[string]any{
			"workflow_id": e.WorkflowID, "execution_id": e.ExecutionID, "action_type": e.ActionType,
			"credits": e.Credits.String(), "dollars": e.Dollars.String(), "pricing": uint8(e.Pricing), "price_revision": e.PriceRevision,
		})
		return "costs", row
	}
	add(row, map[string]any{
		"session_id": e.SessionID, "action": e.Action, "resource": e.Resource, "resource_id": e.ResourceID, "duration_ms": e.Duration,
	})
	return "activity", row
}

func add(row, more map[string]any) {
	for k, v := range more {
		row[k] = v
	}
}
