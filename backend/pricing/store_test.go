package pricing

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/rollup"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func lines(t *testing.T, client *clickhouse.Client, sql string) (out []string) {
	t.Helper()
	var col proto.ColStr
	require.NoError(t, client.Do(t.Context(), clickhouse.Query{
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

func parse(t *testing.T, text string) *Book {
	t.Helper()
	b, err := Parse([]byte(text))
	require.NoError(t, err)
	return b
}

func TestRevisions(t *testing.T) {
	client := schematest.Client(t)
	s := NewStore(client, slog.New(slog.DiscardHandler))
	ctx := t.Context()
	_, err := s.Current(ctx, "acme")
	require.ErrorIs(t, err, ErrNone)

	first, err := s.Put(ctx, "acme", "ann", parse(t, "rules: [{name: a, perEvent: '1'}]"), 0)
	require.NoError(t, err)
	_, err = s.Put(ctx, "acme", "bob", parse(t, "rules: []"), 0)
	require.ErrorIs(t, err, ErrChanged, "bob has not seen ann's")
	second, err := s.Put(ctx, "acme", "bob", parse(t, "rules: [{name: a, perEvent: '2'}]"), first.Revision)
	require.NoError(t, err)
	require.Greater(t, second.Revision, first.Revision)

	history, err := s.History(ctx, "acme")
	require.NoError(t, err)
	require.Len(t, history, 2)
	require.Equal(t, "bob", history[0].Author)
	require.Equal(t, "1", history[1].Book.Rules[0].PerEvent)

	// Another process, and another tenant without a book.
	other := NewStore(client, slog.New(slog.DiscardHandler))
	require.NoError(t, other.Refresh(ctx))
	e := event.Event{Tenant: "acme", Pricing: event.PricingUnpriced}
	other.Price(&e)
	require.Equal(t, "2", e.Dollars.String())
	e = event.Event{Tenant: "zeta", Pricing: event.PricingUnpriced}
	other.Price(&e)
	require.Equal(t, event.PricingUnpriced, e.Pricing)
	e = event.Event{Tenant: "acme", Pricing: event.PricingSent}
	other.Price(&e)
	require.True(t, e.Dollars.IsZero(), "an amount of 0 that was sent stands")
}

// Every column of the table is read and written again, so that a new one cannot
// be forgotten here.
func TestRowsHaveEveryColumn(t *testing.T) {
	client := schematest.Client(t)
	want := lines(t, client, `SELECT name AS line FROM system.columns
WHERE database = currentDatabase() AND table = 'costs' AND default_kind = '' ORDER BY name`)
	var got []string
	for _, c := range newRows().input() {
		got = append(got, c.Name)
	}
	got = append(got, "deleted") // 0: rows that are deleted are not priced
	slices.Sort(got)
	require.Equal(t, want, got)
}

func TestApply(t *testing.T) {
	client := schematest.Client(t)
	ctx := t.Context()
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r := newRows()
	add := func(id string, at time.Time, credits, dollars string, from event.Pricing, version uint64) {
		r.add(&event.Event{Tenant: "acme", ID: id, Time: at.UnixMilli(), ActionType: "llm", Credits: decimal(t, credits), Dollars: decimal(t, dollars), Pricing: from, Metadata: `{"a":1}`, Source: "n8n"}, version, time.Time{})
	}
	add("sent", day, "1", "9", event.PricingSent, 10)
	add("zero", day, "1", "0", event.PricingSent, 10)
	add("unpriced", day.Add(time.Minute), "2", "0", event.PricingUnpriced, 10)
	add("derived", day.Add(25*time.Hour), "3", "7", event.PricingDerived, 10)
	add("later", day.Add(48*time.Hour), "4", "0", event.PricingUnpriced, 10)
	require.NoError(t, client.Insert(ctx, "costs", r.input()))
	require.NoError(t, client.Insert(ctx, "bucket_marks", r.marks()))
	roller, err := rollup.New(rollup.Config{Client: client})
	require.NoError(t, err)
	_, err = roller.Settle(ctx)
	require.NoError(t, err)

	s := NewStore(client, slog.New(slog.DiscardHandler))
	period := Period{Tenant: "acme", From: day, To: day.Add(48 * time.Hour)}
	ignore := func(time.Time, Report) {}
	_, err = s.Apply(ctx, period, false, ignore)
	require.ErrorIs(t, err, ErrNone)
	_, err = s.Put(ctx, "acme", "ann", parse(t, "rules: [{name: a, perCredit: '0.1'}]"), 0)
	require.NoError(t, err)

	want := Report{Examined: 2, Changed: 2, Before: decimal(t, "7"), After: decimal(t, "0.5")}
	got, err := s.Apply(ctx, period, true, ignore)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, []string{"16"}, lines(t, client, "SELECT toString(sum(dollars)) AS line FROM costs FINAL"), "a dry run writes nothing")

	got, err = s.Apply(ctx, period, false, ignore)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, []string{"derived 0.3 derived", "later 0 unpriced", "sent 9 sent", "unpriced 0.2 derived", "zero 0 sent"},
		lines(t, client, "SELECT concat(id, ' ', toString(dollars), ' ', pricing) AS line FROM costs FINAL ORDER BY id"))

	require.Equal(t, []string{"derived", "unpriced"},
		lines(t, client, "SELECT id AS line FROM costs FINAL WHERE priced_at > now() - INTERVAL 1 HOUR ORDER BY id"), "when they got their price")

	// A correction by the source that comes afterwards stands.
	r = newRows()
	add("unpriced", day.Add(time.Minute), "2", "5", event.PricingSent, 20)
	require.NoError(t, client.Insert(ctx, "costs", r.input()))
	require.NoError(t, client.Insert(ctx, "bucket_marks", r.marks()))
	got, err = s.Apply(ctx, period, false, ignore)
	require.NoError(t, err)
	require.Equal(t, Report{Examined: 1, Before: decimal(t, "0.3"), After: decimal(t, "0.3")}, got, "again, it changes nothing")

	_, err = roller.Settle(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"14.3 0.3 1"}, lines(t, client, `SELECT concat(toString(sum(dollars)), ' ', toString(sum(dollars_derived)), ' ', toString(sum(records_unpriced))) AS line
FROM rollup_costs WHERE level = 'day' AND (tenant, level, bucket, version) IN (SELECT tenant, level, bucket, max(version) FROM bucket_versions WHERE kind = 'cost' GROUP BY tenant, level, bucket)`))
}
