package atomicfile_test

import (
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/atomicfile"
)

func TestWriteReplacesTheContent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	require.NoError(t, atomicfile.Write(path, []byte("long and old")))
	requireAlone(t, path, "long and old")
	require.NoError(t, os.Chmod(path, 0o644)) // Others may read it: no more once it is written.
	require.NoError(t, atomicfile.Write(path, []byte("new")))
	requireAlone(t, path, "new")
}

func TestAWriteThatFailsHalfwayLeavesTheOldContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, atomicfile.Write(path, []byte("old")))

	// Files of this process grow to 4 bytes and no more.
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	signal.Ignore(syscall.SIGXFSZ)
	limit := before
	limit.Cur = 4
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	err := atomicfile.Write(path, []byte("longer than that"))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	signal.Reset(syscall.SIGXFSZ)

	require.ErrorIs(t, err, syscall.EFBIG)
	require.ErrorContains(t, err, path)
	requireAlone(t, path, "old")
}

func TestWhatCannotBeReplacedStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder")
	require.NoError(t, os.Mkdir(path, 0o700))
	require.Error(t, atomicfile.Write(path, []byte("new")))
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.True(t, entries[0].IsDir())
}

func TestAFolderThatIsNotThereIsNotMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	require.ErrorIs(t, atomicfile.Write(filepath.Join(dir, "file"), nil), fs.ErrNotExist)
	require.NoDirExists(t, dir)
}

// requireAlone requires a file's content, its owner's mode, and that nothing else is in its folder.
func requireAlone(t *testing.T, path, content string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, content, string(text))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
