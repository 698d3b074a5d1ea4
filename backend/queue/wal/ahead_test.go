package wal

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// Fetched records are committed in parts while later ones are fetched; what is not
// committed comes again, from the first on.
func TestCommitInParts(t *testing.T) {
	dir := t.TempDir()
	open := func() *Log {
		l, err := New(Options{Dir: dir, SegmentBytes: 1 << 10, MaxBytes: 1 << 30})
		require.NoError(t, err)
		return l
	}
	l := open()
	fill := func(n int) {
		for i := range n {
			require.NoError(t, l.Append(t.Context(), [][]byte{fmt.Appendf(nil, "record %d with some more text", i)}))
		}
	}
	fetch := func(n int) []queue.Record {
		t.Helper()
		records, err := l.Fetch(t.Context(), n)
		require.NoError(t, err)
		require.Len(t, records, n)
		return records
	}
	fill(100)
	fetch(10)
	second := fetch(20)
	fetch(30)
	require.Error(t, l.CommitFirst(t.Context(), 5), "a part of a fetch")
	require.Error(t, l.CommitFirst(t.Context(), 61), "more than was fetched")
	require.NoError(t, l.CommitFirst(t.Context(), 10))
	require.EqualValues(t, 90, l.Stats().Pending)
	require.NoError(t, l.Close())

	l = open()
	require.EqualValues(t, 90, l.Stats().Pending)
	require.Equal(t, second[0].Version, fetch(20)[0].Version)
	fetch(30)
	require.NoError(t, l.CommitFirst(t.Context(), 50))
	require.EqualValues(t, 40, l.Stats().Pending)
	fill(5)
	segments := l.Stats().Segments
	fetch(40)
	require.NoError(t, l.Commit(t.Context()))
	require.EqualValues(t, 5, l.Stats().Pending)
	require.Less(t, l.Stats().Segments, segments)
	fetch(5)
	require.NoError(t, l.Commit(t.Context()))
	require.NoError(t, l.Commit(t.Context()), "nothing is left")
	require.Zero(t, l.Stats().Pending)
	require.NoError(t, l.Close())
}
