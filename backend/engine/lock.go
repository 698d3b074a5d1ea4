package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrInUse is returned by New when another process owns the directory.
var ErrInUse = errors.New("engine directory is in use")

// errLocked is how the system says that another process holds a lock.
const errLocked = syscall.EWOULDBLOCK

const (
	// How long an orphan may take to die before its directory counts as in
	// use. It exits on its own as soon as it sees that its parent is gone.
	orphanWait = 10 * time.Second
	lockPoll   = 50 * time.Millisecond
)

// lockDir takes the directory's lock. The file is passed to the child as well:
// the lock lasts until both are gone, so ClickHouse's files have one owner
// even while an orphan is dying.
func lockDir(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open engine lock: %w", err)
	}
	deadline := time.Now().Add(orphanWait)
	for {
		err = flock(file)
		if err == nil {
			break
		}
		owner := readOwner(file)
		if !errors.Is(err, errLocked) {
			_ = file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		// A living owner keeps its directory; there is nothing to wait for.
		if processAlive(owner) || time.Now().After(deadline) {
			_ = file.Close()
			return nil, fmt.Errorf("%w: process %d holds %s; stop it or choose another directory", ErrInUse, owner, path)
		}
		time.Sleep(lockPoll)
	}
	if err := writeOwner(file); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return file, nil
}

func flock(file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func writeOwner(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// readOwner returns 0 when the owner has not written its id yet.
func readOwner(file *os.File) int {
	var buffer [32]byte
	n, err := file.ReadAt(buffer[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(buffer[:n])))
	return pid
}

func processAlive(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
