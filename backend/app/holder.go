package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// holder is this process's name among those that may do what only one may do. It
// lies in the data folder, so that a process that starts again has the name that
// it had, and resumes at once what it did.
type holder struct {
	name string
	lock *os.File // taken until the process ends, however it ends
}

// openHolder reads the name in a folder, or makes one up. When another process has
// the folder, the name is a new one that is not kept.
func openHolder(dir string) (*holder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "holder"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open this process's name: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return &holder{name: rand.Text()}, nil
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	h := &holder{lock: f}
	b, err := os.ReadFile(f.Name())
	if err == nil {
		if h.name = strings.TrimSpace(string(b)); h.name == "" {
			h.name = rand.Text()
			_, err = f.WriteAt([]byte(h.name+"\n"), 0)
		}
	}
	if err != nil {
		h.close()
		return nil, fmt.Errorf("read this process's name: %w", err)
	}
	return h, nil
}

func (h *holder) close() {
	if h.lock != nil {
		_ = h.lock.Close()
	}
}
