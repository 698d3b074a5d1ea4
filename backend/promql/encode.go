package promql

import (
	"unsafe"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/jsonutil"
)

// result is the data of a query's answer. It writes itself: a matrix may have
// millions of points.
type result struct{ value parser.Value }

func init() {
	jsoniter.RegisterTypeEncoderFunc("promql.result", func(p unsafe.Pointer, s *jsoniter.Stream) { (*result)(p).write(s) },
		func(unsafe.Pointer) bool { return false })
}

func (r *result) write(s *jsoniter.Stream) {
	s.WriteRaw(`{"resultType":"` + string(r.value.Type()) + `","result":`)
	switch v := r.value.(type) {
	case promql.Matrix:
		list(s, len(v), func(i int) { writeSeries(s, &v[i]) })
	case promql.Vector:
		list(s, len(v), func(i int) { writeSample(s, &v[i]) })
	case promql.Scalar:
		writePoint(s, v.T, func() { jsonutil.MarshalFloat(v.V, s) })
	case promql.String:
		writePoint(s, v.T, func() { s.WriteString(v.V) })
	}
	s.WriteRaw("}")
}

func list(s *jsoniter.Stream, n int, each func(i int)) {
	s.WriteArrayStart()
	for i := range n {
		if i > 0 {
			s.WriteMore()
		}
		each(i)
	}
	s.WriteArrayEnd()
}

func writePoint(s *jsoniter.Stream, t int64, value func()) {
	s.WriteArrayStart()
	jsonutil.MarshalTimestamp(t, s)
	s.WriteMore()
	value()
	s.WriteArrayEnd()
}

func writeMetric(s *jsoniter.Stream, l labels.Labels) {
	s.WriteObjectStart()
	s.WriteObjectField("metric")
	s.WriteObjectStart()
	first := true
	l.Range(func(l labels.Label) {
		if !first {
			s.WriteMore()
		}
		first = false
		s.WriteString(l.Name)
		s.WriteRaw(":")
		s.WriteString(l.Value)
	})
	s.WriteObjectEnd()
}

func writeSeries(s *jsoniter.Stream, v *promql.Series) {
	writeMetric(s, v.Metric)
	if len(v.Floats) > 0 {
		s.WriteMore()
		s.WriteObjectField("values")
		list(s, len(v.Floats), func(i int) {
			writePoint(s, v.Floats[i].T, func() { jsonutil.MarshalFloat(v.Floats[i].F, s) })
		})
	}
	if len(v.Histograms) > 0 {
		s.WriteMore()
		s.WriteObjectField("histograms")
		list(s, len(v.Histograms), func(i int) {
			writePoint(s, v.Histograms[i].T, func() { jsonutil.MarshalHistogram(v.Histograms[i].H, s) })
		})
	}
	s.WriteObjectEnd()
}

func writeSample(s *jsoniter.Stream, v *promql.Sample) {
	writeMetric(s, v.Metric)
	s.WriteMore()
	if v.H != nil {
		s.WriteObjectField("histogram")
		writePoint(s, v.T, func() { jsonutil.MarshalHistogram(v.H, s) })
	} else {
		s.WriteObjectField("value")
		writePoint(s, v.T, func() { jsonutil.MarshalFloat(v.F, s) })
	}
	s.WriteObjectEnd()
}
