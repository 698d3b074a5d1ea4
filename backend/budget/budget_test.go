package budget

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
)

func decimal(text string) event.Decimal {
	d, err := event.ParseDecimal([]byte(text))
	if err != nil {
		panic(err)
	}
	return d
}

func percent(v float64) Threshold { return Threshold{Percent: &v} }

func monthly(id string) Budget {
	return Budget{ID: id, Name: id, Of: "dollars", Amount: decimal("100"), Period: Period{Unit: Month}}
}

func TestValidate(t *testing.T) {
	five := decimal("5")
	for field, change := range map[string]func(*Budget){
		"id":            func(b *Budget) { b.ID = "a/b" },
		"name":          func(b *Budget) { b.Name = " " },
		"owner":         func(b *Budget) { b.Owner = strings.Repeat("x", 201) },
		"of":            func(b *Budget) { b.Of = "euros" },
		"amount":        func(b *Budget) { b.Amount = event.Decimal{} },
		"thresholds":    func(b *Budget) { b.Thresholds = []Threshold{{}} },
		"thresholds ":   func(b *Budget) { v := 5.0; b.Thresholds = []Threshold{{Percent: &v, Amount: &five}} },
		"thresholds  ":  func(b *Budget) { b.Thresholds = []Threshold{percent(math.NaN())} },
		"thresholds   ": func(b *Budget) { b.Thresholds = make([]Threshold, MaxThresholds+1) },
		"notify":        func(b *Budget) { b.Notify = make([]string, MaxNotify+1) },
		"notify ":       func(b *Budget) { b.Notify = []string{"ops", "chat", "ops"} },
		"filters": func(b *Budget) {
			b.Filters = []query.Filter{{Dimension: "step", Operator: query.In, Values: []string{"x"}}}
		},
		"filters ": func(b *Budget) {
			b.Filters = []query.Filter{{Dimension: "user", Operator: "like", Values: []string{"x"}}}
		},
		"filters  ":       func(b *Budget) { b.Filters = []query.Filter{{Dimension: "user", Operator: query.In}} },
		"period.unit":     func(b *Budget) { b.Period.Unit = "decade" },
		"period.timeZone": func(b *Budget) { b.Period.TimeZone = "Local" },
		"period.start":    func(b *Budget) { b.Period.Start = "2026-02-30" },
	} {
		b := monthly("a")
		require.NoError(t, b.Validate())
		change(&b)
		var wrong *InvalidError
		require.ErrorAs(t, b.Validate(), &wrong, field)
		require.Equal(t, strings.TrimSpace(field), wrong.Field)
	}
}

func TestPeriods(t *testing.T) {
	for _, c := range []struct {
		period   Period
		at       string
		from, to string // empty: none
	}{
		{Period{Unit: Day}, "2026-03-29T12:00:00Z", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"},
		{Period{Unit: Day, TimeZone: "Europe/Berlin"}, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{Period{Unit: Week}, "2026-11-28T05:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"},
		{Period{Unit: Month}, "2024-02-29T23:59:59Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		{Period{Unit: Month, Start: "2024-01-31"}, "2024-03-01T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"},
		{Period{Unit: Month, Start: "2024-01-31"}, "2024-02-28T00:00:00Z", "2024-01-31T00:00:00Z", "2024-02-29T00:00:00Z"},
		{Period{Unit: Month, Start: "2024-01-31"}, "2024-01-30T23:00:00Z", "", ""},
		{Period{Unit: Quarter}, "2026-06-30T00:00:00Z", "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"},
		{Period{Unit: Quarter, Start: "2025-11-15"}, "2026-02-14T00:00:00Z", "2025-11-15T00:00:00Z", "2026-02-15T00:00:00Z"},
		{Period{Unit: Day, TimeZone: "America/Santiago"}, "2026-09-06T12:00:00Z", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"},
		{Period{Unit: Year, Start: "2024-02-29"}, "2025-02-28T00:00:00Z", "2025-02-28T00:00:00Z", "2026-02-28T00:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		require.NoError(t, err)
		from, to, ok := c.period.at(at)
		require.Equal(t, c.from != "", ok, c)
		if ok {
			require.Equal(t, []string{c.from, c.to}, []string{from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339)}, c)
		}
	}
}

// Periods follow each other without a gap, and a moment is in the one that is given.
func TestPeriodsPartitionTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Period{
			Unit:     rapid.SampledFrom([]Unit{Day, Week, Month, Quarter, Year}).Draw(t, "unit"),
			TimeZone: rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "America/Havana"}).Draw(t, "zone"),
			Start:    rapid.SampledFrom([]string{"", "2019-12-31", "2020-02-29", "2021-07-15"}).Draw(t, "start"),
		}
		at := time.UnixMilli(rapid.Int64Range(1_640_000_000_000, 1_900_000_000_000).Draw(t, "at"))
		from, to, ok := p.at(at)
		require.True(t, ok)
		require.False(t, at.Before(from))
		require.True(t, at.Before(to))
		next, _, _ := p.at(to)
		require.True(t, next.Equal(to))
		_, end, _ := p.at(from.Add(-time.Millisecond))
		if !end.IsZero() {
			require.True(t, end.Equal(from))
		}
		g, _, _ := p.Unit.buckets()
		edges := starts(g, from, to)
		require.True(t, edges[len(edges)-1].Equal(to), "buckets fill the period")
	})
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
