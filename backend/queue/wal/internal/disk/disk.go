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
	"syscall"
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

// MkdirAll makes a folder and those above it, all their names durable, also of those
// that are there: a process may have made them that died before it could sync.
func MkdirAll(fsys FS, dir string) error {
	above := filepath.Dir(dir)
	if above == dir {
		return nil
	}
	err := fsys.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := MkdirAll(fsys, above); err != nil {
			return err
		}
		if err := fsys.Mkdir(dir); err != nil {
			return err
		}
		return syncDir(fsys, above)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	for ; above != dir; dir, above = above, filepath.Dir(above) {
		if err := syncDir(fsys, above); err != nil && !foreign(err) {
			return err
		}
	}
	return nil
}

func syncDir(fsys FS, dir string) error {
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// foreign says that a folder is not of a kind that this process could have made
// another in.
func foreign(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EINVAL) ||
		errors.Is(err, errors.ErrUnsupported)
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
