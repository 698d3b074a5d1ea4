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
// # Segments
//
// A segment is written by one run of one process, from its first byte to its last, and
// never changed afterwards. Its header names the segment before it and where that one
// ended, which makes the log a chain: what a crash left behind that end is known for
// what it is and can stay, and a file that is missing, or was cut off between two
// frames, is noticed. A new run makes its first segment with its first Append, so a
// start needs no space on the disk.
//
// # What is known to be durable
//
// A frame in front of another frame was durable before the other one was written. For
// the last frames the position file has a mark, written at each Commit, within
// markEvery of an Append, and when the log is closed: everything in front of it was
// durable. What is broken there is damage, and what is missing is lost, whatever it
// looks like. Behind the mark the last group may be torn, and only what a torn write
// can have left (see tearExplains) is taken for that.
//
// # Faults
//
//   - The process dies: what was written and not answered may come out later.
//   - Power fails: the last group may be torn. It was never answered; it is logged,
//     ignored, and stays where it is. What the process wrote last is written again at
//     the next start before anybody sees it: the kernel's cache may show what never
//     came to the disk.
//   - Bytes rot, files vanish: New returns a DamagedError and changes nothing. Salvage
//     brings everything else into a new folder and says what is lost.
//   - write or sync fails: the state of the file is unknown, and a second fsync may
//     succeed without having written a thing. The log refuses all further work
//     and closes Failed, upon which the process should exit and recover.
//   - The disk is full: the group is undone and its Appends get queue.ErrFull. The
//     log goes on. Consuming needs no space.
//
// The position may lag behind what was consumed: records come again, which is
// harmless because events are idempotent. docs/log.md has the files' format and what
// these promises were tried against.
package wal
