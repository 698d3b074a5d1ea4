package promql

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
)

// timeline are the times of the samples of a selector's series, which all have the
// same ones.
type timeline struct {
	at    []int64 // Unix seconds
	slots []int32 // index of the totals' moment that each sample shows; nil: its own
}

func (t *timeline) slot(i int) int32 {
	if t.slots == nil {
		return int32(i)
	}
	return t.slots[i]
}

// series is a counter, a gauge or a histogram: totals that change at few moments.
type series struct {
	labels labels.Labels
	line   *timeline
	steps  []int32
	sums   []float64
	// added are, for a histogram, what each step adds to the buckets.
	added []query.DurationCounts
	gauge bool // 0 is no sample
}

func (s *series) Labels() labels.Labels { return s.labels }

// Iterator returns an iterator over the samples, the given one if it can be used again.
func (s *series) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	c, ok := it.(*cursor)
	if !ok {
		c = &cursor{}
	}
	counts := c.counts[:0]
	*c = cursor{s: s, at: -1, next: 0, counts: counts}
	return c
}

// cursor stands at a sample.
type cursor struct {
	s    *series
	at   int     // index of the sample
	next int     // index of the first step that has not been taken
	sum  float64 // after the steps taken

	// A histogram's buckets after the steps taken, in order.
	buckets []int16
	counts  []float64
}

func (c *cursor) Next() chunkenc.ValueType { return c.to(c.at + 1) }

// milliseconds is int64 by a name of its own: vet holds a method Seek(int64) for io.Seeker's.
type milliseconds = int64

// Seek goes forward to the first sample that is not before t.
func (c *cursor) Seek(t milliseconds) chunkenc.ValueType {
	at := max(c.at, 0)
	if at < len(c.s.line.at) && c.s.line.at[at]*1000 >= t {
		return c.to(at)
	}
	rest := c.s.line.at[min(at, len(c.s.line.at)):]
	i, _ := slices.BinarySearchFunc(rest, t, func(at, t int64) int {
		if at*1000 < t {
			return -1
		}
		return 1
	})
	return c.to(at + i)
}

// to goes forward to a sample.
func (c *cursor) to(at int) chunkenc.ValueType {
	c.at = at
	if at >= len(c.s.line.at) {
		c.at = len(c.s.line.at)
		return chunkenc.ValNone
	}
	slot := c.s.line.slot(at)
	for c.next < len(c.s.steps) && c.s.steps[c.next] <= slot {
		c.sum = c.s.sums[c.next]
		if c.s.added != nil {
			c.add(c.s.added[c.next])
		}
		c.next++
	}
	if c.s.added != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

// add adds counts to the buckets.
func (c *cursor) add(d query.DurationCounts) {
	for i, bucket := range d.Buckets {
		at, found := slices.BinarySearch(c.buckets, bucket)
		if !found {
			c.buckets = slices.Insert(c.buckets, at, bucket)
			c.counts = slices.Insert(c.counts, at, 0)
		}
		c.counts[at] += float64(d.Counts[i])
	}
}

func (c *cursor) At() (int64, float64) {
	v := c.sum
	if c.s.gauge && v == 0 {
		// What does not run has no sample. The marker ends the series at once, as
		// Prometheus does when a series vanishes from its target; without it the
		// last sample would be seen for as long as the engine looks back.
		v = math.Float64frombits(value.StaleNaN)
	}
	return c.AtT(), v
}

func (c *cursor) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	panic("promql: no series has integer histograms")
}

// AtFloatHistogram builds the histogram: buckets as event.DurationBucket numbers them
// are those of Prometheus' schema, and a duration of 0 is in the zero bucket.
func (c *cursor) AtFloatHistogram(fh *histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	if fh == nil {
		fh = &histogram.FloatHistogram{}
	}
	*fh = histogram.FloatHistogram{
		CounterResetHint: histogram.UnknownCounterReset, Schema: event.DurationSchema, ZeroThreshold: zeroThreshold, Sum: c.sum,
		PositiveSpans: fh.PositiveSpans[:0], PositiveBuckets: fh.PositiveBuckets[:0],
	}
	if c.at > 0 {
		fh.CounterResetHint = histogram.NotCounterReset // totals grow
	}
	end := int32(0) // index after the last span
	for i, bucket := range c.buckets {
		n := c.counts[i]
		fh.Count += n
		if bucket == event.ZeroBucket {
			fh.ZeroCount = n
			continue
		}
		switch last := len(fh.PositiveSpans) - 1; {
		case last >= 0 && int32(bucket) == end:
			fh.PositiveSpans[last].Length++
		case last >= 0:
			fh.PositiveSpans = append(fh.PositiveSpans, histogram.Span{Offset: int32(bucket) - end, Length: 1})
		default:
			fh.PositiveSpans = append(fh.PositiveSpans, histogram.Span{Offset: int32(bucket), Length: 1})
		}
		end = int32(bucket) + 1
		fh.PositiveBuckets = append(fh.PositiveBuckets, n)
	}
	return c.AtT(), fh
}

// zeroThreshold is Prometheus' default (2^-128); a duration is 0 or at least a
// millisecond.
const zeroThreshold = 2.938735877055719e-39

func (c *cursor) AtT() int64  { return c.s.line.at[c.at] * 1000 }
func (c *cursor) AtST() int64 { return 0 }
func (c *cursor) Err() error  { return nil }

// seriesSet is a list of series.
type seriesSet struct {
	list     []storage.Series
	at       int
	err      error
	warnings annotations.Annotations
}

// newSeriesSet orders series by their labels.
func newSeriesSet(list []storage.Series, warnings annotations.Annotations) *seriesSet {
	slices.SortFunc(list, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return &seriesSet{list: list, at: -1, warnings: warnings}
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.list) }
func (s *seriesSet) At() storage.Series                { return s.list[s.at] }
func (s *seriesSet) Err() error                        { return s.err }
func (s *seriesSet) Warnings() annotations.Annotations { return s.warnings }
