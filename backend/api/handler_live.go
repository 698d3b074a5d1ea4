package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/live"
)

// GetLive answers GET /live.
func (s server) GetLive(c *gin.Context, params spec.GetLiveParams) {
	if s.live.Hub == nil {
		s.problem(c, elsewhere("this process does not tell live counters: ask a server, with live.enabled"))
		return
	}
	stream, err := wantsStream(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	q, err := askedLive(params, stream)
	if err != nil {
		s.fail(c, err)
		return
	}
	if stream {
		s.streamLive(c, q, params.LastEventID)
		return
	}
	r := q.request(time.Now())
	answer, err := s.liveNow(c, &q)
	rows := 0
	if err == nil {
		rows = 1 + len(answer.Workflows)
	}
	if failed := s.live.Scope.RecordLive(c.Request.Context(), principal(c), r, rows, err); failed != nil {
		err = failed
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.json(c, answer)
}

// liveNow is the answer at this moment.
func (s server) liveNow(c *gin.Context, q *liveQuestion) (*liveAnswer, error) {
	ctx := c.Request.Context()
	scope, err := s.live.Scope.LiveScope(ctx, principal(c), q.request(time.Now()))
	if err != nil {
		return nil, err
	}
	view, err := q.view(&scope)
	if err != nil {
		return nil, err
	}
	w := s.live.Hub.Open(view)
	now, err := w.Refresh(ctx)
	if errors.Is(err, live.ErrAway) {
		s.log.WarnContext(ctx, "live counters", "error", err)
		return nil, Busy("redis_away", live.ErrAway.Error(), 5)
	}
	if err != nil {
		return nil, err
	}
	return liveAnswerOf(w.At(now), &scope), nil
}

// streamLive answers with a stream, if there may be another.
func (s server) streamLive(c *gin.Context, q liveQuestion, lastID *string) {
	last, err := eventID(lastID)
	if err != nil {
		s.fail(c, err)
		return
	}
	leave, err := s.streams.enter(principal(c))
	if err != nil {
		s.fail(c, err)
		return
	}
	defer leave()
	st := &liveStream{API: s.API, c: c, q: q, p: principal(c), last: last, control: http.NewResponseController(c.Writer)}
	if err := st.open(); err != nil {
		s.fail(c, err)
		return
	}
	c.Set(streamKey, true)
	st.run()
}
