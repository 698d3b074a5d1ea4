package promql

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

var testParser = parser.NewParser(parser.Options{})

func value64(bits uint64) float64 { return math.Float64frombits(bits) }

func parsed(t testing.TB, text string) parser.Expr {
	t.Helper()
	e, err := testParser.ParseExpr(text)
	require.NoError(t, err, text)
	return e
}

func newTestAPI(t testing.TB, store Store, who access.Principal) *API {
	t.Helper()
	a, err := New(Config{Store: store, Authenticator: fixed{who}, Now: func() time.Time { return testNow }})
	require.NoError(t, err)
	return a
}

// span of evaluation: an instant is one without a step.
type evaluation struct {
	start, end time.Time
	step       time.Duration
}

func evaluate(t testing.TB, e *promql.Engine, q storage.Queryable, text string, at evaluation) *promql.Result {
	t.Helper()
	ctx := context.Background()
	opts := promql.NewPrometheusQueryOpts(false, lookback, nil)
	var (
		p   promql.Query
		err error
	)
	if at.step == 0 {
		p, err = e.NewInstantQuery(ctx, q, opts, text, at.start)
	} else {
		p, err = e.NewRangeQuery(ctx, q, opts, text, at.start, at.end, at.step)
	}
	require.NoError(t, err, text)
	res := p.Exec(ctx)
	t.Cleanup(p.Close)
	return res
}

// evaluations begin before the first sample, end after the last, meet minutes and
// miss them.
func evaluations() []evaluation {
	at := func(d time.Duration) time.Time { return dayStart.Add(d) }
	return []evaluation{
		{start: at(4 * time.Hour)},
		{start: at(3*time.Hour + 7*time.Minute + 13*time.Second)},
		{start: testNow},
		{start: testNow.Add(4 * time.Minute)},
		{start: testNow.Add(time.Hour)},
		{start: at(-10 * time.Minute), end: at(90 * time.Minute), step: 3 * time.Minute},
		{start: at(2*time.Hour + 11*time.Second), end: at(3*time.Hour + 20*time.Minute), step: 97 * time.Second},
		{start: at(3 * time.Hour), end: testNow.Add(10 * time.Minute), step: 15 * time.Minute},
		{start: at(4*time.Hour + 50*time.Minute), end: testNow.Add(7 * time.Minute), step: 20 * time.Second},
	}
}

func TestAnswersEqualPrometheus(t *testing.T) {
	events := sampleEvents(400, 1)
	store := remembered{newStore(t, events), map[string]*query.Totals{}}
	db := newReference(t, events, false)
	a := newTestAPI(t, store, admin)
	shapes := shapes()
	require.GreaterOrEqual(t, len(shapes), 500)
	all := evaluations()
	empty := 0
	for i, text := range shapes {
		expr, err := testParser.ParseExpr(text)
		require.NoError(t, err, text)
		some := false
		for _, at := range []evaluation{all[i%5], all[5+i%4]} {
			want := evaluate(t, a.engine, db, text, at)
			got := evaluate(t, a.engine, a.queryable(admin, expr, lookback), text, at)
			equal(t, fmt.Sprintf("%s at %v to %v step %s", text, at.start, at.end, at.step), want, got)
			some = some || want.Err == nil && !isEmpty(want.Value)
		}
		if !some {
			empty++
			t.Logf("no result at all: %s", text)
		}
	}
	t.Logf("%d shapes, %d of them without any result", len(shapes), empty)
	require.Less(t, empty, len(shapes)/10)
}

func isEmpty(v parser.Value) bool {
	switch v := v.(type) {
	case promql.Matrix:
		return len(v) == 0
	case promql.Vector:
		return len(v) == 0
	}
	return false
}

// equal compares results: 1e-5 relative, order of a sorted vector included where the
// query sorts it, which the shapes do by values without ties.
func equal(t testing.TB, what string, want, got *promql.Result) {
	t.Helper()
	if want.Err != nil {
		// Which of several series are named in it goes by chance.
		require.Error(t, got.Err, what)
		kind := func(err error) string { return regexp.MustCompile(`\[.*\]`).ReplaceAllString(err.Error(), "[]") }
		require.Equal(t, kind(want.Err), kind(got.Err), what)
		return
	}
	require.NoError(t, got.Err, what)
	require.Equal(t, want.Value.Type(), got.Value.Type(), what)
	samePoints(t, points(want.Value), points(got.Value), what)
	wantWarn, wantInfo := want.Warnings.AsStrings("", 0, 0)
	gotWarn, gotInfo := got.Warnings.AsStrings("", 0, 0)
	require.ElementsMatch(t, wantWarn, gotWarn, what)
	require.ElementsMatch(t, wantInfo, gotInfo, what)
	given := index(got.Value)
	forEach(want.Value, func(series string, at int64, f float64, h *histogram.FloatHistogram) {
		gf, gh := given[series][at].f, given[series][at].h
		if h != nil {
			require.NotNil(t, gh, what)
			h, gh := h.Copy().Compact(0), gh.Copy().Compact(0)
			near(t, h.Count, gh.Count, what)
			near(t, h.Sum, gh.Sum, what)
			near(t, h.ZeroCount, gh.ZeroCount, what)
			require.ElementsMatch(t, h.PositiveSpans, gh.PositiveSpans, what)
			for i := range h.PositiveBuckets {
				near(t, h.PositiveBuckets[i], gh.PositiveBuckets[i], what)
			}
			return
		}
		near(t, f, gf, what+" "+series)
	})
}

func near(t testing.TB, want, got float64, what string) {
	t.Helper()
	if math.IsNaN(want) || math.IsInf(want, 0) {
		require.Equal(t, fmt.Sprint(want), fmt.Sprint(got), what)
		return
	}
	require.InDelta(t, want, got, 1e-5*math.Abs(want)+1e-9, what)
}

// samePoints says what differs and no more: whole answers are long.
func samePoints(t testing.TB, want, got map[string][]int64, what string) {
	t.Helper()
	for series, at := range want {
		require.Equal(t, at, got[series], "%s: %s", what, series)
	}
	for series := range got {
		require.NotNil(t, want[series], "%s: %s is not there", what, series)
	}
}

// points lists the series with the times of their points.
func points(v parser.Value) map[string][]int64 {
	out := map[string][]int64{}
	forEach(v, func(series string, at int64, _ float64, _ *histogram.FloatHistogram) {
		out[series] = append(out[series], at)
	})
	return out
}

func forEach(v parser.Value, each func(series string, at int64, f float64, h *histogram.FloatHistogram)) {
	switch v := v.(type) {
	case promql.Matrix:
		for _, s := range v {
			for _, p := range s.Floats {
				each(s.Metric.String(), p.T, p.F, nil)
			}
			for _, p := range s.Histograms {
				each(s.Metric.String(), p.T, 0, p.H)
			}
		}
	case promql.Vector:
		for _, s := range v {
			each(s.Metric.String(), s.T, s.F, s.H)
		}
	case promql.Scalar:
		each("", v.T, v.V, nil)
	}
}

type point struct {
	f float64
	h *histogram.FloatHistogram
}

func index(v parser.Value) map[string]map[int64]point {
	out := map[string]map[int64]point{}
	forEach(v, func(series string, at int64, f float64, h *histogram.FloatHistogram) {
		if out[series] == nil {
			out[series] = map[int64]point{}
		}
		out[series][at] = point{f, h}
	})
	return out
}
