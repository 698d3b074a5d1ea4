package command

import (
	"fmt"
	"io"
	"math"

	"github.com/flowgauge/flowgauge/backend/stats/forecast"
)

// accuracy is the mean of the competition's measures over series.
type accuracy struct{ smape, mase float64 }

func (a *accuracy) add(predicted, actual, history []float64, season int) {
	a.smape += forecast.SMAPE(predicted, actual)
	a.mase += forecast.MASE(predicted, actual, history, season)
}

// writeAccuracy compares forecasts with what came, and with Naive2, which OWA is in terms of.
func writeAccuracy(w io.Writer, series []namedSeries, models []*forecast.Model, truth map[string][]float64, o forecast.Options) error {
	var ours, naive accuracy
	n, values, within80, within95 := 0.0, 0.0, 0.0, 0.0
	sums, sums80, sums95 := 0.0, 0.0, 0.0
	for i, m := range models {
		if m == nil {
			continue
		}
		history, actual := known(series[i].values), truth[series[i].name]
		f := m.Forecast(o.Horizon)
		ours.add(f.Point, actual, history, o.Periods[0])
		naive.add(forecast.Naive2(history, o.Periods[0], o.Horizon), actual, history, o.Periods[0])
		sum := 0.0
		for h, v := range actual {
			within80 += in(v, f.Lower80[h], f.Upper80[h])
			within95 += in(v, f.Lower95[h], f.Upper95[h])
			sum += v
		}
		c, last := m.Cumulative(o.Horizon), o.Horizon-1
		sums80 += in(sum, c.Lower80[last], c.Upper80[last])
		sums95 += in(sum, c.Lower95[last], c.Upper95[last])
		values += float64(len(actual))
		sums++
		n++
	}
	if n == 0 {
		return nil
	}
	owa := (ours.smape/naive.smape + ours.mase/naive.mase) / 2
	_, err := fmt.Fprintf(w, `series            %.0f
sMAPE             %.3f
MASE              %.3f
OWA               %.3f
coverage of 80 %%  %.1f %%
coverage of 95 %%  %.1f %%
sums within 80 %%  %.1f %%
sums within 95 %%  %.1f %%
Naive2            sMAPE %.3f, MASE %.3f
`, n, ours.smape/n, ours.mase/n, owa, 100*within80/values, 100*within95/values, 100*sums80/sums, 100*sums95/sums, naive.smape/n, naive.mase/n)
	return err
}

func in(v, low, high float64) float64 {
	if low <= v && v <= high {
		return 1
	}
	return 0
}

// known leaves out missing values.
func known(values []float64) []float64 {
	out := make([]float64, 0, len(values))
	for _, v := range values {
		if !math.IsNaN(v) {
			out = append(out, v)
		}
	}
	return out
}
