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
	MaxBytes     int64  // Append returns queue.ErrFull beyond it, a consumed newest segment not counted; DefaultMaxBytes if 0
	Keys         *Keys  // encrypt the log; nil leaves new segments in the clear
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

	kick     chan struct{} // a batch has become non-empty, or the log closes or has failed
	arrived  chan struct{} // records have become durable
	unmarked chan struct{} // the same, for the keeper
	failed   chan struct{} // closed when err is set
	stopped  chan struct{} // closed when the committer has ended
	kept     chan struct{} // closed when the keeper has ended

	// The committer's alone.
	active *segment // nil until the first Append
	file   disk.File
	undo   func() error // what must be done before anything is written
	full   bool         // the last group found no room

	consumer sync.Mutex // held by Fetch, but not while it waits, and by Commit
	read     reader

	positions *position

	mu       sync.Mutex
	segments []*segment // by base; what is behind the end of the last is not the log's
	gather   *batch     // takes Appends
	spare    []byte     // a buffer for the next batch
	total    int64      // bytes of all segments
	reserved int64      // bytes of batches that are not durable yet
	last     uint64     // the highest version given out
	position uint64     // everything up to this version is consumed
	pending  int64      // durable records behind position
	oldest   uint64     // version of the first of them; 0 when there is none
	held     bool       // the end of the newest segment may not be durable
	closed   bool
	err      error // why the log refuses work
}

var (
	_ queue.Appender = (*Log)(nil)
	_ queue.Ahead    = (*Log)(nil)
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
		opts:     opts,
		lock:     lock,
		kick:     make(chan struct{}, 1),
		arrived:  make(chan struct{}, 1),
		unmarked: make(chan struct{}, 1),
		failed:   make(chan struct{}),
		stopped:  make(chan struct{}),
		kept:     make(chan struct{}),
		gather:   newBatch(nil),
	}
	if err := l.recover(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l.read = reader{log: l, skip: l.position, last: l.position}
	signal(l.unmarked)
	go l.run()
	go l.keep()
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
	<-l.kept
	l.consumer.Lock()
	defer l.consumer.Unlock()
	l.read.close()
	err := l.finish()
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	return errors.Join(err, l.positions.close(), l.lock.Close())
}

// finish leaves the mark at the end of the log.
func (l *Log) finish() error {
	if l.Err() != nil {
		return nil // The mark is not worth a write to a disk that fails.
	}
	if err := l.clean(); err != nil {
		return err
	}
	return l.positions.write(l.mark)
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
