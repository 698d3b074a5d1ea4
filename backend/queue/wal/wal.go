// Package wal is the durable log as files in one folder: queue.Appender and
// queue.Consumer for an installation without Kafka.
//
//	Append ─┐
//	Append ─┼─> batch ──(one write, one fdatasync)──> active segment ─> Fetch ─> Commit
//	Append ─┘                                         older segments ─┘      └> position
//
// # Group commit
//
// A sync takes as long for one record as for ten thousand. Appends copy their
// records into the batch that is being gathered; a single goroutine, the
// committer, takes the batch, writes it as one frame, syncs, and answers everyone
// in it. While it syncs, the next batch gathers. Nobody waits for a batch to fill:
// an Append that finds the committer idle is written at once.
//
// A frame has a checksum over all of it, so a group, and with it every request in
// it, is in the log as a whole or not at all.
//
// # Versions
//
// The first record of a group gets max(now, last version + 1) in microseconds, each
// other the next number. The last version is known again after a restart from
// the newest frame, the segment's name or the position, whichever is highest, so
// versions go on rising when the clock was set back in between.
//
// # Faults
//
//   - The process dies: what was written and not answered may come out later.
//   - Power fails: the last frame may be torn. It was never answered; at the next
//     start it is cut off, kept beside the segment, and logged.
//   - Bytes rot: a frame that is broken although a later one is whole had been
//     synced, so it held acknowledged events. New returns a DamagedError and touches
//     nothing. A log that was closed ends in an empty frame, so that this holds
//     for its last group too.
//   - write or sync fails: the state of the file is unknown, and a second fsync may
//     succeed without having written a thing. The log refuses all further work
//     and closes Failed, upon which the process should exit and recover.
//   - The disk is full: the group is undone and its Appends get queue.ErrFull. The
//     log goes on.
//
// The position may lag behind what was consumed: records come again, which is
// harmless because events are idempotent.
package wal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// ErrLocked says that another process has the log's folder.
var ErrLocked = disk.ErrLocked

const lockName = "lock"

// The defaults of Options.
const (
	DefaultSegmentBytes = 64 << 20
	DefaultMaxBytes     = 10 << 30
)

// Options say where the log is and how large it may get.
type Options struct {
	Dir          string // created if absent
	SegmentBytes int64  // a segment that reaches it is followed by a new one; DefaultSegmentBytes if 0
	MaxBytes     int64  // Append returns queue.ErrFull beyond it; DefaultMaxBytes if 0
	Logger       *slog.Logger
	Now          func() time.Time // time.Now if nil

	disk disk.FS // another one in tests
}

// Validate fills in the defaults and says what is wrong.
func (o *Options) Validate() error {
	if o.Dir == "" {
		return errors.New("wal: no folder")
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.SegmentBytes < 0 || o.MaxBytes < 2*o.SegmentBytes {
		return fmt.Errorf("wal: %d bytes in all do not hold two segments of %d bytes", o.MaxBytes, o.SegmentBytes)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.disk == nil {
		o.disk = disk.OS{}
	}
	return nil
}

// Log is a log in a folder. Append may be called by many goroutines; Fetch and
// Commit by one at a time.
type Log struct {
	opts Options
	lock io.Closer

	kick    chan struct{} // a batch has become non-empty, or the log closes
	arrived chan struct{} // records have become durable
	failed  chan struct{} // closed when err is set
	stopped chan struct{} // closed when the committer has ended

	file disk.File // of the active segment; the committer's alone

	consumer sync.Mutex // held by Fetch, but not while it waits, and by Commit
	read     reader

	mu       sync.Mutex
	segments []*segment // by base; the last is the active one
	gather   *batch     // takes Appends
	spare    []byte     // a buffer for the next batch
	total    int64      // bytes of all segments
	reserved int64      // bytes of batches that are not durable yet
	last     uint64     // the highest version given out
	position uint64     // everything up to this version is consumed
	pending  int64      // durable records behind position
	oldest   uint64     // version of the first of them; 0 when there is none
	closed   bool
	err      error // why the log refuses work
}

var (
	_ queue.Appender = (*Log)(nil)
	_ queue.Consumer = (*Log)(nil)
)

// New opens the log in a folder, which it locks, recovers what is in it, and
// starts the committer. It returns an error that wraps ErrDamaged when
// acknowledged records are broken, and one that wraps ErrLocked when another
// process has the folder.
func New(opts Options) (*Log, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if err := disk.MkdirAll(opts.disk, opts.Dir); err != nil {
		return nil, fmt.Errorf("create log folder: %w", err)
	}
	lock, err := opts.disk.Lock(filepath.Join(opts.Dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("lock log folder: %w", err)
	}
	l := &Log{
		opts:    opts,
		lock:    lock,
		kick:    make(chan struct{}, 1),
		arrived: make(chan struct{}, 1),
		failed:  make(chan struct{}),
		stopped: make(chan struct{}),
		gather:  newBatch(nil),
	}
	if err := l.recover(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	l.read = reader{log: l, skip: l.position, last: l.position}
	go l.run()
	return l, nil
}

// Failed is closed when the log refuses all further work because a write or a
// sync has failed; Err then says why. The process should exit.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err returns why the log refuses work, or nil.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close makes durable what was appended, and gives the folder free. Appends and
// Fetches under way return.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	signal(l.kick)
	<-l.stopped
	l.consumer.Lock()
	defer l.consumer.Unlock()
	l.read.close()
	return errors.Join(l.file.Close(), l.lock.Close())
}

// Stats are figures about the log.
type Stats struct {
	Bytes       int64 // of all segments
	Segments    int
	Pending     int64         // durable records that are not committed
	OldestAge   time.Duration // since the first of them was accepted
	LastVersion queue.Version
}

// Stats returns the current figures.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{Bytes: l.total, Segments: len(l.segments), Pending: l.pending, LastVersion: queue.Version(l.last)}
	if l.pending > 0 && l.oldest > 0 {
		s.OldestAge = max(0, l.opts.Now().Sub(time.UnixMicro(int64(l.oldest))))
	}
	return s
}

// signal wakes the receiver of c, which has room for one, if it is not awake.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
