package query

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// Every duration is counted once, in a bucket whose bounds hold it, at every resolution.
func TestDurations(t *testing.T) {
	s := querytest.New(t)
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	lasted := []int64{0, 1, 2, 3, 999, 1000, 1001, 1044, 1500, 2000, 2001, 60_000, 3_600_000, 86_400_000 * 30}
	var events []event.Event
	for hour := range 3 {
		for i, ms := range lasted {
			e := event.Event{
				Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", ID: fmt.Sprint(hour, "-", i), WorkflowID: "w", Duration: ms,
				Time: start.Add(time.Duration(hour)*time.Hour + time.Duration(i)*time.Minute).UnixMilli(), PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
			}
			if hour == 1 {
				e.QueuedTime = e.Time - ms - 7
			}
			events = append(events, e)
		}
	}
	s.Insert(t, events...)
	s.Settle(t)
	e := newEngine(t, s, start.Add(24*time.Hour), Limits{})
	for _, resolution := range []string{"1", "2", "4", "8", "16"} {
		res, err := e.Do(t.Context(), admin, Request{Kind: KindDurations, From: start, To: start.Add(3 * time.Hour), Granularity: Hour, Params: map[string]string{"resolution": resolution}})
		require.NoError(t, err)
		likeItsInfo(t, res.Frame, durationsFields)
		counted := map[time.Time]int64{}
		for row := range res.Frame.Rows() {
			at, end := res.Frame.Fields[0].At(row).(time.Time), res.Frame.Fields[1].At(row).(time.Time)
			from, to, count := res.Frame.Fields[2].At(row).(float64), res.Frame.Fields[3].At(row).(float64), res.Frame.Fields[4].At(row).(int64)
			require.Equal(t, at.Add(time.Hour), end)
			var want int64
			for _, ms := range lasted {
				if float64(ms) > from && float64(ms) <= to || ms == 0 && to == 0 {
					want++
				}
			}
			require.Equal(t, want, count, "%s: %g to %g ms", resolution, from, to)
			counted[at] += count
		}
		require.Len(t, counted, 3)
		for at, n := range counted {
			require.EqualValues(t, len(lasted), n, "%s at %s", resolution, at)
		}
	}
	whole, err := e.Do(t.Context(), admin, Request{Kind: KindDurations, From: start, To: start.Add(3 * time.Hour), Params: map[string]string{"of": "queue_time", "resolution": "1"}})
	require.NoError(t, err)
	require.Equal(t, 1, whole.Frame.Rows(), "all of the hour that knows it waited 7 ms")
	require.Equal(t, []any{start, start.Add(3 * time.Hour), 3.90625, 7.8125, int64(len(lasted))}, cellsOf(whole, 0))
}

func cellsOf(res *Result, row int) []any {
	out := make([]any, len(res.Frame.Fields))
	for i, f := range res.Frame.Fields {
		out[i] = f.At(row)
	}
	return out
}

func TestMergedBucketsHoldWhatTheyAreMadeOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.MapOf(rapid.Int16Range(-160, 400), rapid.Uint64Range(1, 1000)).Draw(t, "counts")
		var h durationHistogram
		var total uint64
		for b := int16(-160); b <= 400; b++ {
			if n, ok := counts[b]; ok {
				h.buckets, h.counts = append(h.buckets, b), append(h.counts, n)
				total += n
			}
		}
		n := 1 << rapid.IntRange(0, 4).Draw(t, "shift")
		var sum uint64
		last := 0.0
		for _, b := range h.merged(n) {
			require.GreaterOrEqual(t, b.from, last, "in order and apart")
			require.InEpsilon(t, math.Exp2(float64(n)/16), b.to/b.from, 1e-12)
			var within uint64
			for i, bucket := range h.buckets {
				if lower, upper := event.BucketBounds(bucket); lower*1000 >= b.from && upper*1000 <= b.to {
					within += h.counts[i]
				}
			}
			require.Equal(t, within, b.count)
			sum, last = sum+b.count, b.to
		}
		require.Equal(t, total, sum)
	})
}
