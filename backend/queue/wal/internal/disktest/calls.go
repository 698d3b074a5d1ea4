package disktest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// OpenFile implements disk.FS.
func (d *Disk) OpenFile(path string, flag int) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kind := OpOpen
	if flag&os.O_CREATE != 0 {
		kind = OpCreate
	}
	if err := d.begin(kind, path); err != nil {
		return nil, pathError(kind, path, err)
	}
	in, name, err := d.folderOf(path)
	if err != nil {
		return nil, pathError(kind, path, err)
	}
	var f *file
	switch n := in.names[name].(type) {
	case *folder:
		return nil, pathError(kind, path, syscall.EISDIR)
	case *file:
		if flag&os.O_EXCL != 0 {
			return nil, pathError(kind, path, syscall.EEXIST)
		}
		f = n
	default:
		if kind != OpCreate {
			return nil, pathError(kind, path, syscall.ENOENT)
		}
		f = &file{}
		in.change(naming{name: f})
	}
	if flag&os.O_TRUNC != 0 {
		f.change(change{})
	}
	return &handle{disk: d, file: f, path: path, writable: flag&(os.O_WRONLY|os.O_RDWR) != 0}, nil
}

// List implements disk.FS.
func (d *Disk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(OpList, dir); err != nil {
		return nil, pathError(OpList, dir, err)
	}
	f, err := d.folder(dir)
	if err != nil {
		return nil, pathError(OpList, dir, err)
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(f.names)) {
		if _, ok := f.names[name].(*file); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// Mkdir implements disk.FS.
func (d *Disk) Mkdir(dir string) error {
	return d.inFolder(OpMkdir, dir, func(in *folder, name string) error {
		if name == "" || in.names[name] != nil {
			return syscall.EEXIST
		}
		in.change(naming{name: newFolder()})
		return nil
	})
}

// Remove implements disk.FS.
func (d *Disk) Remove(path string) error {
	return d.inFolder(OpRemove, path, func(in *folder, name string) error {
		if in.names[name] == nil {
			return syscall.ENOENT
		}
		in.change(naming{name: nil})
		return nil
	})
}

// Rename implements disk.FS, within one folder.
func (d *Disk) Rename(from, to string) error {
	return d.inFolder(OpRename, from, func(in *folder, name string) error {
		switch {
		case in.names[name] == nil:
			return syscall.ENOENT
		case filepath.Dir(from) != filepath.Dir(to):
			return errors.ErrUnsupported
		}
		in.change(naming{name: nil, filepath.Base(to): in.names[name]})
		return nil
	})
}

// SyncDir implements disk.FS.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(OpSyncDir, dir); err != nil {
		return pathError(OpSyncDir, dir, err)
	}
	f, err := d.folder(dir)
	if err != nil {
		return pathError(OpSyncDir, dir, err)
	}
	f.sync()
	return nil
}

// Lock implements disk.FS.
func (d *Disk) Lock(path string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(OpLock, path); err != nil {
		return nil, pathError(OpLock, path, err)
	}
	in, name, err := d.folderOf(path)
	if err != nil {
		return nil, pathError(OpLock, path, err)
	}
	if d.locks[path] {
		return nil, fmt.Errorf("%s: %w", path, disk.ErrLocked)
	}
	if in.names[name] == nil {
		in.change(naming{name: &file{}})
	}
	d.locks[path] = true
	return unlock(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.locks, path)
	}), nil
}

type unlock func()

func (u unlock) Close() error {
	u()
	return nil
}

func (d *Disk) inFolder(kind Kind, path string, do func(in *folder, name string) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.begin(kind, path)
	if err == nil {
		var in *folder
		var name string
		if in, name, err = d.folderOf(path); err == nil {
			err = do(in, name)
		}
	}
	if err != nil {
		return pathError(kind, path, err)
	}
	return nil
}

func pathError(kind Kind, path string, err error) error {
	return &fs.PathError{Op: string(kind), Path: path, Err: err}
}
