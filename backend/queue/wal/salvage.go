package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// SalvageOptions say which log to salvage.
type SalvageOptions struct {
	Dir  string
	Out  string           // the new folder, which must not exist
	Keys *Keys            // read what is encrypted; the first encrypts the new log
	Now  func() time.Time // time.Now if nil

	disk disk.FS
}

// Salvage writes every whole group of a log, with its versions, into a new log, and
// reports what is lost. The old folder is not changed, and must not be in use. The new
// folder appears when it is whole and was read back.
func Salvage(opts SalvageOptions) (*Report, error) {
	if opts.disk == nil {
		opts.disk = disk.OS{}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.Dir, opts.Out = filepath.Clean(opts.Dir), filepath.Clean(opts.Out)
	unlock, err := lockForReading(opts.disk, opts.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unlock.Close() }()
	f, err := readFolder(disk.Patient{FS: opts.disk}, opts.Dir, opts.Keys)
	if err != nil {
		return nil, err
	}
	if err := f.needKeys(); err != nil {
		return nil, err
	}
	w, err := newRescue(opts)
	if err != nil {
		return nil, err
	}
	report, err := f.inspect(w.copy)
	if err == nil {
		err = w.finish(f)
	}
	if err == nil {
		err = w.check(report)
	}
	if err == nil {
		err = w.publish()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("salvage into %s: %w", opts.Out, err), w.close())
	}
	return report, nil
}

// lockForReading takes the lock of a log that has one, without making one.
func lockForReading(fsys disk.FS, dir string) (io.Closer, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list log folder: %w", err)
	}
	nothing := io.NopCloser(nil)
	if !slices.Contains(names, lockName) {
		return nothing, nil
	}
	lock, err := fsys.Lock(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return nothing, nil // A copy that nobody can write to is in use by nobody.
	}
	if err != nil {
		return nil, fmt.Errorf("lock log folder: %w", err)
	}
	return lock, nil
}

// rescue writes the new log.
type rescue struct {
	opts   SalvageOptions
	dir    string // until it is whole
	source *segment
	target *segment // nil before the first frame
	file   disk.File
	before link
	sum    uint32 // of what was written
}

func newRescue(opts SalvageOptions) (*rescue, error) {
	w := &rescue{opts: opts, dir: opts.Out + ".partial"}
	switch _, err := opts.disk.List(opts.Out); {
	case err == nil, errors.Is(err, syscall.ENOTDIR):
		return nil, fmt.Errorf("salvage into %s: it exists: give another folder", opts.Out)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("salvage into %s: %w", opts.Out, err)
	}
	if err := disk.MkdirAll(opts.disk, filepath.Dir(opts.Out)); err != nil {
		return nil, fmt.Errorf("salvage into %s: %w", opts.Out, err)
	}
	switch err := opts.disk.Mkdir(w.dir); {
	case errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("salvage into %s: %s is left of a run that did not end: remove it", opts.Out, w.dir)
	case err != nil:
		return nil, fmt.Errorf("salvage into %s: %w", opts.Out, err)
	}
	return w, nil
}

// copy writes a frame, in a segment of its own for each of the old log's.
func (w *rescue) copy(s *segment, _ int64, g frame) (err error) {
	if w.source != s {
		if err := w.begin(g.first); err != nil {
			return err
		}
		w.source = s
	}
	w.sum = g.sum(w.sum)
	b := append(make([]byte, frameHeader, frameExtra+len(g.payload)), g.payload...)
	b = w.target.seal(b, g.count, g.first, w.target.end)
	if _, err := w.file.WriteAt(b, w.target.end); err != nil {
		return err
	}
	w.target.end += int64(len(b))
	w.target.last = g.last()
	return nil
}

// begin ends one segment and begins the next.
func (w *rescue) begin(base uint64) (err error) {
	if err := w.end(); err != nil {
		return err
	}
	w.target, w.file, err = createSegment(w.opts.disk, w.dir, base, w.before, w.opts.Keys)
	return err
}

func (w *rescue) end() error {
	if w.target == nil {
		return nil
	}
	w.before = w.target.link()
	err := errors.Join(w.file.Sync(), w.file.Close())
	w.target, w.file = nil, nil
	return err
}

// finish ends the log with a segment that has no records. Its name keeps the versions
// rising: those of what is lost must not be given out again.
func (w *rescue) finish(f *folder) error {
	highest := max(f.position.state.consumed, f.position.state.mark.last, uint64(max(0, w.opts.Now().UnixMicro())))
	for _, s := range f.segments {
		highest = max(highest, s.base, s.last, s.before.last)
	}
	if err := w.begin(highest + 1); err != nil {
		return err
	}
	if err := w.end(); err != nil {
		return err
	}
	p := &position{fs: w.opts.disk, path: filepath.Join(w.dir, positionName)}
	p.state.consumed, p.state.mark = f.position.state.consumed, w.before
	return errors.Join(p.harden(), p.close())
}

// sum continues a checksum of versions and records.
func (f frame) sum(sum uint32) uint32 {
	versions := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, f.first), uint64(f.count))
	return crc32.Update(crc32.Update(sum, castagnoli, versions), castagnoli, f.payload)
}

// check reads the new log.
func (w *rescue) check(old *Report) error {
	f, err := readFolder(w.opts.disk, w.dir, w.opts.Keys)
	if err != nil {
		return err
	}
	f.segments, f.consumed = slices.Concat(f.consumed, f.segments), nil
	var sum uint32
	got, err := f.inspect(func(_ *segment, _ int64, g frame) error {
		sum = g.sum(sum)
		return nil
	})
	if err != nil {
		return err
	}
	if len(got.Damage) > 0 || got.Records != old.Records || got.Pending != old.Pending || sum != w.sum {
		return fmt.Errorf("what was written is not what is read back: %d of %d records, %v", got.Records, old.Records, got.Damage)
	}
	return nil
}

// publish gives the folder its name.
func (w *rescue) publish() error {
	if err := w.opts.disk.Rename(w.dir, w.opts.Out); err != nil {
		return err
	}
	return w.opts.disk.SyncDir(filepath.Dir(w.opts.Out))
}

func (w *rescue) close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}
