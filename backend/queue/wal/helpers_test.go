package wal

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disktest"
)

const simDir = "/data/wal"

// files is the content of a log's folder on a simulated disk.
type files map[string][]byte

func filesOf(t testing.TB, fsys disk.FS) files {
	t.Helper()
	names, err := fsys.List(simDir)
	require.NoError(t, err)
	f := files{}
	for _, name := range names {
		f[name], err = disk.ReadFile(fsys, filepath.Join(simDir, name))
		require.NoError(t, err)
	}
	return f
}

// disk returns a disk that has the files, durably.
func (f files) disk(t testing.TB) *disktest.Disk {
	t.Helper()
	d := disktest.New(1)
	require.NoError(t, disk.MkdirAll(d, simDir))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		file, err := d.OpenFile(filepath.Join(simDir, name), os.O_RDWR|os.O_CREATE)
		require.NoError(t, err)
		_, err = file.WriteAt(f[name], 0)
		require.NoError(t, err)
		require.NoError(t, file.Sync())
	}
	require.NoError(t, d.SyncDir(simDir))
	return d
}

// with returns the files with another content of one of them.
func (f files) with(name string, content []byte) files {
	g := maps.Clone(f)
	g[name] = content
	return g
}

// without returns the files but one.
func (f files) without(name string) files {
	g := maps.Clone(f)
	delete(g, name)
	return g
}

func (f files) segments() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if filepath.Ext(name) == segmentSuffix {
			names = append(names, name)
		}
	}
	return names
}

func flipped(b []byte, at, bit int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1 << bit
	return b
}

// built returns the files of a log after its process died. build runs while time stands
// still, so that the mark is not written unless it sleeps.
func built(t *testing.T, opts Options, build func(t *testing.T, l *Log)) files {
	t.Helper()
	return files{}.used(t, opts, build)
}

// used is the same for a log that is there already.
func (f files) used(t *testing.T, opts Options, use func(t *testing.T, l *Log)) (after files) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := f.disk(t)
		opts.Dir, opts.disk = simDir, d
		l, err := New(opts)
		require.NoError(t, err)
		use(t, l)
		d = d.Kill()
		_ = l.Close()
		after = filesOf(t, d)
	})
	return after
}

// marked waits until the mark is where the log ends.
func marked() {
	time.Sleep(2 * markEvery)
	synctest.Wait()
}

// open opens the log in files and returns it with its disk.
func (f files) open(t testing.TB, opts Options) (*Log, *disktest.Disk, error) {
	t.Helper()
	d := f.disk(t)
	opts.Dir, opts.disk = simDir, d
	l, err := New(opts)
	return l, d, err
}

// contents opens the log in files, and returns what it holds.
func (f files) contents(t testing.TB, opts Options) ([]string, error) {
	t.Helper()
	l, _, err := f.open(t, opts)
	if err != nil {
		return nil, err
	}
	defer func() { require.NoError(t, l.Close()) }()
	return content(drain(t, l, int(l.Stats().Pending))), nil
}
