package disktest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
)

// handle is an open file.
type handle struct {
	disk     *Disk
	file     *file
	path     string
	writable bool
	closed   bool
}

// begin is called with the disk's mu held.
func (h *handle) begin(kind Kind, writes bool) error {
	return h.beginAt(kind, writes, 0, 0)
}

func (h *handle) beginAt(kind Kind, writes bool, from int64, n int) error {
	switch {
	case h.closed:
		return os.ErrClosed
	case writes && !h.writable:
		return syscall.EBADF
	}
	return h.disk.beginAt(Op{kind, h.path, from, from + int64(n)})
}

// ReadAt implements io.ReaderAt.
func (h *handle) ReadAt(b []byte, at int64) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if err := h.beginAt(OpRead, false, at, len(b)); err != nil {
		return 0, pathError(OpRead, h.path, err)
	}
	n := 0
	if at < int64(len(h.file.data)) {
		n = copy(b, h.file.data[at:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt. Without space it writes what fits.
func (h *handle) WriteAt(b []byte, at int64) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if err := h.beginAt(OpWrite, true, at, len(b)); err != nil {
		if n := len(b) / 2; n > 0 && !errors.Is(err, ErrPower) {
			h.file.change(change{at, bytes.Clone(b[:n])})
			return n, pathError(OpWrite, h.path, err)
		}
		return 0, pathError(OpWrite, h.path, err)
	}
	more := at + int64(len(b)) - int64(len(h.file.data))
	if free := h.disk.free(); more > 0 && more > free && !h.disk.delayed {
		n := max(0, len(b)-int(more-max(0, free)))
		if n > 0 {
			h.file.change(change{at, bytes.Clone(b[:n])})
		}
		return n, pathError(OpWrite, h.path, syscall.ENOSPC)
	}
	if len(b) > 0 {
		h.file.change(change{at, bytes.Clone(b)})
	}
	return len(b), nil
}

// Truncate implements disk.File.
func (h *handle) Truncate(size int64) error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if err := h.begin(OpResize, true); err != nil {
		return pathError(OpResize, h.path, err)
	}
	h.file.change(change{at: size})
	return nil
}

// Sync implements disk.File.
func (h *handle) Sync() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.closed {
		return pathError(OpSync, h.path, os.ErrClosed)
	}
	err := h.disk.begin(OpSync, h.path)
	if err == nil && h.disk.delayed && h.disk.free() < 0 && len(h.file.pending) > 0 {
		err = syscall.ENOSPC
	}
	if err == nil {
		h.file.sync()
		return nil
	}
	if !errors.Is(err, ErrPower) {
		h.file.syncFails(h.disk.rng)
	}
	return pathError(OpSync, h.path, err)
}

// Size implements disk.File.
func (h *handle) Size() (int64, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if err := h.begin(OpRead, false); err != nil {
		return 0, pathError(OpRead, h.path, err)
	}
	return int64(len(h.file.data)), nil
}

// Close implements io.Closer.
func (h *handle) Close() error {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	if h.closed {
		return os.ErrClosed
	}
	h.closed = true
	return nil
}
