package wal

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disktest"
)

// A model of the log: what is acknowledged and not committed comes out, in order,
// whatever happens in between.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := disktest.New(1)
		opts := Options{Dir: simDir, disk: d, SegmentBytes: int64(rapid.IntRange(60, 3000).Draw(rt, "segment"))}
		l, err := New(opts)
		require.NoError(rt, err)
		var pending []string
		fetched, n := 0, 0
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				var records [][]byte
				for range rapid.IntRange(1, 4).Draw(rt, "records") {
					s := fmt.Sprintf("%d%s", n, strings.Repeat("x", rapid.IntRange(0, 200).Draw(rt, "size")))
					records = append(records, []byte(s))
					pending = append(pending, s)
					n++
				}
				require.NoError(rt, l.Append(context.Background(), records))
			},
			"fetch": func(rt *rapid.T) {
				if fetched == len(pending) {
					rt.Skip("nothing there")
				}
				got, err := l.Fetch(context.Background(), rapid.IntRange(1, 6).Draw(rt, "max"))
				require.NoError(rt, err)
				require.NotEmpty(rt, got)
				require.Equal(rt, pending[fetched:fetched+len(got)], content(got))
				fetched += len(got)
			},
			"commit": func(rt *rapid.T) {
				require.NoError(rt, l.Commit(context.Background()))
				pending, fetched = pending[fetched:], 0
			},
			"restart": func(rt *rapid.T) {
				require.NoError(rt, l.Close())
				l, err = New(opts)
				require.NoError(rt, err)
				fetched = 0
			},
			"crash": func(rt *rapid.T) {
				d = d.Kill()
				_ = l.Close()
				opts.disk = d
				l, err = New(opts)
				require.NoError(rt, err)
				fetched = 0
			},
			"": func(rt *rapid.T) {
				s := l.Stats()
				require.Equal(rt, int64(len(pending)), s.Pending)
				require.Equal(rt, len(pending) > 0, l.oldest > 0)
				f := filesOf(t, d)
				require.Len(rt, f.segments(), s.Segments)
				var bytes int64
				for _, name := range f.segments() {
					bytes += int64(len(f[name]))
				}
				require.Equal(rt, bytes, s.Bytes)
			},
		})
		require.NoError(rt, l.Close())
	})
}
