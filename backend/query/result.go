package query

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// timeField is the name of the frame's time column.
const timeField = "time"

// previousSuffix marks the columns of a comparison.
const previousSuffix = "_previous"

// result builds the frame, column by column.
func (q *question) result(now *answer, order []int, previous *answer, most int) (*Result, error) {
	cal := q.calendar()
	var labels map[int64]int64
	if previous != nil && now.labelled() {
		labels = counterparts(cal, previous.q.calendar(), q.loc)
	}
	rows := pairs(now, order, previous, labels)
	if previous != nil && now.labelled() {
		slices.SortStableFunc(rows, func(a, b pair) int { return comparePairs(a, b, now, previous) })
	}
	if q.fill == FillNull || q.fill == FillZero {
		var err error
		if rows, err = q.filled(rows, cal, now, previous, most); err != nil {
			return nil, err
		}
	}
	empty := q.emptiness(cal)
	res := &Result{Exact: map[string][]string{}}
	fields := make([]*data.Field, 0, 1+len(q.dims)+2*len(q.metrics))
	if now.labelled() {
		fields = append(fields, data.NewField(timeField, nil, q.times(cal, rows)))
	}
	for d, name := range q.dims {
		dim, _ := metric.LookupDimension(name)
		values := make([]string, len(rows))
		for i, p := range rows {
			dims, row := p.dims(now, previous)
			values[i] = dims[d][row]
		}
		field := data.NewField(name, nil, values)
		field.Config = &data.FieldConfig{DisplayNameFromDS: dim.Title, Description: dim.Description}
		fields = append(fields, field)
	}
	for i, m := range q.metrics {
		fields = append(fields, res.metric(m, "", now.reader(q.formulas[i]), rows, func(p pair) int { return p.now }, empty))
	}
	if previous != nil {
		met := map[int64]bool{} // the buckets that the comparison's period has a counterpart of
		for _, label := range labels {
			met[label] = true
		}
		emptyBefore := func(label int64) bool { return empty(label) && met[label] }
		for i, m := range q.metrics {
			fields = append(fields, res.metric(m, previousSuffix, previous.reader(q.formulas[i]), rows, func(p pair) int { return p.previous }, emptyBefore))
		}
	}
	res.Frame = data.NewFrame("", fields...)
	return res, nil
}

// labelled says whether the answer has buckets, also when it has no rows.
func (a *answer) labelled() bool { return a.q.granularity != Whole }

// times has one instant per distinct label, not one per row.
func (q *question) times(cal *calendar, rows []pair) []time.Time {
	out := make([]time.Time, len(rows))
	for i, p := range rows {
		if i > 0 && rows[i-1].label == p.label {
			out[i] = out[i-1]
			continue
		}
		out[i] = time.Unix(cal.start(p.label), 0).In(q.loc)
	}
	return out
}

// metric computes a column, and its exact amounts where it has them.
func (res *Result) metric(m *metric.Metric, suffix string, r *reader, rows []pair, at func(pair) int, empty func(label int64) bool) *data.Field {
	name := m.Name + suffix
	values := make([]float64, len(rows))
	pointers := make([]*float64, len(rows))
	var exact []string
	if m.Exact {
		exact = make([]string, len(rows))
	}
	for i, p := range rows {
		row := at(p)
		if row < 0 {
			if empty(p.label) {
				var d event.Decimal
				if values[i], d = r.nothing(); !math.IsNaN(values[i]) {
					pointers[i] = &values[i]
				}
				if m.Exact {
					exact[i] = d.String()
				}
			}
			continue
		}
		if m.Exact {
			d, ok := r.decimal(row)
			if !ok {
				continue
			}
			values[i], exact[i] = d.Float64(), d.String()
			pointers[i] = &values[i]
			continue
		}
		if v := r.value(row); !math.IsNaN(v) {
			values[i] = v
			pointers[i] = &values[i]
		}
	}
	if m.Exact {
		res.Exact[name] = exact
	}
	title := m.Title
	if suffix != "" {
		title += " (before)"
	}
	field := data.NewField(name, nil, pointers)
	field.Config = &data.FieldConfig{DisplayNameFromDS: title, Description: m.Description, Unit: m.Unit}
	return field
}

func comparePairs(a, b pair, now, previous *answer) int {
	if a.label != b.label {
		if a.label < b.label {
			return -1
		}
		return 1
	}
	da, ra := a.dims(now, previous)
	db, rb := b.dims(now, previous)
	for i := range da {
		if c := strings.Compare(da[i][ra], db[i][rb]); c != 0 {
			return c
		}
	}
	return 0
}
