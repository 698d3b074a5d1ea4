package disktest

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

func create(t *testing.T, d *Disk, path string) disk.File {
	t.Helper()
	f, err := d.OpenFile(path, os.O_RDWR|os.O_CREATE)
	require.NoError(t, err)
	return f
}

func write(t *testing.T, f disk.File, text string, at int64) {
	t.Helper()
	_, err := f.WriteAt([]byte(text), at)
	require.NoError(t, err)
}

// What was synced is there after every power loss. Of what was not, the losses of
// many seeds leave nothing, everything, a part cut anywhere, and holes.
func TestPowerLoss(t *testing.T) {
	const old, added = 700, 2000
	synced, unsynced := strings.Repeat("s", old), strings.Repeat("u", added)
	kinds := map[string]int{}
	for seed := range uint64(400) {
		d := New(seed)
		f := create(t, d, "f")
		write(t, f, synced, 0)
		require.NoError(t, f.Sync())
		require.NoError(t, d.SyncDir("."))
		write(t, f, unsynced, old)
		b, err := disk.ReadFile(d.PowerLoss(), "f")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(b), synced))
		tail := b[old:]
		require.LessOrEqual(t, len(tail), added)
		require.Empty(t, bytes.Trim(tail, "u\x00"), "it is what was written, or nothing")
		hole := bytes.IndexByte(tail, 0)
		switch {
		case len(tail) == 0:
			kinds["nothing"]++
		case hole < 0 && len(tail) == added:
			kinds["everything"]++
		case hole < 0:
			kinds["short"]++
		case bytes.IndexByte(tail[hole:], 'u') < 0:
			kinds["zeros behind"]++
		default:
			kinds["holes"]++
		}
		_, err = f.WriteAt([]byte("x"), 0)
		require.ErrorIs(t, err, ErrPower)
	}
	for _, kind := range []string{"nothing", "everything", "short", "zeros behind", "holes"} {
		require.Greater(t, kinds[kind], 10, kind)
	}
}

// A write over what is durable leaves each sector old or new, or torn at one byte,
// and nothing beside it is touched.
func TestPowerLossOfAnOverwrite(t *testing.T) {
	mixed := 0
	for seed := range uint64(200) {
		d := New(seed)
		f := create(t, d, "f")
		write(t, f, strings.Repeat("o", 4096), 0)
		require.NoError(t, f.Sync())
		require.NoError(t, d.SyncDir("."))
		write(t, f, strings.Repeat("n", 1024), 512)
		b, err := disk.ReadFile(d.PowerLoss(), "f")
		require.NoError(t, err)
		require.Len(t, b, 4096)
		require.Equal(t, strings.Repeat("o", 512), string(b[:512]))
		require.Equal(t, strings.Repeat("o", 2560), string(b[1536:]))
		require.Empty(t, bytes.Trim(b, "on"))
		if bytes.Contains(b, []byte("on")) && bytes.Count(b, []byte("n")) < 1024 {
			mixed++
		}
	}
	require.Positive(t, mixed)
}

// Names that were not synced may be missing, and a name taken away may be back.
func TestPowerLossOfNames(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(200) {
		d := New(seed)
		require.NoError(t, disk.MkdirAll(d, "/a/b"))
		for _, name := range []string{"kept", "gone", "from"} {
			require.NoError(t, create(t, d, "/a/b/"+name).Sync())
		}
		require.NoError(t, d.SyncDir("/a/b"))
		create(t, d, "/a/b/new")
		require.NoError(t, d.Remove("/a/b/gone"))
		require.NoError(t, d.Rename("/a/b/from", "/a/b/to"))
		names, err := d.PowerLoss().List("/a/b")
		require.NoError(t, err)
		require.Contains(t, names, "kept")
		for _, name := range names {
			seen[name]++
		}
		require.NotSubset(t, names, []string{"from", "to"})
	}
	for _, name := range []string{"new", "gone", "from", "to"} {
		require.Greater(t, seen[name], 20, name)
		require.Less(t, seen[name], 180, name)
	}
}

// After a sync that failed the next one succeeds, and what the first should have
// written is lost all the same.
func TestFailedSync(t *testing.T) {
	lost := 0
	for seed := range uint64(50) {
		d := New(seed)
		f := create(t, d, "f")
		require.NoError(t, d.SyncDir("."))
		write(t, f, "data", 0)
		d.OnOp(func(op Op) error {
			if op.Kind == OpSync {
				return syscall.EIO
			}
			return nil
		})
		require.ErrorIs(t, f.Sync(), syscall.EIO)
		d.OnOp(nil)
		require.NoError(t, f.Sync())
		b, err := disk.ReadFile(d.PowerLoss(), "f")
		require.NoError(t, err)
		if string(b) != "data" {
			lost++
		}
	}
	require.Greater(t, lost, 10)
}

func TestCapacity(t *testing.T) {
	d := New(1)
	f := create(t, d, "f")
	d.SetCapacity(10, false)
	n, err := f.WriteAt(make([]byte, 16), 0)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.Equal(t, 10, n)
	write(t, f, "written o", 1)
	d.SetCapacity(12, true)
	write(t, f, "it seems to fit", 10)
	require.ErrorIs(t, f.Sync(), syscall.ENOSPC)
	require.NoError(t, f.Truncate(10))
	require.NoError(t, f.Sync())
	require.Equal(t, int64(10), d.Used())
}

func TestKill(t *testing.T) {
	d := New(1)
	f := create(t, d, "f")
	write(t, f, "unsynced", 0)
	_, err := d.Lock("lock")
	require.NoError(t, err)
	_, err = d.Lock("lock")
	require.ErrorIs(t, err, disk.ErrLocked)
	next := d.Kill()
	_, err = f.Size()
	require.ErrorIs(t, err, ErrPower)
	_, err = next.Lock("lock")
	require.NoError(t, err)
	b, err := disk.ReadFile(next, "f")
	require.NoError(t, err)
	require.Equal(t, "unsynced", string(b))
	next.PowerOffAfter(1)
	_, err = next.List("/")
	require.NoError(t, err)
	_, err = next.List("/")
	require.ErrorIs(t, err, ErrPower)
}
