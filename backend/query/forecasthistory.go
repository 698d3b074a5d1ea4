package query

import (
	"math"
	"slices"
	"time"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/stats/forecast"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// pastSeries is the buckets that a forecast or a judgement rests on, and those that a forecast is of.
type pastSeries struct {
	cal          *calendar
	granularity  Granularity
	loc          *time.Location
	past, future []int64 // labels
	next         int64   // the label behind them
	withheld     bool    // a bucket without figures may have some that are not shown
	values       []float64
	exact        []string // the values of a metric that is an exact amount
}

// history cuts the question's period, and up to so many buckets before it, into those that are
// over.
func (q *question) history(before, horizon int, limits Limits) *pastSeries {
	const longestBucket = 31 * secondsPerDay
	from, to := q.from.Unix(), min(q.to.Unix(), q.now.Unix())
	width := q.granularity.width()
	switch q.granularity {
	case Day:
		width = secondsPerDay + 3*60*60
	case Week:
		width = 8 * secondsPerDay
	case Month:
		width = longestBucket
	}
	oldest := min(from, max(earliest.Unix(), to-int64(q.longest(limits)/time.Second)))
	begin := max(from-int64(before)*width, oldest)
	h := &pastSeries{granularity: q.granularity, loc: q.loc, cal: newCalendar(q.granularity, q.loc, begin, max(from, to)+int64(horizon+2)*width)}
	label := h.cal.label(from)
	if h.cal.start(label) < q.from.Unix() || q.from.Nanosecond() > 0 && h.cal.start(label) == q.from.Unix() {
		label = h.cal.next(label)
	}
	var earlier []int64
	for l := h.cal.label(begin); l < label; l = h.cal.next(l) {
		if h.cal.start(l) >= oldest {
			earlier = append(earlier, l)
		}
	}
	if earlier = earlier[max(0, len(earlier)-before):]; len(earlier) > 0 {
		label = earlier[0]
	}
	for h.cal.end(label) <= to {
		h.past = append(h.past, label)
		label = h.cal.next(label)
	}
	for range horizon {
		h.future = append(h.future, label)
		label = h.cal.next(label)
	}
	h.next = label
	return h
}

func (h *pastSeries) at(label int64) time.Time { return time.Unix(h.cal.start(label), 0).In(h.loc) }

// fill takes the figures over, by bucket, from the first that has any. What a sum has no
// figure for is 0, what anything else has none for is not known.
func (h *pastSeries) fill(figures *Result, m *metric.Metric) {
	times, values := figures.Frame.Fields[0], figures.Frame.Fields[1]
	rows := make(map[int64]int, times.Len())
	for row := range times.Len() {
		if values.At(row).(*float64) != nil {
			rows[times.At(row).(time.Time).Unix()] = row
		}
	}
	for len(h.past) > 0 {
		if _, ok := rows[h.cal.start(h.past[0])]; ok {
			break
		}
		h.past = h.past[1:]
	}
	for _, label := range h.past {
		row, ok := rows[h.cal.start(label)]
		v, amount := 0.0, "0"
		switch {
		case ok:
			v = *values.At(row).(*float64)
			if m.Exact {
				amount = figures.Exact[m.Name][row]
			}
		case !m.Additive || h.withheld:
			v, amount = math.NaN(), ""
		}
		h.values, h.exact = append(h.values, v), append(h.exact, amount)
	}
}

// series is the past as plugins are given it.
func (h *pastSeries) series(m *metric.Metric) *contractv1.Series {
	return &contractv1.Series{
		Metric: m.Name, Unit: m.Unit, Granularity: string(h.granularity), TimeZone: h.loc.String(), Times: h.times(h.past), Values: h.values,
		Negative: slices.ContainsFunc(h.values, func(v float64) bool { return v < 0 }),
	}
}

// times are where buckets begin, in milliseconds.
func (h *pastSeries) times(labels []int64) []int64 {
	out := make([]int64, len(labels))
	for i, label := range labels {
		out[i] = 1000 * h.cal.start(label)
	}
	return out
}

// frame has the past and then what is forecast.
func (h *pastSeries) frame(m *metric.Metric, model *forecast.Model) *Result {
	out := newFields(forecastFields, time.Time{}, (*float64)(nil), (*float64)(nil), (*float64)(nil), (*float64)(nil), (*float64)(nil), (*float64)(nil))
	for _, f := range forecastFields[1:] {
		out.unit(f.Name, m.Unit)
	}
	none := (*float64)(nil)
	for i, label := range h.past {
		value := &h.values[i]
		if math.IsNaN(*value) {
			value = none
		}
		out.add(h.at(label), value, none, none, none, none, none)
	}
	f := model.Forecast(len(h.future))
	for i, label := range h.future {
		out.add(h.at(label), none, &f.Point[i], &f.Lower80[i], &f.Upper80[i], &f.Lower95[i], &f.Upper95[i])
	}
	res := out.result()
	if m.Exact {
		res.Exact["value"] = append(h.exact, make([]string, len(h.future))...)
	}
	return res
}

func (h *pastSeries) meta(m *metric.Metric, model *forecast.Model) *ForecastMeta {
	meta := &ForecastMeta{Metric: m.Name, Method: model.Method(), History: len(h.past), Seasons: model.Periods(), Accuracy: model.Accuracy()}
	if meta.Seasons == nil {
		meta.Seasons = []int{}
	}
	if m.Additive {
		sums, last := model.Cumulative(len(h.future)), len(h.future)-1
		meta.Total = &ForecastTotal{
			From: h.at(h.future[0]), To: h.at(h.cal.next(h.future[last])), Expected: sums.Point[last],
			Lower80: sums.Lower80[last], Upper80: sums.Upper80[last], Lower95: sums.Lower95[last], Upper95: sums.Upper95[last],
		}
	}
	return meta
}
