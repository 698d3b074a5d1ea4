package wal

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disktest"
)

// stored is a group of a log and where it lies.
type stored struct {
	file     string
	from, to int
	records  []string
}

// shelf returns a log of groups in several segments, the first record of which is consumed.
func shelf(t *testing.T, opts Options) (f files, groups []stored) {
	t.Helper()
	opts.SegmentBytes = segmentHeader + 600
	f = built(t, opts, func(t *testing.T, l *Log) {
		for i := range 12 {
			g := stored{records: []string{fmt.Sprintf("%d-a", i), fmt.Sprintf("%d-b-%s", i, strings.Repeat("x", 30*i))}}
			require.NoError(t, l.Append(t.Context(), texts(g.records...)))
			g.file, g.from, g.to = filepath.Base(l.active.path), int(l.active.group), int(l.active.end)
			groups = append(groups, g)
		}
		drain(t, l, 1)
		require.NoError(t, l.Commit(t.Context()))
		marked()
	})
	require.Len(t, f.segments(), 6)
	return f, groups
}

// salvaged salvages the log in files, and returns the new one.
func (f files) salvaged(t testing.TB, keys *Keys) (*Report, files) {
	t.Helper()
	d := f.disk(t)
	report, err := Salvage(SalvageOptions{Dir: simDir, Out: simDir + ".new", Keys: keys, disk: d})
	require.NoError(t, err)
	require.Equal(t, map[string][]byte(f), map[string][]byte(filesOf(t, d)), "the old folder is not touched")
	d = d.PowerLoss()
	require.NoError(t, d.Rename(simDir, simDir+".old"))
	require.NoError(t, d.Rename(simDir+".new", simDir))
	return report, filesOf(t, d)
}

func TestSalvage(t *testing.T) {
	for _, v := range variants {
		f, groups := shelf(t, v.opts)
		name := groups[4].file
		f = f.with(name, flipped(f[name], groups[4].from+60, 0))
		_, err := f.contents(t, v.opts)
		require.ErrorIs(t, err, ErrDamaged)

		report, g := f.salvaged(t, v.opts.Keys)
		require.Len(t, report.Lost(), 1)
		lost := report.Lost()[0]
		require.Equal(t, filepath.Join(simDir, name), lost.File)
		require.Equal(t, [2]int64{int64(groups[4].from), int64(groups[4].to)}, [2]int64{lost.From, lost.To})
		require.Equal(t, lost.After+3, lost.Before, "two records are lost")
		require.Equal(t, int64(22), report.Records)
		require.Equal(t, int64(21), report.Pending)

		var want []string
		for _, s := range append(slices.Clone(groups[:4]), groups[5:]...) {
			want = append(want, s.records...)
		}
		l, _, err := g.open(t, v.opts)
		require.NoError(t, err)
		require.NoError(t, l.Append(t.Context(), texts("more")))
		got := drain(t, l, 22)
		require.Equal(t, append(want[1:], "more"), content(got), "the first was consumed")
		require.Equal(t, lost.After, got[6].Version)
		require.Equal(t, lost.Before, got[7].Version)
		require.NoError(t, l.Close())

		again, _ := g.salvaged(t, v.opts.Keys)
		require.Empty(t, again.Lost())
	}
}

// Whatever is broken, every group that is not is salvaged, and what is reported as lost
// is what is broken.
func TestSalvageKeepsWhatIsWhole(t *testing.T) {
	for _, v := range variants {
		f, groups := shelf(t, v.opts)
		versions := map[string]queue.Version{}
		l, _, err := f.open(t, v.opts)
		require.NoError(t, err)
		for _, r := range drain(t, l, 23) {
			versions[string(r.Data)] = r.Version
		}
		require.NoError(t, l.Close())
		rapid.Check(t, func(rt *rapid.T) {
			g := f
			broken := map[int]bool{}
			for range rapid.IntRange(0, 6).Draw(rt, "places") {
				n := rapid.IntRange(0, len(groups)-1).Draw(rt, "group")
				at := rapid.IntRange(groups[n].from, groups[n].to-1).Draw(rt, "at")
				b := bytes.Clone(g[groups[n].file])
				b[at] ^= byte(rapid.IntRange(1, 255).Draw(rt, "change"))
				g = g.with(groups[n].file, b)
				broken[n] = string(b[groups[n].from:groups[n].to]) != string(f[groups[n].file][groups[n].from:groups[n].to])
			}
			if rapid.Bool().Draw(rt, "a file is missing") {
				name := rapid.SampledFrom(f.segments()).Draw(rt, "missing")
				g = g.without(name)
				for n := range groups {
					broken[n] = broken[n] || groups[n].file == name
				}
			}
			report, after := g.salvaged(t, v.opts.Keys)
			var want []string
			for n, s := range groups {
				if broken[n] {
					for _, r := range s.records {
						version, pending := versions[r]
						require.True(rt, !pending || within(report.Lost(), version), "%s is lost and not reported", r)
					}
					continue
				}
				for _, r := range s.records {
					require.False(rt, within(report.Lost(), versions[r]), "%s is reported as lost", r)
					if n > 0 || r != s.records[0] {
						want = append(want, r)
					}
				}
			}
			got, err := after.contents(t, v.opts)
			require.NoError(rt, err)
			require.Equal(rt, want, got)
		})
	}
}

func within(lost []Damage, v queue.Version) bool {
	return slices.ContainsFunc(lost, func(d Damage) bool { return d.After < v && (d.Before == 0 || v < d.Before) })
}

// A bad sector loses the groups that are on it and nothing else.
func TestSalvageFromBadSectors(t *testing.T) {
	f := built(t, Options{}, func(t *testing.T, l *Log) {
		for i := range 40 {
			require.NoError(t, l.Append(t.Context(), texts(fmt.Sprintf("%02d", i)+strings.Repeat("x", 1000))))
		}
	})
	d := f.disk(t)
	name := filepath.Join(simDir, f.segments()[0])
	bad := func(op disktest.Op) error {
		if op.Kind == disktest.OpRead && op.Path == name && op.From < 20480 && op.To > 16384 {
			return syscall.EIO
		}
		return nil
	}
	d.OnOp(bad)
	_, err := New(Options{Dir: simDir, disk: d})
	require.ErrorIs(t, err, syscall.EIO)
	require.NotErrorIs(t, err, ErrDamaged, "it may be possible to read it another time")
	require.ErrorContains(t, err, "wal salvage")
	report, err := Salvage(SalvageOptions{Dir: simDir, Out: "/data/new", disk: d})
	require.NoError(t, err)
	require.Len(t, report.Lost(), 1)
	lost := report.Lost()[0]
	require.LessOrEqual(t, lost.From, int64(16384))
	require.GreaterOrEqual(t, lost.To, int64(20480))
	require.Less(t, lost.To-lost.From, int64(4096+2*1040))
	require.Equal(t, 40-(lost.To-lost.From)/1033, report.Records)

	// Where the log may end, what cannot be read is not what was never written.
	d.OnOp(func(op disktest.Op) error {
		if op.Kind == disktest.OpRead && op.Path == name && op.To > 40960 {
			return syscall.EIO
		}
		return nil
	})
	again, err := Inspect(InspectOptions{Dir: simDir, disk: d})
	require.NoError(t, err)
	require.Len(t, again.Lost(), 1)
}

// The versions of what is lost are not given out again, also when the clock is behind.
func TestSalvageKeepsVersionsRising(t *testing.T) {
	f, groups := shelf(t, Options{})
	last := groups[11]
	g := f.with(last.file, f[last.file][:last.from])
	_, g = g.salvaged(t, nil)
	l, _, err := g.open(t, Options{})
	require.NoError(t, err)
	require.NoError(t, l.Append(t.Context(), texts("more")))
	got := drain(t, l, 22)
	require.Greater(t, got[21].Version, got[20].Version+2, "two versions are taken")
	require.NoError(t, l.Close())
}

// A new folder is there when all of it is, also if the power fails in between.
func TestSalvageIsAllOrNothing(t *testing.T) {
	f, groups := shelf(t, Options{})
	f = f.with(groups[1].file, flipped(f[groups[1].file], groups[1].from, 0))
	for n := 0; ; n++ {
		d := f.disk(t)
		d.PowerOffAfter(n)
		_, err := Salvage(SalvageOptions{Dir: simDir, Out: "/data/new", disk: d})
		d = d.PowerLoss()
		names, listErr := d.List("/data/new")
		if err == nil {
			require.NoError(t, listErr)
			require.Greater(t, n, 50)
			return
		}
		require.ErrorIs(t, err, disktest.ErrPower)
		if listErr == nil {
			require.Len(t, names, 8, "six segments, the last one, the position")
			_, err := Inspect(InspectOptions{Dir: "/data/new", disk: d})
			require.NoError(t, err)
		}
	}
}

func TestSalvageRefuses(t *testing.T) {
	f, _ := shelf(t, Options{Keys: testKeys(1)})
	d := f.disk(t)
	try := func(out string, keys *Keys) error {
		_, err := Salvage(SalvageOptions{Dir: simDir, Out: out, Keys: keys, disk: d})
		return err
	}
	require.ErrorIs(t, try("/data/new", nil), ErrNoKey)
	require.ErrorContains(t, try(simDir, testKeys(1)), "it exists")
	require.NoError(t, disk.MkdirAll(d, "/data/new.partial"))
	require.ErrorContains(t, try("/data/new", testKeys(1)), "remove it")
	require.NoError(t, try("/other/new", testKeys(2, 1)), "encrypted with the other key")
	_, err := New(Options{Dir: "/other/new", disk: d, Keys: testKeys(1)})
	require.ErrorIs(t, err, ErrNoKey)
	l, err := New(Options{Dir: "/other/new", disk: d, Keys: testKeys(2)})
	require.NoError(t, err)
	_, err = Salvage(SalvageOptions{Dir: "/other/new", Out: "/data/third", Keys: testKeys(2), disk: d})
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, l.Close())
	require.NoError(t, disk.MkdirAll(d, "/empty"))
	_, err = Salvage(SalvageOptions{Dir: "/empty", Out: "/data/fourth", disk: d})
	require.ErrorIs(t, err, errNoLog)
}

func TestInspect(t *testing.T) {
	f, groups := shelf(t, Options{Keys: testKeys(1)})
	last := groups[11]
	f = f.with(last.file, append(bytes.Clone(f[last.file]), "torn"...))
	f = f.with(groups[2].file, flipped(f[groups[2].file], groups[2].from+40, 1))
	for _, keys := range []*Keys{nil, testKeys(1)} {
		var frames []Frame
		d := f.disk(t)
		r, err := Inspect(InspectOptions{Dir: simDir, Keys: keys, disk: d, Frame: func(f Frame) { frames = append(frames, f) }})
		require.NoError(t, err)
		require.Equal(t, f, filesOf(t, d))
		require.Len(t, frames, 11)
		require.Equal(t, int64(groups[0].from), frames[0].From)
		require.Equal(t, int64(groups[0].to), frames[0].To)
		require.Equal(t, 2, frames[0].Records)
		require.Len(t, r.Damage, 1)
		require.Len(t, r.Segments, 6)
		require.Equal(t, int64(22), r.Records)
		require.Equal(t, int64(21), r.Pending)
		require.Equal(t, frames[0].First, r.Consumed)
		require.Equal(t, r.Segments[5].Last, r.Marked)
		require.Equal(t, StateDamaged, r.Segments[0].State)
		require.Equal(t, int64(4), r.Segments[5].Torn)
		require.Equal(t, testKeys(1).IDs()[0], r.Segments[5].Key)
		want := []string{StateWhole, StateTorn}
		if keys == nil {
			want = []string{StateUnchecked, StateUnchecked}
		}
		require.Equal(t, want, []string{r.Segments[1].State, r.Segments[5].State})
	}
}
