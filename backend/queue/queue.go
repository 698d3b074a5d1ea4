// Package queue is the contract of the durable log between the collector's
// receivers and its sink. backend/queue/wal implements it in a folder,
// backend/queue/kafka as a topic of several partitions.
//
// The log fixes the order of events: every record gets a version when it is
// accepted, and of two records for the same event the higher version wins.
package queue

import (
	"context"
	"errors"
)

// ErrFull says that the log has reached its size limit. The caller answers 503
// with Retry-After; nothing of the request was kept.
var ErrFull = errors.New("the log is full")

// ErrClosed says that the log was closed.
var ErrClosed = errors.New("the log is closed")

// Version orders records: microseconds since the Unix epoch at which the log
// accepted the record, made unique and strictly increasing by the log, also
// across restarts and when the clock is set back.
type Version uint64

// UnixMilli returns the receipt time that the version carries.
func (v Version) UnixMilli() int64 { return int64(v / 1000) }

// Record is one event in the log, in event.AppendBinary's encoding.
type Record struct {
	Version   Version
	Partition int32  // of the log that has several; versions are unique in one
	Data      []byte // owned by the caller
}

// Appender puts events into the log.
type Appender interface {
	// Append returns nil when all records are durable, all of them or none.
	// When it returns an error the caller must not acknowledge; the records may
	// or may not come out of the log later, which is harmless because events
	// are idempotent.
	Append(ctx context.Context, records [][]byte) error
}

// Consumer takes events out of the log. One goroutine uses it at a time.
type Consumer interface {
	// Fetch returns the records after the last fetched ones: at least one, at
	// most limit, or an empty slice when ctx ends. It waits for the first only.
	Fetch(ctx context.Context, limit int) ([]Record, error)
	// Commit says that everything fetched so far is stored elsewhere, durably,
	// and may be forgotten. What was fetched and not committed comes again
	// after a restart.
	Commit(ctx context.Context) error
}

// Ahead is a Consumer from which one goroutine may fetch while another stores and
// commits what was fetched before.
type Ahead interface {
	Consumer
	// CommitFirst is Commit for the first n records of those that were fetched and
	// not committed. Records that one Fetch returned are committed together.
	CommitFirst(ctx context.Context, n int) error
}

// Shared is a Consumer whose records may become another consumer's before they are
// committed: they come to that one too, under the same versions.
type Shared interface {
	Consumer
	// Wanted reports that others wait for what was fetched to be committed or
	// released. Fetch then returns nothing more before that.
	Wanted() bool
	// Holds reports whether what was fetched and not committed is still this
	// consumer's.
	Holds(ctx context.Context) bool
	// Release gives back what was fetched and not committed: it comes again, here
	// or there. No Fetch may be under way.
	Release()
}
