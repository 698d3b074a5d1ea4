package wal

import (
	"errors"
	"fmt"

	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// InspectOptions say which log to look at.
type InspectOptions struct {
	Dir   string
	Keys  *Keys       // without those that are needed, frames are checked by their checksums only
	Frame func(Frame) // is told of each whole frame, if set

	disk disk.FS
}

// Frame is a group of records in a segment.
type Frame struct {
	File        string
	From, To    int64 // bytes, the last one excluded
	Records     int
	First, Last queue.Version
}

// Report says what is in a log's folder.
type Report struct {
	Segments []SegmentReport
	Damage   []Damage
	Consumed queue.Version // everything up to it is stored elsewhere
	Marked   queue.Version // everything up to it was durable when the position was written last
	Position string        // what is wrong with the position file; empty when nothing is
	Records  int64
	Pending  int64 // of them, those that are not consumed
}

// SegmentReport says what is in a segment.
type SegmentReport struct {
	File        string
	State       string // consumed, whole, torn, damaged, unfinished, encrypted
	Size        int64
	Torn        int64 // bytes at the end of a group that nobody was told is kept
	Frames      int64
	Records     int64
	First, Last queue.Version // 0 without records
	Key         string        // hex, empty when it is not encrypted
	Format      int
	Spoilt      bool // one of the header's copies is broken
}

// The states of segments.
const (
	StateConsumed   = "consumed"
	StateWhole      = "whole"
	StateTorn       = "torn"
	StateDamaged    = "damaged"
	StateUnfinished = "unfinished"
	StateUnchecked  = "unchecked" // encrypted, and the key is not there
)

// Lost returns the damage that holds records which are nowhere else.
func (r *Report) Lost() (lost []Damage) {
	for _, d := range r.Damage {
		if !d.Consumed {
			lost = append(lost, d)
		}
	}
	return lost
}

// Inspect reads a log's folder, whole, and changes nothing. The log may be in use: then
// the group that is being written may look torn.
func Inspect(opts InspectOptions) (*Report, error) {
	if opts.disk == nil {
		opts.disk = disk.OS{}
	}
	f, err := readFolder(disk.Patient{FS: opts.disk}, opts.Dir, opts.Keys)
	if err != nil {
		return nil, err
	}
	return f.inspect(func(s *segment, at int64, g frame) error {
		if opts.Frame != nil {
			opts.Frame(Frame{
				File: s.path, From: at, To: at + int64(g.size), Records: g.count,
				First: queue.Version(g.first), Last: queue.Version(g.last()),
			})
		}
		return nil
	})
}

// inspect walks through the folder.
func (f *folder) inspect(visit func(s *segment, at int64, g frame) error) (*Report, error) {
	if len(f.segments) == 0 && f.unfinished == nil && f.position.lost() {
		return nil, fmt.Errorf("%s: %w", f.dir, errNoLog)
	}
	r := f.begin()
	reports := map[string]*SegmentReport{}
	for i := range r.Segments {
		reports[r.Segments[i].File] = &r.Segments[i]
	}
	err := f.walk(visitor{
		frame: func(s *segment, at int64, g frame) error {
			r.count(reports[s.path], g, f.position.state.consumed)
			return visit(s, at, g)
		},
		damage: func(d Damage) error {
			r.Damage = append(r.Damage, d)
			if s := reports[d.File]; s != nil {
				s.State = StateDamaged
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	r.Consumed = queue.Version(f.position.state.consumed)
	for _, s := range f.segments {
		sr := reports[s.path]
		if sr.State != StateDamaged && s.size > s.end {
			sr.Torn = s.size - s.end
			if sr.State == StateWhole {
				sr.State = StateTorn
			}
		}
	}
	return r, nil
}

var errNoLog = errors.New("there is no log in the folder")

// begin reports what is known without reading the segments.
func (f *folder) begin() *Report {
	r := &Report{Marked: queue.Version(f.position.state.mark.last), Position: f.position.trouble}
	add := func(s *segment, state string) {
		if s.broken {
			s.format = 0
		}
		r.Segments = append(r.Segments, SegmentReport{
			File: s.path, State: state, Size: s.size, Key: s.key, Format: int(s.format), Spoilt: s.spoilt,
		})
	}
	for _, s := range f.consumed {
		add(s, StateConsumed)
	}
	for _, s := range f.segments {
		if s.opaque {
			add(s, StateUnchecked)
		} else {
			add(s, StateWhole)
		}
	}
	if f.unfinished != nil {
		add(f.unfinished, StateUnfinished)
	}
	return r
}

func (r *Report) count(s *SegmentReport, g frame, consumed uint64) {
	s.Frames++
	if s.Records == 0 {
		s.First = queue.Version(g.first)
	}
	s.Last = queue.Version(g.last())
	s.Records += int64(g.count)
	r.Records += int64(g.count)
	r.Pending += g.behind(consumed)
}
