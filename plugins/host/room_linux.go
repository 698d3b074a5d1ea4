package host

import (
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// lock locks an open folder, until it is closed or this process ends.
func lock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
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
		if lock(f) {
			if err := os.RemoveAll(dir); err != nil {
				logger.Warn("a temporary folder of a plugin is left over and cannot be removed", "folder", dir, "error", err)
			}
		}
		f.Close()
	}
}
