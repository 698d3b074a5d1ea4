// Package disktest is a simulated disk for tests: in memory, it keeps for each file
// and each folder what was synced and what was not.
//
// A Disk is a machine's view of its media. Two things end it:
//
//   - Kill: the process dies. Everything it wrote is there for the next one, synced
//     or not, as it is in a kernel's page cache.
//   - PowerLoss: what was synced is there; of the rest any part may be, as if the
//     kernel had written its cache back in any order up to that moment.
//
// PowerOffAfter brings the end about in the middle of what a program does. OnOp lets
// single calls fail. A sync that fails has written some of the data, and the rest is
// never written although reads show it, which is what Linux does: the next sync
// succeeds and means nothing for it.
package disktest

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// ErrPower is what every call returns after the end of a Disk.
var ErrPower = errors.New("the power is off")

// Kind is what a call does.
type Kind string

// The kinds of calls that OnOp sees.
const (
	OpOpen    Kind = "open"
	OpCreate  Kind = "create"
	OpRead    Kind = "read"
	OpWrite   Kind = "write"
	OpResize  Kind = "truncate"
	OpSync    Kind = "sync"
	OpList    Kind = "list"
	OpMkdir   Kind = "mkdir"
	OpRemove  Kind = "remove"
	OpRename  Kind = "rename"
	OpSyncDir Kind = "sync folder"
	OpLock    Kind = "lock"
)

// Op is a call that is about to be carried out.
type Op struct {
	Kind Kind
	Path string
	From int64 // where it reads or writes
	To   int64
}

// Disk implements disk.FS. Its methods may be called by many goroutines.
type Disk struct {
	*media
	dead  bool
	locks map[string]bool
}

// media is what outlives a process.
type media struct {
	mu       sync.Mutex
	rng      *rand.Rand
	root     *folder
	onOp     func(Op) error
	ops      int
	offAfter int // the power goes off after so many; never if negative
	capacity int64
	delayed  bool
}

var _ disk.FS = (*Disk)(nil)

// New returns an empty disk. The seed decides what a power loss or a failing call
// leaves behind.
func New(seed uint64) *Disk {
	m := &media{rng: numbers(seed), root: newFolder(), offAfter: -1}
	return &Disk{media: m, locks: map[string]bool{}}
}

func numbers(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // A test must be able to repeat them.
}

// OnOp sets a function that is asked before each call; the error that it returns is
// the call's. It must not use the disk.
func (d *Disk) OnOp(f func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onOp = f
}

// SetCapacity bounds the bytes of all files; 0 takes the bound away. A write that
// finds no space has written as much as fits. When allocation is delayed, writes
// succeed and the sync fails.
func (d *Disk) SetCapacity(bytes int64, delayed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity, d.delayed = bytes, delayed
}

// Used returns the bytes of all files.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.root.bytes()
}

// Ops returns how many calls there were.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// PowerOffAfter lets n more calls through. All others return ErrPower and do nothing.
func (d *Disk) PowerOffAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offAfter = d.ops + n
}

// Kill ends the process that uses the disk and returns it for the next one.
func (d *Disk) Kill() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	d.offAfter, d.onOp = -1, nil
	return &Disk{media: d.media, locks: map[string]bool{}}
}

// PowerLoss ends the machine and returns what the next start finds on its disk.
func (d *Disk) PowerLoss() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	m := &media{rng: numbers(d.rng.Uint64()), offAfter: -1, capacity: d.capacity, delayed: d.delayed, ops: d.ops}
	m.root = d.root.afterPowerLoss(d.rng)
	return &Disk{media: m, locks: map[string]bool{}}
}

// begin is called with mu held before a call is carried out.
func (d *Disk) begin(kind Kind, path string) error {
	return d.beginAt(Op{Kind: kind, Path: path})
}

func (d *Disk) beginAt(op Op) error {
	if d.dead || d.offAfter >= 0 && d.ops >= d.offAfter {
		return ErrPower
	}
	d.ops++
	if d.onOp != nil {
		return d.onOp(op)
	}
	return nil
}

// free returns how many bytes fit.
func (m *media) free() int64 {
	if m.capacity == 0 {
		return 1 << 62
	}
	return m.capacity - m.root.bytes()
}

// folderOf returns the folder that has a path's last name.
func (m *media) folderOf(path string) (*folder, string, error) {
	dir, name := filepath.Split(filepath.Clean(path))
	f, err := m.folder(dir)
	return f, name, err
}

func (m *media) folder(path string) (*folder, error) {
	path = filepath.Clean(path)
	if path == "." || path == string(filepath.Separator) {
		return m.root, nil
	}
	above, name, err := m.folderOf(path)
	if err != nil {
		return nil, err
	}
	switch n := above.names[name].(type) {
	case *folder:
		return n, nil
	case nil:
		return nil, syscall.ENOENT
	default:
		return nil, syscall.ENOTDIR
	}
}
