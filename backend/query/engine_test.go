package query

import (
	"fmt"
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

// Every metric of the catalogue answers, alone, at every granularity, with and
// without its dimensions, and compared.
func TestEveryMetricAnswers(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 5, 7, 30, 0, time.UTC)
	s.Insert(t, sampleEvents(from, 60*time.Hour, 400, 1)...)
	s.Settle(t)
	e := newEngine(t, s, from.Add(1000*time.Hour), Limits{})
	for n, m := range metric.All().Metrics {
		t.Run(m.Name, func(t *testing.T) {
			for i, g := range append([]string{""}, granularities...) {
				if m.Name == "pending_buckets" && g != "" {
					continue
				}
				if slices.Contains(m.Sources, metric.SourceRolling) && slices.Contains([]string{"minute", "15m", "hour"}, g) {
					continue // counted by whole days
				}
				groups := [][]string{nil}
				if i == 0 || i == 1+n%len(granularities) { // All dimensions at once are slow: at one granularity of each metric.
					groups = append(groups, m.Dimensions)
				}
				for _, dims := range groups {
					to := from.Add(60 * time.Hour)
					if g == "minute" {
						to = from.Add(24 * time.Hour)
					}
					r := Request{Metrics: []string{m.Name}, From: from, To: to, Granularity: Granularity(g), GroupBy: dims, TimeZone: "Europe/Berlin"}
					res, err := e.Do(t.Context(), admin, r)
					require.NoError(t, err, fmt.Sprint(g, dims))
					if m.Area != "Collector" {
						require.NotZero(t, res.Frame.Rows(), fmt.Sprint(g, dims))
					}
					if g != "" && g != "day" {
						continue
					}
					r.Limit, r.Compare = 3, PreviousDay
					_, err = e.Do(t.Context(), admin, r)
					require.NoError(t, err, fmt.Sprint("limit", g, dims))
				}
			}
		})
	}
}
