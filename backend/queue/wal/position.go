package wal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

const positionName = "position"

// positionLine is the whole content of the position file: the version up to
// which everything is consumed, and a checksum of it.
const positionLine = "flowgauge log position 1: %020d %08x\n"

// readPosition returns the version up to which everything is consumed, 0 when
// none is known. A file that cannot be understood is as good as none: records
// come again.
func (l *Log) readPosition() (uint64, error) {
	path := filepath.Join(l.opts.Dir, positionName)
	b, err := disk.ReadFile(l.opts.disk, path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read log position: %w", err)
	}
	var (
		version uint64
		sum     uint32
	)
	_, err = fmt.Sscanf(string(b), positionLine, &version, &sum)
	if err != nil || string(b) != formatPosition(version) {
		l.opts.Logger.Warn("the log's position is unreadable; what is in the log comes again", "file", path)
		return 0, nil
	}
	return version, nil
}

func formatPosition(version uint64) string {
	return fmt.Sprintf(positionLine, version, crc32.Checksum(fmt.Appendf(nil, "%d", version), castagnoli))
}

// writePosition replaces the position file. After a crash either the old or the
// new one is there.
func (l *Log) writePosition(version uint64) error {
	path := filepath.Join(l.opts.Dir, positionName)
	err := l.replacePosition(path, version)
	if err == nil || !isFull(err) {
		return err
	}
	// A full disk has no room for another file, and segments must be freed. To
	// write over the old one needs none; torn, it is as good as none.
	f, err := l.opts.disk.OpenFile(path, os.O_WRONLY)
	if err != nil {
		return fmt.Errorf("write log position: %w", err)
	}
	_, err = f.WriteAt([]byte(formatPosition(version)), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write log position: %w", err)
	}
	return nil
}

func (l *Log) replacePosition(path string, version uint64) error {
	f, err := l.opts.disk.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return fmt.Errorf("write log position: %w", err)
	}
	_, err = f.WriteAt([]byte(formatPosition(version)), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write log position: %w", err)
	}
	if err := l.opts.disk.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replace log position: %w", err)
	}
	return l.syncDir()
}
