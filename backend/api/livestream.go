package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/live"
	"github.com/flowgauge/flowgauge/backend/query"
)

const (
	mediaEvents = "text/event-stream"
	// streamKey marks requests whose duration says nothing about the server.
	streamKey = "flowgauge.stream"
	// writeFor is how long a reader may take to take a message.
	writeFor = 20 * time.Second
	// mayBeUnknown is how long a stream goes on while it cannot be found out who reads it.
	mayBeUnknown = time.Minute
)

// liveStream is one stream of live counters.
//
//	open ──> missed messages ──> counters … counters ──> end
//	  └ record                      each interval          └ record
type liveStream struct {
	*API
	c       *gin.Context
	control *http.ResponseController
	q       liveQuestion
	p       access.Principal
	scope   query.LiveScope
	window  *live.Window
	last    int64 // the moment of the last message, in Unix ms; 0: none

	began    time.Time
	known    time.Time // when it was last known who reads
	wrote    time.Time
	messages int
	away     bool
}

// eventID reads the id of a message, the moment that it is of.
func eventID(header *string) (int64, error) {
	if header == nil || *header == "" {
		return 0, nil
	}
	ms, err := strconv.ParseUint(*header, 10, 63)
	if err != nil || len(*header) > 15 {
		return 0, invalid("Last-Event-ID", *header, "must be the id of a message", "1774699200000")
	}
	return int64(ms), nil
}

// open finds out what the caller may see, and keeps the record that it looks on.
func (s *liveStream) open() error {
	s.began = time.Now()
	s.known = s.began
	err := s.look()
	if failed := s.record(0, err); failed != nil {
		return failed
	}
	return err
}

// look opens a window within what the caller may see now.
func (s *liveStream) look() error {
	ctx := s.c.Request.Context()
	scope, err := s.live.Scope.LiveScope(ctx, s.p, s.q.request(time.Now()))
	if err != nil {
		return err
	}
	if s.window != nil && scope.Same(&s.scope) {
		return nil
	}
	view, err := s.q.view(&scope)
	if err != nil {
		return err
	}
	s.scope, s.window = scope, s.live.Hub.Open(view)
	return nil
}

func (s *liveStream) record(rows int, err error) error {
	r := s.q.request(time.Now())
	if rows > 0 {
		r.From = s.began.Add(-s.q.window)
	}
	return s.live.Scope.RecordLive(s.c.Request.Context(), s.p, r, rows, err)
}

// run writes messages until the reader leaves, may read no more, or the server stops.
func (s *liveStream) run() {
	h := s.c.Writer.Header()
	h.Set("Content-Type", mediaEvents)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies that wait for a full buffer would show nothing
	s.c.Status(http.StatusOK)
	defer func() {
		_ = s.control.SetWriteDeadline(time.Time{}) // the connection may be used again
		if s.messages > 0 {
			if err := s.record(s.messages, nil); err != nil {
				s.log.Warn("the end of a stream is not recorded", "error", err)
			}
		}
	}()
	if s.write("retry: 3000\n\n") != nil || s.tell() != nil {
		return
	}
	tick, again, beat := time.NewTicker(s.q.interval), time.NewTicker(s.live.Again), time.NewTicker(s.live.Heartbeat)
	defer tick.Stop()
	defer again.Stop()
	defer beat.Stop()
	for {
		var err error
		select {
		case <-s.c.Request.Context().Done():
			return
		case <-s.streams.closing:
			_ = s.end(&Problem{Type: problemType("closing"), Title: "Closing", Status: http.StatusServiceUnavailable, Detail: "the server stops: connect again"})
			return
		case <-again.C:
			if p := s.ask(); p != nil {
				_ = s.end(p)
				return
			}
		case <-tick.C:
			err = s.tell()
		case <-beat.C:
			if time.Since(s.wrote) >= s.live.Heartbeat {
				err = s.write(": \n\n")
			}
		}
		if err != nil {
			return // The reader is gone, or reads too slowly.
		}
	}
}

// ask finds out anew who reads and what they may see.
func (s *liveStream) ask() *Problem {
	p, err := s.auth.Authenticate(s.c.Request)
	switch {
	case err != nil && s.denied(err):
		return &Problem{Type: problemType("unauthenticated"), Title: "Unauthenticated", Status: http.StatusUnauthorized, Detail: err.Error()}
	case err == nil && !p.Allows(access.ScopeRead):
		return Refused(http.StatusForbidden, "forbidden", "the key may not read any more")
	case err == nil:
		s.p = p
		if err = s.look(); err == nil {
			s.known = time.Now()
			return nil
		}
		if answer := problemOf(err); answer.Status < http.StatusInternalServerError {
			return answer
		}
	}
	if time.Since(s.known) < mayBeUnknown {
		return nil
	}
	s.log.Warn("a stream ends", "error", err)
	return Busy("", "who reads cannot be found out now: connect again later", 5)
}

// tell writes the messages that are due: those missed, then that of now.
func (s *liveStream) tell() error {
	now, err := s.window.Refresh(s.c.Request.Context())
	if err != nil {
		if s.c.Request.Context().Err() != nil {
			return err
		}
		if !s.away && errors.Is(err, live.ErrAway) {
			s.log.Warn("live counters", "error", err)
		}
		s.away = true
		return s.message(0, s.q.away(time.Now().UTC())) // without an id: it stands at the last one
	}
	s.away = false
	for _, at := range s.missed(now) {
		if err := s.counters(at); err != nil {
			return err
		}
	}
	return s.counters(now)
}

// missed are the moments between the last message and now of which the counts are still
// known, an interval apart. They are of a stream that is taken up again, and of one that
// could not see for a while.
func (s *liveStream) missed(now int64) (moments []int64) {
	interval := s.q.interval.Milliseconds()
	if s.last <= 0 || s.last > now {
		return nil
	}
	first := s.last + interval
	if oldest := now - (live.Longest - s.q.window).Milliseconds(); first < oldest {
		first += (oldest - first + interval - 1) / interval * interval
	}
	for at := first; at <= now-interval/2; at += interval {
		moments = append(moments, at)
	}
	return moments
}

func (s *liveStream) counters(at int64) error {
	s.last = at
	return s.message(at, liveAnswerOf(s.window.At(at), &s.scope))
}

func (s *liveStream) message(id int64, a *liveAnswer) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	text := "event: counters\n"
	if id > 0 {
		text += "id: " + strconv.FormatInt(id, 10) + "\n"
	}
	s.messages++
	return s.write(text + "data: " + string(data) + "\n\n")
}

func (s *liveStream) end(p *Problem) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return s.write("event: end\ndata: " + string(data) + "\n\n")
}

// write sends at once, whatever time the server gives to answers.
func (s *liveStream) write(text string) error {
	s.wrote = time.Now()
	if err := s.control.SetWriteDeadline(s.wrote.Add(writeFor)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.c.Writer.WriteString(text); err != nil {
		return err
	}
	return s.control.Flush()
}
