package query

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// TimeSeries turns a Result with a granularity into one frame for each series
// (metric and combination of dimensions), as Grafana's dataplane contract wants
// time series of type multi: a time field and a value field whose labels are the
// dimensions. Nothing is filled in: a bucket without data is no point, and where
// buckets have one width the time field says it, so that a graph draws no line
// across the gap. Series come by metric, then in the order in which the Result names them. A Result
// without granularity has no series: the answer is nil.
func TimeSeries(r *Result) data.Frames {
	if r == nil || r.Frame == nil || len(r.Frame.Fields) == 0 || r.Frame.Fields[0].Type() != data.FieldTypeTime {
		return nil
	}
	dims, values := r.split()
	rows, labels := seriesRows(dims, r.Frame.Rows())
	interval := r.Meta.interval()
	var frames data.Frames
	for _, value := range values {
		for s, at := range rows {
			if f := series(r.Frame.Fields[0], value, labels[s], at); f != nil {
				if interval > 0 {
					f.Fields[0].Config = &data.FieldConfig{Interval: interval}
				}
				frames = append(frames, f)
			}
		}
	}
	if len(frames) == 0 { // The contract's way to say that there is no data.
		frames = data.Frames{withType(data.NewFrame(""))}
	}
	return frames
}

// interval returns the width of the buckets in milliseconds, or 0 where it varies.
// A day is the longest of the period: with 24 hours, a day of 25 would look like a
// gap.
func (m *Meta) interval() float64 {
	seconds := m.Granularity.width()
	if m.Granularity == Day {
		seconds = secondsPerDay
		cal := newCalendar(Day, m.From.Location(), m.From.Unix(), m.To.Unix())
		for _, l := range cal.labels() {
			seconds = max(seconds, cal.end(l)-cal.start(l))
		}
	}
	return float64(seconds * 1000)
}

// split sorts a frame's fields behind the time into dimensions and values.
func (r *Result) split() (dims, values []*data.Field) {
	for _, f := range r.Frame.Fields[1:] {
		if f.Type() == data.FieldTypeString {
			dims = append(dims, f)
		} else {
			values = append(values, f)
		}
	}
	return dims, values
}

// seriesRows groups rows by the values of the dimensions.
func seriesRows(dims []*data.Field, n int) (rows [][]int, labels []data.Labels) {
	index := map[string]int{}
	var key []byte
	for row := range n {
		key = key[:0]
		for _, d := range dims {
			v := d.At(row).(string)
			key = append(appendKey(key, int64(len(v))), v...)
		}
		s, ok := index[string(key)]
		if !ok {
			s = len(rows)
			index[string(key)] = s
			l := make(data.Labels, len(dims))
			for _, d := range dims {
				l[d.Name] = d.At(row).(string)
			}
			rows, labels = append(rows, nil), append(labels, l)
		}
		rows[s] = append(rows[s], row)
	}
	return rows, labels
}

// series makes one frame. A series without a single value is none.
func series(times, value *data.Field, labels data.Labels, rows []int) *data.Frame {
	at, points := make([]time.Time, 0, len(rows)), make([]*float64, 0, len(rows))
	some := false
	for _, row := range rows {
		p := value.At(row).(*float64)
		at, points = append(at, times.At(row).(time.Time)), append(points, p)
		some = some || p != nil
	}
	if !some {
		return nil
	}
	field := data.NewField(value.Name, labels, points)
	if value.Config != nil {
		config := data.FieldConfig{Unit: value.Config.Unit, Description: value.Config.Description}
		// With labels Grafana makes the name of them; a title would hide them.
		if len(labels) == 0 {
			config.DisplayNameFromDS = value.Config.DisplayNameFromDS
		}
		field.Config = &config
	}
	return withType(data.NewFrame(value.Name, data.NewField(timeField, nil, at), field))
}

func withType(f *data.Frame) *data.Frame {
	f.Meta = &data.FrameMeta{Type: data.FrameTypeTimeSeriesMulti, TypeVersion: data.FrameTypeVersion{0, 1}}
	return f
}
