package host

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// lock locks an open folder until it is closed or this process ends, if it can, and says whether
// another has locked it.
func lock(f *os.File) (done, taken bool) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	return err == nil, errors.Is(err, syscall.EWOULDBLOCK)
}

// sweep removes the rooms of a Flowgauge that was killed.
func sweep(logger *slog.Logger) {
	left, _ := filepath.Glob(filepath.Join(roomOfRooms(), rooms+"*"))
	for _, dir := range left {
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			continue
		}
		f, err := os.Open(dir)
		if err != nil {
			continue // somebody else's
		}
		if done, _ := lock(f); done {
			if err := os.RemoveAll(dir); err != nil {
				logger.Warn("a temporary folder of a plugin is left over and cannot be removed", "folder", dir, "error", err)
			}
		}
		_ = f.Close()
	}
}
