package wal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// The position file has two slots, each in a page of its own, which are written in
// turn: a torn write leaves the other one whole, and no write needs space on the disk
// once the file is there, so a full disk cannot keep the log from being emptied. A
// slot is a line of text:
//
//	flowgauge log position 1: sequence, consumed, mark (base, end, last), CRC32C of what precedes it
const (
	positionName = "position"
	positionLine = "flowgauge log position 1: %020d %020d %020d %020d %020d "
	slotBytes    = 26 + 5*21 + 8 + 1
	slotStride   = 4096
)

// state is what the position file keeps.
type state struct {
	sequence uint64 // the higher one of two slots is the newer
	consumed uint64 // everything up to this version is stored elsewhere
	mark     link   // everything up to there was durable when this was written
}

func (s state) line() []byte {
	b := fmt.Appendf(nil, positionLine, s.sequence, s.consumed, s.mark.base, s.mark.end, s.mark.last)
	return fmt.Appendf(b, "%08x\n", crc32.Checksum(b, castagnoli))
}

func parseSlot(b []byte) (s state, ok bool) {
	if len(b) < slotBytes {
		return s, false
	}
	_, err := fmt.Sscanf(string(b[:slotBytes]), positionLine, &s.sequence, &s.consumed, &s.mark.base, &s.mark.end, &s.mark.last)
	return s, err == nil && max(s.consumed, s.mark.last, s.sequence) <= maxVersion && string(s.line()) == string(b[:slotBytes])
}

// position is the position file.
type position struct {
	fs   disk.FS
	path string

	mu     sync.Mutex // one write at a time
	file   disk.File  // nil until the first write
	named  bool       // its name is durable
	state  state
	intact bool // what the file says is the newest

	trouble string // what was wrong with the file
}

// readPosition reads the position file. One that is absent or cannot be understood is as
// good as none: records come again. Only a failing disk is an error.
func readPosition(fsys disk.FS, dir string) (*position, error) {
	p := &position{fs: fsys, path: filepath.Join(dir, positionName)}
	b, err := disk.ReadFile(fsys, p.path)
	if errors.Is(err, fs.ErrNotExist) {
		p.trouble = "it is missing, so what is consumed is not known"
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read log position: %w", err)
	}
	first, ok := parseSlot(b)
	second, ok2 := parseSlot(b[min(slotStride, len(b)):])
	p.intact = ok && ok2
	if ok {
		p.state = first
	}
	if ok2 && (!ok || second.sequence > first.sequence) {
		p.state = second
	}
	switch {
	case !ok && !ok2:
		p.trouble = "it cannot be read, so what is consumed is not known"
	case !p.intact:
		p.trouble = "one of its slots is broken, so the last Commit may not be known"
	}
	return p, nil
}

// lost says that nothing was read.
func (p *position) lost() bool { return p.state == state{} }

// harden writes again what was read. The process that wrote it may have ended before
// its sync did, or because it failed; what is in the kernel's cache need not be on
// the disk then, and need not be written by another sync.
func (p *position) harden() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.sequence > 0 {
		if err := p.put(p.state); err != nil || p.intact {
			return err
		}
		return p.next(p.state)
	}
	if err := p.next(p.state); err != nil {
		return err
	}
	return p.next(p.state)
}

// write changes the state, durably. After an error the old state or the new one is
// found by the next process; a further write comes to the same slot.
func (p *position) write(change func(*state)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.state
	if change(&next); next == p.state {
		return nil
	}
	return p.next(next)
}

// again writes the state once more: what was read at a start need not be durable.
func (p *position) again() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next(p.state)
}

// next writes into the slot that was not written last. The caller holds mu.
func (p *position) next(s state) error {
	s.sequence++
	if err := p.put(s); err != nil {
		return err
	}
	p.state = s
	return nil
}

func (p *position) put(s state) (err error) {
	if p.file == nil {
		if p.file, err = p.fs.OpenFile(p.path, os.O_RDWR|os.O_CREATE); err != nil {
			return fmt.Errorf("open log position: %w", err)
		}
	}
	if _, err = p.file.WriteAt(s.line(), int64(s.sequence%2)*slotStride); err == nil {
		err = p.file.Sync()
	}
	if err == nil && !p.named {
		err = p.fs.SyncDir(filepath.Dir(p.path))
	}
	if err != nil {
		return fmt.Errorf("write log position: %w", err)
	}
	p.named = true
	return nil
}

func (p *position) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}
