package wal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// legacy returns a log of format 1 whose process died: eight records in groups of two,
// a segment for each, of which three are committed.
func legacy(t testing.TB) files {
	t.Helper()
	paths, err := filepath.Glob("testdata/format1/*")
	require.NoError(t, err)
	require.Len(t, paths, 4)
	f := files{}
	for _, path := range paths {
		f[filepath.Base(path)], err = os.ReadFile(path)
		require.NoError(t, err)
	}
	return f
}

// A log of format 1 is read, from where its consumer was, and goes on in today's.
func TestLegacy(t *testing.T) {
	want := []string{"record 3 of a log", "record 4 of a log", "record 5 of a log", "record 6 of a log", "record 7 of a log"}
	l, d, err := legacy(t).open(t, Options{})
	require.NoError(t, err)
	require.NoError(t, l.Append(t.Context(), texts("more")))
	require.NoError(t, l.Close())
	f := filesOf(t, d)
	require.Len(t, f.segments(), 4)
	got, err := f.contents(t, Options{})
	require.NoError(t, err)
	require.Equal(t, append(want, "more"), got)

	l, d, err = f.open(t, Options{})
	require.NoError(t, err)
	drain(t, l, 6)
	require.NoError(t, l.Append(t.Context(), texts("and more")))
	drain(t, l, 1)
	require.NoError(t, l.Commit(t.Context()))
	require.NoError(t, l.Close())
	require.Len(t, filesOf(t, d).segments(), 1)
}

func TestLegacyDamage(t *testing.T) {
	f := legacy(t)
	names := f.segments()
	b := f[names[1]]
	for i := range b {
		f.with(names[1], flipped(b, i, 3)).refused(t, Options{}, names[1], legacyStart(i), i)
	}
	for cut := range b {
		if cut != legacyHeader { // Without a chain that is a segment without records.
			f.with(names[1], b[:cut]).refused(t, Options{}, names[1], legacyStart(cut), cut)
		}
	}
	// The last group may be torn.
	b = f[names[2]]
	for cut := legacyHeader; cut < len(b); cut++ {
		got, err := f.with(names[2], append(bytes.Clone(b[:cut]), make([]byte, len(b)-cut)...)).contents(t, Options{})
		require.NoError(t, err)
		require.Len(t, got, 3)
	}
	for i := range b {
		f.with(names[2], flipped(b, i, 3)).refused(t, Options{}, names[2], legacyStart(i), i)
	}
}

func legacyStart(i int) int {
	if i < legacyHeader {
		return 0
	}
	return legacyHeader
}
