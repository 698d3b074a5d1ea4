package query

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearestRank(t *testing.T) {
	h := durationHistogram{buckets: []int16{-32768, 1, 2, 3}, counts: []uint64{1, 1, 1, 1}}
	for percent, want := range map[uint64]int16{1: -32768, 25: -32768, 26: 1, 50: 1, 51: 2, 75: 2, 76: 3, 99: 3, 100: 3} {
		got, ok := h.nearestRank(percent)
		require.True(t, ok)
		require.Equal(t, want, got, percent)
	}
	_, ok := durationHistogram{}.nearestRank(50)
	require.False(t, ok)
	_, ok = durationHistogram{buckets: []int16{1}, counts: []uint64{0}}.nearestRank(50)
	require.False(t, ok)
}
