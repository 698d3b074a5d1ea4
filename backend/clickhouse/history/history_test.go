package history_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/history"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
)

// base is a database with a clock.
type base struct {
	t      *testing.T
	client *clickhouse.Client
	now    time.Time
}

func newBase(t *testing.T) *base {
	return &base{t: t, client: schematest.Client(t), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func (b *base) keeper(days int) *history.Keeper {
	k, err := history.New(history.Config{Client: b.client, Days: days, Holder: "test", Now: func() time.Time { return b.now }})
	require.NoError(b.t, err)
	return k
}

// advance takes a step after a time.
func (b *base) advance(k *history.Keeper, after time.Duration) history.State {
	b.t.Helper()
	b.now = b.now.Add(after)
	s, err := k.Advance(b.t.Context())
	require.NoError(b.t, err)
	return s
}

// store puts a version of an activity where the sink would.
func (b *base) store(id string, version int, at time.Time) {
	b.t.Helper()
	require.NoError(b.t, b.client.Exec(b.t.Context(),
		"INSERT INTO activity (tenant, time, id, version, stored_at) SELECT 'acme', toDateTime64('2026-01-01 00:00:00', 3, 'UTC'), {id:String}, {version:UInt64}, fromUnixTimestamp64Milli({at:Int64}, 'UTC')",
		map[string]any{"id": id, "version": version, "at": at.UnixMilli()}))
}

// rows lists id=version of a table.
func (b *base) rows(table string) string {
	b.t.Helper()
	var row proto.ColStr
	var out []string
	require.NoError(b.t, b.client.Do(b.t.Context(), clickhouse.Query{
		SQL:    "SELECT DISTINCT concat(id, '=', toString(version)) AS row FROM " + table + " ORDER BY row",
		Result: proto.Results{{Name: "row", Data: &row}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range row.Rows() {
				out = append(out, row.Row(i))
			}
			return nil
		},
	}))
	return strings.Join(out, " ")
}

func (b *base) merge(table string) {
	b.t.Helper()
	require.NoError(b.t, b.client.Exec(b.t.Context(), "OPTIMIZE TABLE "+table+" FINAL", nil))
}

// Switched on in an empty database, the history knows all moments; in one with events
// it begins when they have been copied. Switched off, nothing is left.
func TestSwitchingOnAndOff(t *testing.T) {
	b := newBase(t)
	k := b.keeper(30)
	require.Equal(t, history.Starting, b.advance(k, 0).Phase)
	b.store("a", 1, b.now)
	require.Equal(t, history.Starting, b.advance(k, 10*time.Second).Phase, "an insert may still be under way that knows no view")
	s := b.advance(k, time.Minute)
	require.Equal(t, history.On, s.Phase)
	require.Zero(t, s.Since, "nothing was stored before")
	b.store("a", 2, b.now)
	b.merge("activity")
	require.Equal(t, "a=2", b.rows("activity"))
	require.Equal(t, "a=1 a=2", b.rows("activity_history"))

	require.NoError(t, b.keeper(0).Run(t.Context()), "who was not told of the history leaves it alone")
	require.Equal(t, "a=1 a=2", b.rows("activity_history"))
	off := b.keeper(history.Remove)
	require.Equal(t, history.Off, b.advance(off, time.Hour).Phase)
	b.store("b", 3, b.now)
	require.Empty(t, b.rows("activity_history"))
	require.Empty(t, b.rows("activity_baseline"))
	require.Equal(t, history.Off, b.advance(off, time.Hour).Phase, "and again nothing")
	require.NoError(t, off.Run(t.Context()), "it does not wait for anything")

	b.advance(k, time.Hour)
	b.store("b", 4, b.now)
	s = b.advance(k, 2*time.Minute)
	require.Equal(t, history.On, s.Phase)
	require.Equal(t, b.now, s.Earliest())
	b.merge("activity_baseline")
	require.Equal(t, "a=2 b=4", b.rows("activity_baseline"))
	require.Equal(t, "b=4", b.rows("activity_history"))
}

// A day goes into the baseline when no moment before its end can be asked for, and
// leaves the history when questions that began before are over.
func TestDaysLeaveTheWindow(t *testing.T) {
	b := newBase(t)
	k := b.keeper(3)
	b.advance(k, 0)
	b.advance(k, 2*time.Minute)
	first := b.now
	for day := range 9 {
		at := first.AddDate(0, 0, day)
		b.store("a", day, at)
		b.store(fmt.Sprintf("d%d", day), 100+day, at)
	}
	b.now = first.AddDate(0, 0, 8)
	s := b.advance(k, 0)
	require.Equal(t, time.Date(2026, 3, 6, 0, 0, 0, 0, time.UTC), s.Earliest(), "three days before today")
	require.Empty(t, b.rows("activity_baseline"))
	require.Equal(t, s, b.advance(k, time.Minute), "questions may be under way that know of no new beginning")
	s = b.advance(k, time.Hour)
	require.Equal(t, time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC).UnixMicro(), s.Moved, "a day lies between")
	b.merge("activity_baseline")
	require.Equal(t, "a=3 d0=100 d1=101 d2=102 d3=103", b.rows("activity_baseline"), "of each the last version")
	require.Contains(t, b.rows("activity_history"), "a=0", "a question may have read the baseline before")
	b.advance(k, time.Hour)
	require.Equal(t, "a=4 a=5 a=6 a=7 a=8 d4=104 d5=105 d6=106 d7=107 d8=108", b.rows("activity_history"))
	require.Equal(t, s, b.advance(k, time.Hour), "nothing else is due today")

	// Fewer days are kept from now on; more do not bring back what is gone.
	fewer := b.advance(b.keeper(1), time.Hour)
	require.Equal(t, time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC), fewer.Earliest())
	require.Equal(t, fewer.Since, b.advance(b.keeper(30), time.Hour).Since)
}

// A raw table that gets another column gets another view, and loses nothing meanwhile.
func TestViewsFollowTheColumns(t *testing.T) {
	b := newBase(t)
	k := b.keeper(30)
	b.advance(k, 0)
	b.advance(k, 2*time.Minute)
	for _, table := range []string{"activity", "activity_history", "activity_baseline"} {
		require.NoError(t, b.client.Exec(t.Context(), "ALTER TABLE "+table+" ADD COLUMN more String DEFAULT 'unknown'", nil))
	}
	b.advance(k, time.Hour)
	require.NoError(t, b.client.Exec(t.Context(), "INSERT INTO activity (tenant, id, version, more) VALUES ('acme', 'a', 1, 'x')", nil))
	require.Equal(t, "a=1", b.rows("activity_history"))
	var n proto.ColUInt64
	require.NoError(t, b.client.Do(t.Context(), clickhouse.Query{SQL: "SELECT count() AS n FROM activity_history WHERE more = 'x'", Result: proto.Results{{Name: "n", Data: &n}}}))
	require.Equal(t, uint64(1), n.Row(0), "the old view is gone, the new one knows the column")
}

// Every stored column of a raw table is in its two others: a migration that adds one
// has to add it there.
func TestTheHistoryHasAllColumns(t *testing.T) {
	b := newBase(t)
	columns := func(table string) []string {
		var name proto.ColStr
		var out []string
		require.NoError(t, b.client.Do(t.Context(), clickhouse.Query{
			SQL:    "SELECT concat(name, ' ', type) AS c FROM system.columns WHERE database = {database:String} AND table = {table:String} ORDER BY name",
			Params: map[string]any{"database": b.client.Database(), "table": table},
			Result: proto.Results{{Name: "c", Data: &name}},
			OnResult: func(context.Context, proto.Block) error {
				for i := range name.Rows() {
					out = append(out, name.Row(i))
				}
				return nil
			},
		}))
		return out
	}
	for _, table := range history.Tables {
		require.Equal(t, columns(table), columns(table+history.Versions), table)
		require.Equal(t, columns(table), columns(table+history.Baseline), table)
	}
}
