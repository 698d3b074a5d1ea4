package kafka

import (
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// position is a place between two records of a partition.
type position struct {
	offset  int64         // of the record behind it
	version queue.Version // of the record before it
	at      time.Time     // append time of that record
}

// after returns the position behind a record. The version is a function of the
// record and the position before it, so it is the same whenever it is read.
func (p position) after(r *kgo.Record) position {
	return position{
		offset:  r.Offset + 1,
		version: max(p.version+1, queue.Version(max(0, r.Timestamp.UnixMicro()))),
		at:      r.Timestamp,
	}
}

// partition is how far one is.
type partition struct {
	fetched   position
	committed position
	end       int64 // offset that the brokers will give the next record, as far as is known
}

// span is what one fetch brought of one partition.
type span struct {
	partition int32
	of        *partition // the assignment in which it was fetched
	records   int
	from, to  position
}

const versionPrefix = "version="

// formatVersion makes the metadata of a committed offset.
func formatVersion(v queue.Version) string {
	return versionPrefix + strconv.FormatUint(uint64(v), 10)
}

// parseVersion returns 0 for what somebody else committed, with a tool say: then the
// append times order the records.
func parseVersion(metadata string) queue.Version {
	v, err := strconv.ParseUint(strings.TrimPrefix(metadata, versionPrefix), 10, 64)
	if err != nil {
		return 0
	}
	return queue.Version(v)
}

// PartitionStats are figures about a partition that a consumer has.
type PartitionStats struct {
	Partition int32
	Pending   int64         // records that are not committed, as far as is known
	Lag       time.Duration // age of the last committed record while there are newer ones
}

// Stats are figures about a consumer.
type Stats struct {
	Partitions []PartitionStats
	Losses     int64 // times that the brokers said they had lost records
}

// Stats returns the current figures.
func (c *Consumer) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{Losses: c.losses.Load()}
	for n, p := range c.partitions {
		one := PartitionStats{Partition: n, Pending: max(0, p.end-p.committed.offset)}
		if from := p.committed.at; one.Pending > 0 {
			if from.IsZero() {
				from = p.fetched.at
			}
			if !from.IsZero() {
				one.Lag = max(0, time.Since(from))
			}
		}
		s.Partitions = append(s.Partitions, one)
	}
	return s
}
