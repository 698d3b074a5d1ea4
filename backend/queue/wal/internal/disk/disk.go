// Package disk is what the log needs of a file system, and no more, so that its
// tests run on a disk that fills up, fails and loses power (package disktest).
// OS is the machine's own.
//
// What each call promises is what POSIX does, and not what a particular file
// system adds: what was written is durable once File.Sync returned nil; that a
// name exists, or does not any more, once SyncDir of its folder did.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// ErrLocked says that another process has the lock.
var ErrLocked = errors.New("the log's folder is in use by another process")

// FS is a file system.
type FS interface {
	// OpenFile opens a file, or with os.O_CREATE makes one for its owner alone.
	OpenFile(path string, flag int) (File, error)
	// List returns the names of what is in a folder, folders left out.
	List(dir string) ([]string, error)
	Mkdir(dir string) error
	Remove(path string) error
	Rename(from, to string) error
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
	// Lock takes a file, made if absent, for this process, or returns ErrLocked.
	// The kernel frees it when the process ends, however it ends.
	Lock(path string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync makes the content durable, and of the metadata what reading it needs.
	Sync() error
}

// MkdirAll makes a folder and those above it, their names durable. Those that are
// there are taken to be durable, except for the last: it may be what a process made
// that died before it could sync.
func MkdirAll(fsys FS, dir string) error {
	above := filepath.Dir(dir)
	err := fsys.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) && above != dir {
		if err := MkdirAll(fsys, above); err != nil {
			return err
		}
		err = fsys.Mkdir(dir)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		// Who may not read the folder above did not make this one in it.
		if err := fsys.SyncDir(above); err != nil && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("sync %s: %w", above, err)
		}
		return nil
	case err != nil:
		return err
	}
	if err := fsys.SyncDir(above); err != nil {
		return fmt.Errorf("sync %s: %w", above, err)
	}
	return nil
}

// ReadFile returns the content of a file.
func ReadFile(fsys FS, path string) (_ []byte, err error) {
	f, err := fsys.OpenFile(path, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), b); err != nil {
		return nil, err
	}
	return b, nil
}
