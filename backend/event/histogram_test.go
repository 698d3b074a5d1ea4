package event

import (
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDurationBucketAtBounds(t *testing.T) {
	require.Equal(t, ZeroBucket, DurationBucket(0))
	require.Equal(t, ZeroBucket, DurationBucket(-5))
	require.Equal(t, int16(-159), DurationBucket(1))
	// Powers of two of a second are the only bounds that a millisecond meets.
	for exp := -3; exp < 40; exp++ {
		ms := int64(math.Ldexp(1000, exp))
		require.Equal(t, int16(16*exp), DurationBucket(ms), "2^%d s", exp)
		require.Equal(t, int16(16*exp+1), DurationBucket(ms+1), "2^%d s + 1 ms", exp)
	}
	require.Equal(t, int16(849), DurationBucket(math.MaxInt64))
}

func TestDurationBucketHoldsItsValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(1, math.MaxInt64).Draw(t, "ms")
		i := DurationBucket(ms)
		lower, upper := BucketBounds(i)
		s := float64(ms) / 1000
		require.Greater(t, s, lower)
		require.LessOrEqual(t, s, upper)
		mid := BucketMidpoint(i)
		require.InDelta(t, math.Sqrt(lower*upper), mid, mid*1e-14)
		require.LessOrEqual(t, math.Abs(mid-s)/s, 0.022)
		require.GreaterOrEqual(t, DurationBucket(ms/2+ms%2), i-16)
	})
}

// The buckets are those of a Prometheus native histogram fed the same values.
func TestDurationBucketIsPrometheus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 1<<50).Draw(t, "ms")
		h := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "h", NativeHistogramBucketFactor: 1.05, NativeHistogramZeroThreshold: -1,
		})
		h.Observe(float64(ms) / 1000)
		var m dto.Metric
		require.NoError(t, h.Write(&m))
		require.Equal(t, int32(DurationSchema), m.GetHistogram().GetSchema())
		spans := m.GetHistogram().GetPositiveSpan()
		if ms == 0 {
			require.Equal(t, uint64(1), m.GetHistogram().GetZeroCount())
			require.Equal(t, ZeroBucket, DurationBucket(ms))
			return
		}
		require.Equal(t, spans[0].GetOffset(), int32(DurationBucket(ms)))
	})
}

func TestZeroBucket(t *testing.T) {
	lower, upper := BucketBounds(ZeroBucket)
	require.Zero(t, lower)
	require.Zero(t, upper)
	require.Zero(t, BucketMidpoint(ZeroBucket))
}

func BenchmarkDurationBucket(b *testing.B) {
	var sum int
	for i := 0; b.Loop(); i++ {
		sum += int(DurationBucket(int64(i) * 37))
	}
	_ = sum
}
