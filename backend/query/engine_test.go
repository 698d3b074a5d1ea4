package query

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

var admin = access.Principal{Tenant: "acme", Role: access.RoleAdmin}

func newEngine(t testing.TB, s *querytest.Store, now time.Time, limits Limits) *Engine {
	t.Helper()
	e, err := New(Config{Client: s.Client, Now: func() time.Time { return now }, Limits: limits, PendingTTL: -1})
	require.NoError(t, err)
	return e
}

// newSettled is newEngine for many questions about what does not change any more: which
// minutes wait is read once.
func newSettled(t testing.TB, s *querytest.Store, now time.Time, limits Limits) *Engine {
	t.Helper()
	e, err := New(Config{Client: s.Client, Now: func() time.Time { return now }, Limits: limits, PendingTTL: time.Hour})
	require.NoError(t, err)
	return e
}

// Every metric of the catalogue answers, alone and with all others of its dimensions,
// at every granularity, with and without its dimensions, and compared.
func TestEveryMetricAnswers(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 5, 7, 30, 0, time.UTC)
	s.Insert(t, sampleEvents(from, 60*time.Hour, 400, 1)...)
	s.Settle(t)
	e := newSettled(t, s, from.Add(1000*time.Hour), Limits{})
	ask := func(t *testing.T, metrics []metric.Metric, granularity string, compared bool, dims []string) {
		r := Request{From: from, To: from.Add(60 * time.Hour), Granularity: Granularity(granularity), GroupBy: dims, TimeZone: "Europe/Berlin"}
		if granularity == "minute" {
			r.To = from.Add(24 * time.Hour)
		}
		if compared {
			r.Limit, r.Compare = 3, PreviousDay
		}
		for _, m := range metrics {
			r.Metrics = append(r.Metrics, m.Name)
		}
		res, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err, "%+v", r)
		if metrics[0].Area != "Collector" {
			require.NotZero(t, res.Frame.Rows(), "%+v", r)
		}
	}
	// Rolling users are counted by whole days, and what waits is of now.
	allowed := func(m metric.Metric, granularity string) bool {
		return (m.Name != "pending_buckets" || granularity == "") &&
			(!slices.Contains(m.Sources, metric.SourceRolling) || !slices.Contains([]string{"minute", "15m", "hour"}, granularity))
	}
	all := append([]string{""}, granularities...)
	for n, m := range metric.All().Metrics {
		t.Run(m.Name, func(t *testing.T) {
			ask(t, []metric.Metric{m}, "", false, nil)
			ask(t, []metric.Metric{m}, "", true, m.Dimensions)
			if g := all[n%len(all)]; allowed(m, g) {
				if n%4 == 0 { // All dimensions at once are slow.
					ask(t, []metric.Metric{m}, g, false, m.Dimensions)
				}
				ask(t, []metric.Metric{m}, g, g == "day", nil)
			}
		})
	}
	for _, together := range ofOneKind() {
		t.Run("with "+together[0].Name, func(t *testing.T) {
			for _, g := range all {
				if allowed(together[0], g) {
					ask(t, together, g, g == "" || g == "day", nil)
				}
			}
		})
	}
}

// ofOneKind returns the metrics in groups that can be asked together, each about the
// same sources and dimensions.
func ofOneKind() [][]metric.Metric {
	var out [][]metric.Metric
	for _, m := range metric.All().Metrics {
		i := slices.IndexFunc(out, func(of []metric.Metric) bool {
			return slices.Equal(of[0].Sources, m.Sources) && slices.Equal(of[0].Dimensions, m.Dimensions)
		})
		if i < 0 {
			out = append(out, nil)
			i = len(out) - 1
		}
		out[i] = append(out[i], m)
	}
	return out
}
