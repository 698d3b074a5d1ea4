package promql

import (
	"bytes"
	"context"
	"encoding/gob"
	"math"
	"sync/atomic"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// Prometheus' own scripts, with their samples kept in ClickHouse. The scripts load
// series of any names and values, which Flowgauge's figures cannot be; what is tested
// is the engine as it is linked here, fed from ClickHouse by this package's series
// sets. TestAnswersEqualPrometheus has the reading of figures.
func TestScriptsOfPrometheus(t *testing.T) {
	store := querytest.New(t)
	store.Exec(t, "CREATE TABLE "+store.Table("script_samples")+" (storage UInt64, labels String, time Int64, start Int64, bits UInt64, histogram String) ENGINE = MergeTree ORDER BY (storage, labels, time)")
	var count atomic.Uint64
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	promqltest.RunBuiltinTestsWithStorage(t, engine, func(t testing.TB) storage.Storage {
		return &scriptStorage{t: t, client: store.Client, id: count.Add(1)}
	})
}

// scriptStorage is what a script calls a storage: rows with its number.
type scriptStorage struct {
	storage.ChunkQueryable // not used by scripts
	storage.Appendable     // nor is this

	t      testing.TB
	client *clickhouse.Client
	id     uint64
	known  []storage.Series // as read from ClickHouse since the last commit
	read   bool
}

func (s *scriptStorage) StartTime() (int64, error) { return 0, nil }
func (s *scriptStorage) Close() error              { return nil }

func (s *scriptStorage) AppenderV2(context.Context) storage.AppenderV2 {
	return &scriptAppender{s: s}
}

func (s *scriptStorage) Querier(mint, maxt int64) (storage.Querier, error) {
	return &scriptQuerier{s: s, mint: mint, maxt: maxt}, nil
}

type scriptAppender struct {
	s                *scriptStorage
	ids, bits        proto.ColUInt64
	times, starts    proto.ColInt64
	labels, contents proto.ColStr
}

func (a *scriptAppender) Append(_ storage.SeriesRef, l labels.Labels, st, t int64, v float64, _ *histogram.Histogram, fh *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	text, err := l.MarshalJSON()
	if err != nil {
		return 0, err
	}
	var content bytes.Buffer
	if fh != nil {
		if err := gob.NewEncoder(&content).Encode(fh); err != nil {
			return 0, err
		}
	}
	a.ids.Append(a.s.id)
	a.labels.AppendBytes(text)
	a.times.Append(t)
	a.starts.Append(st)
	a.bits.Append(math.Float64bits(v))
	a.contents.AppendBytes(content.Bytes())
	return 1, nil
}

func (a *scriptAppender) Rollback() error { return nil }

func (a *scriptAppender) Commit() error {
	a.s.read = false
	if len(a.ids) == 0 {
		return nil
	}
	input := proto.Input{
		{Name: "storage", Data: a.ids},
		{Name: "labels", Data: a.labels},
		{Name: "time", Data: a.times},
		{Name: "start", Data: a.starts},
		{Name: "bits", Data: a.bits},
		{Name: "histogram", Data: a.contents},
	}
	return a.s.client.Insert(context.Background(), "script_samples", input)
}

// series reads all of the storage.
func (s *scriptStorage) series() []storage.Series {
	if s.read {
		return s.known
	}
	var (
		bits                proto.ColUInt64
		times, starts       proto.ColInt64
		labelTexts, content proto.ColStr
		last                string
		list                []chunks.Sample
	)
	s.known, s.read = nil, true
	finish := func() {
		if len(list) > 0 {
			var l labels.Labels
			require.NoError(s.t, l.UnmarshalJSON([]byte(last)))
			s.known = append(s.known, storage.NewListSeries(l, list))
		}
		list = nil
	}
	require.NoError(s.t, s.client.Do(context.Background(), clickhouse.Query{
		SQL:    "SELECT labels, time, start, bits, histogram FROM script_samples WHERE storage = {id:UInt64} ORDER BY labels, time",
		Params: map[string]any{"id": s.id},
		Result: proto.Results{{Name: "labels", Data: &labelTexts}, {Name: "time", Data: &times}, {Name: "start", Data: &starts}, {Name: "bits", Data: &bits}, {Name: "histogram", Data: &content}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range times {
				if text := labelTexts.Row(i); text != last {
					finish()
					last = text
				}
				v := scriptSample{t: times[i], st: starts[i], f: math.Float64frombits(bits[i])}
				if c := content.RowBytes(i); len(c) > 0 {
					v.fh = &histogram.FloatHistogram{}
					if err := gob.NewDecoder(bytes.NewReader(c)).Decode(v.fh); err != nil {
						return err
					}
				}
				v.hint(list)
				list = append(list, v)
			}
			return nil
		},
	}))
	finish()
	return s.known
}

type scriptQuerier struct {
	s          *scriptStorage
	mint, maxt int64
}

func (q *scriptQuerier) Select(_ context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	from, to := q.mint, q.maxt
	if hints != nil {
		from, to = hints.Start, hints.End
	}
	var out []storage.Series
	for _, series := range q.s.series() {
		keep := true
		for _, m := range matchers {
			keep = keep && m.Matches(series.Labels().Get(m.Name))
		}
		if !keep {
			continue
		}
		var list []chunks.Sample
		for it := series.Iterator(nil); it.Next() != chunkenc.ValNone; {
			if at := it.AtT(); at >= from && at <= to {
				v := scriptSample{t: at, st: it.AtST()}
				if it.Seek(at) == chunkenc.ValFloatHistogram {
					_, v.fh = it.AtFloatHistogram(nil)
				} else {
					_, v.f = it.At()
				}
				list = append(list, v)
			}
		}
		if len(list) > 0 {
			out = append(out, &storage.SeriesEntry{Lset: series.Labels(), SampleIteratorFn: func(chunkenc.Iterator) chunkenc.Iterator {
				return storage.NewListSeriesIteratorWithCopy(chunks.SampleSlice(list)) // the engine changes histograms that it gets
			}})
		}
	}
	return newSeriesSet(out, nil)
}

func (q *scriptQuerier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (q *scriptQuerier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (q *scriptQuerier) Close() error { return nil }

type scriptSample struct {
	t, st int64
	f     float64
	fh    *histogram.FloatHistogram
}

// hint says whether a counter was reset, which a database of Prometheus finds out when
// it stores a histogram behind another.
func (s scriptSample) hint(before []chunks.Sample) {
	if len(before) == 0 || s.fh == nil || s.fh.CounterResetHint != histogram.UnknownCounterReset {
		return
	}
	last := before[len(before)-1].FH()
	if last == nil || last.CounterResetHint == histogram.GaugeType {
		return
	}
	if !s.fh.DetectReset(last) { // after one it is unknown: github.com/prometheus/prometheus/issues/15346
		s.fh.CounterResetHint = histogram.NotCounterReset
	}
}

func (s scriptSample) T() int64                      { return s.t }
func (s scriptSample) ST() int64                     { return s.st }
func (s scriptSample) F() float64                    { return s.f }
func (s scriptSample) H() *histogram.Histogram       { return nil }
func (s scriptSample) FH() *histogram.FloatHistogram { return s.fh }
func (s scriptSample) Copy() chunks.Sample           { c := s; c.fh = s.fh.Copy(); return c }
func (s scriptSample) Type() chunkenc.ValueType {
	if s.fh != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}
