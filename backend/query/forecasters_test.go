package query

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query/querytest"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// lastWeek expects what was a week before, give or take one or two. It keeps what it is asked.
type lastWeek struct {
	mu    sync.Mutex
	asked []*contractv1.ForecastRequest
	least int // buckets that it wants to know
	err   error
}

func (f *lastWeek) Forecast(_ context.Context, req *contractv1.ForecastRequest) (*contractv1.ForecastResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, req)
	values := req.GetSeries().GetValues()
	if len(values) < f.least {
		return nil, refused("so little is known")
	}
	res := &contractv1.ForecastResponse{Method: "a week before"}
	for h := range req.GetTimes() {
		res.Values = append(res.Values, values[len(values)-7+h%7])
	}
	for i, level := range req.GetLevels() {
		interval := &contractv1.Interval{Level: level}
		for _, v := range res.GetValues() {
			reach := float64(i + 1)
			interval.Lower, interval.Upper = append(interval.Lower, max(0, v-reach)), append(interval.Upper, v+reach)
		}
		res.Intervals = append(res.Intervals, interval)
	}
	return res, f.err
}

func TestAnotherForecaster(t *testing.T) {
	from := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	const days = 100
	events, _ := costsByDay(from, days, time.UTC)
	s := querytest.New(t)
	s.Insert(t, events...)
	s.Settle(t)
	now := from.AddDate(0, 0, days)
	f := &lastWeek{}
	e := newEngine(t, s, now, Limits{})
	e.forecasters = Fixed(map[string]Forecaster{"acme-week": f})
	r := Request{Kind: KindForecast, From: from, To: now, Params: map[string]string{"horizon": "14", "forecaster": "acme-week"}}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	meta := res.Meta.Forecast
	require.Equal(t, []any{"acme-week", "a week before", days}, []any{meta.Forecaster, meta.Method, meta.History})
	value, forecast := floatsOf(res, "value"), floatsOf(res, "forecast")
	lower80, upper95 := floatsOf(res, "lower_80"), floatsOf(res, "upper_95")
	sum := 0.0
	for h := range 14 {
		require.InDelta(t, value[days-7+h%7], forecast[days+h], 0)
		require.InDelta(t, max(0, forecast[days+h]-1), lower80[days+h], 0)
		require.InDelta(t, forecast[days+h]+2, upper95[days+h], 0)
		sum += forecast[days+h]
	}
	require.InDelta(t, sum, meta.Total.Expected, 1e-9)
	require.Less(t, meta.Total.Lower80, sum)
	require.Greater(t, meta.Total.Upper80, sum)

	// It is asked about the days to come, and then about the past from where only so much of it
	// was known.
	require.Len(t, f.asked, 1+meta.Accuracy.Windows)
	first := f.asked[0]
	require.Equal(t, now.UnixMilli(), first.GetTimes()[0])
	require.Equal(t, []uint32{7}, first.GetSeasons())
	require.Equal(t, []float64{0.8, 0.95}, first.GetLevels())
	require.Equal(t, []string{"dollars", "day", "UTC"}, []string{first.GetSeries().GetMetric(), first.GetSeries().GetGranularity(), first.GetSeries().GetTimeZone()})
	require.False(t, first.GetSeries().GetNegative())
	for _, req := range f.asked[1:] {
		known := len(req.GetSeries().GetValues())
		require.LessOrEqual(t, known+len(req.GetTimes()), days)
		require.Equal(t, value[:known], req.GetSeries().GetValues())
		require.Equal(t, from.AddDate(0, 0, known).UnixMilli(), req.GetTimes()[0])
	}
	require.Positive(t, meta.Accuracy.MASE)
	require.Greater(t, meta.Accuracy.Coverage95, meta.Accuracy.Coverage80)

	// Flowgauge's own is another forecast of the same history, and says so.
	own := r
	own.Params = map[string]string{"horizon": "14", "forecaster": Builtin}
	res, err = e.Do(t.Context(), admin, own)
	require.NoError(t, err)
	require.Equal(t, Builtin, res.Meta.Forecast.Forecaster)
	require.NotEqual(t, "a week before", res.Meta.Forecast.Method)

	f.least = 60 // so that of the past it says some
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Less(t, res.Meta.Forecast.Accuracy.Windows, meta.Accuracy.Windows)
	require.False(t, math.IsNaN(res.Meta.Forecast.Accuracy.MASE))
	f.least = days + 1
	var wrong *RequestError
	_, err = e.Do(t.Context(), admin, r)
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "params.forecaster", wrong.Param)
	require.Contains(t, wrong.Message, "so little is known")
	f.least, f.err = 0, errors.New("it has crashed")
	_, err = e.Do(t.Context(), admin, r)
	require.ErrorIs(t, err, f.err)
	r.Params["forecaster"] = "acme-none"
	_, err = e.Do(t.Context(), admin, r)
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, []string{"builtin", "acme-week"}, wrong.Allowed)
	require.Equal(t, []string{"builtin", "acme-week"}, allowedOf(e, KindForecast, "forecaster"))
}
