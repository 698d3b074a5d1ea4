package wal

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disktest"
)

// A log that has filled its disk takes records again when what is in it was consumed,
// in the same run and in the next: the segment that is full of consumed records makes
// room for the one after it.
func TestFullDiskIsEmptied(t *testing.T) {
	for _, keys := range []*Keys{nil, testKeys(1)} {
		for _, delayed := range []bool{false, true} {
			for _, restart := range []func(d *disktest.Disk) *disktest.Disk{nil, (*disktest.Disk).Kill, (*disktest.Disk).PowerLoss} {
				opts := Options{Keys: keys, Dir: simDir}
				l, d, err := files{}.open(t, opts)
				require.NoError(t, err)
				require.NoError(t, l.Append(t.Context(), texts("first")))
				drain(t, l, 1)
				require.NoError(t, l.Commit(t.Context()))
				d.SetCapacity(d.Used()+1000, delayed)
				kept := 0
				for ; ; kept++ {
					if err := l.Append(t.Context(), texts("more of it")); err != nil {
						require.ErrorIs(t, err, queue.ErrFull)
						break
					}
				}
				if restart != nil {
					d = restart(d)
					_ = l.Close()
					opts.disk = d
					l, err = New(opts)
					require.NoError(t, err)
					require.ErrorIs(t, l.Append(t.Context(), texts("no room")), queue.ErrFull)
				}
				require.Len(t, drain(t, l, kept), kept)
				require.NoError(t, l.Commit(t.Context()))
				// One is refused, by which the log learns that it is full, and empties itself.
				if err := l.Append(t.Context(), texts("refused, perhaps")); err != nil {
					require.ErrorIs(t, err, queue.ErrFull)
				} else {
					drain(t, l, 1)
				}
				for range 10 {
					require.NoError(t, l.Append(t.Context(), texts("again")))
				}
				require.Len(t, drain(t, l, 10), 10)
				require.NoError(t, l.Commit(t.Context()))
				require.NoError(t, l.Append(t.Context(), texts("last")))
				d = d.PowerLoss()
				_ = l.Close()
				opts.disk = d
				l, err = New(opts)
				require.NoError(t, err)
				require.Equal(t, []string{"last"}, content(drain(t, l, 1)))
				require.NoError(t, l.Close())
			}
		}
	}
}
