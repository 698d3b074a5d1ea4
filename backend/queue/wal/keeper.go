package wal

import (
	"time"
)

// markEvery is how far the mark lags behind what is durable, at most. It is one small
// write and one sync in that time, and none while nothing is appended.
const markEvery = time.Second

// keep writes the mark into the position file: what was durable then. Recovery takes
// what is broken in front of it for damage, and what is missing for lost, whatever
// it looks like.
func (l *Log) keep() {
	defer close(l.kept)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.unmarked:
		case <-l.stopped:
			return
		}
		timer.Reset(markEvery)
		select {
		case <-timer.C:
		case <-l.stopped:
			return
		}
		switch err := l.positions.write(l.mark); {
		case noRoom(err):
			signal(l.unmarked)
		case err != nil:
			l.fail(err)
		}
	}
}

// mark notes what is durable.
func (l *Log) mark(s *state) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.segments); n > 0 && !l.held {
		s.mark = l.segments[n-1].link()
	}
}
