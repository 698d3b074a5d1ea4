package command

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// mostOfLog is how large a log gets before the next one is begun. The last one is kept beside it.
const mostOfLog = 64 << 20

// rolling is a log in a file, which does not fill the disk on which the events are.
type rolling struct {
	path string
	most int64

	mu   sync.Mutex
	file *os.File
	size int64
}

func newRolling(path string) (*rolling, error) {
	r := &rolling{path: path, most: mostOfLog}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *rolling) open() error {
	file, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open Flowgauge's log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open Flowgauge's log: %w", err), file.Close())
	}
	r.file, r.size = file, info.Size()
	return nil
}

// Write appends a line, or several.
func (r *rolling) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size > 0 && r.size+int64(len(line)) > r.most {
		r.next()
	}
	n, err := r.file.Write(line)
	r.size += int64(n)
	return n, err
}

// next begins the next file. Where that cannot be, the log goes on in the one that it has: too
// long a log is better than none.
func (r *rolling) next() {
	old := r.file
	if os.Rename(r.path, r.path+".1") == nil && r.open() == nil {
		_ = old.Close()
	}
}

// Close closes the file.
func (r *rolling) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file.Close()
}
