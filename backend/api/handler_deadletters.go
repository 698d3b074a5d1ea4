package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/query"
)

const (
	defaultLetters = 100
	defaultPayload = 4 << 10
)

var letterStates = []string{"open", "replayed", "discarded"}

// ListDeadLetters answers GET /dead-letters.
func (s server) ListDeadLetters(c *gin.Context, params spec.ListDeadLettersParams) {
	if !s.lettersHere(c) {
		return
	}
	f, page, err := letterRequest(params)
	if err != nil {
		s.fail(c, err)
		return
	}
	letters, next, err := s.letters.List(c.Request.Context(), principal(c), f, page)
	if err != nil {
		s.fail(c, err)
		return
	}
	if letters == nil {
		letters = []DeadLetter{}
	}
	answer := gin.H{"data": letters}
	if next != "" {
		answer["next"] = next
	}
	c.JSON(http.StatusOK, answer)
}

// GetDeadLetter answers GET /dead-letters/{id}.
func (s server) GetDeadLetter(c *gin.Context, id string) {
	if s.lettersHere(c) {
		s.letter(c, id, s.letters.Get)
	}
}

// DiscardDeadLetter answers DELETE /dead-letters/{id}.
func (s server) DiscardDeadLetter(c *gin.Context, id string) {
	if s.lettersHere(c) {
		s.letter(c, id, s.letters.Discard)
	}
}

func (s server) letter(c *gin.Context, id string, get func(context.Context, access.Principal, string) (DeadLetter, error)) {
	l, err := get(c.Request.Context(), principal(c), id)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"data": l})
}

func letterRequest(params spec.ListDeadLettersParams) (f DeadLetterFilter, page DeadLetterPage, err error) {
	g := read(params)
	r, err := g.request(query.Request{})
	f = DeadLetterFilter{
		From: r.From, To: r.To, Sources: g.lists["source"], Kinds: g.lists[kindParam], Codes: g.lists["code"],
		Fields: g.lists["field"], Keys: g.lists["key"], States: g.lists["state"], Search: g.text["search"],
	}
	page = DeadLetterPage{Cursor: g.text["cursor"], Limit: defaultLetters, Payload: defaultPayload}
	if params.Limit != nil {
		page.Limit = *params.Limit
	}
	if params.Payload != nil {
		page.Payload = *params.Payload
	}
	if err == nil {
		err = f.check()
	}
	return f, page, err
}

// check looks for what would match nothing.
func (f *DeadLetterFilter) check() error {
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return invalid("to", f.To.Format(time.RFC3339), "must be later than from: the end of the period is exclusive", "")
	}
	for _, s := range f.States {
		if !slices.Contains(letterStates, s) {
			return invalid("state", s, "no such state", letterStates[0], letterStates...)
		}
	}
	return nil
}
