package receive

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/event"
)

// Replay is how a dead letter is sent again, by whoever has made sure that they may:
// a request to the path that it came to, whose context carries a Replay, is not
// asked who sends it. The payload takes the way of any other, as a whole or not at
// all: when anything of it is rejected, nothing is kept, no other dead letter either.
type Replay struct {
	Who         Principal
	ContentType string
	DryRun      bool // decode and check, and keep nothing

	// What became of it, once the request was answered.
	Outcome Outcome
	Events  []event.Identity // that were accepted, or would be; the first of them
}

// maxReplayed is how many identities a Replay lists.
const maxReplayed = 100

type replayKey struct{}

// WithReplay returns a context for the request that sends a dead letter again.
func WithReplay(ctx context.Context, r *Replay) context.Context {
	return context.WithValue(ctx, replayKey{}, r)
}

func replayOf(ctx context.Context) *Replay {
	r, _ := ctx.Value(replayKey{}).(*Replay)
	return r
}

// The refusals of a replay.
var (
	stillRejected = &Refusal{
		Status: http.StatusUnprocessableEntity, Code: "still_rejected",
		Detail: "the payload is rejected again, and nothing of it was taken; the errors say why",
	}
	nothingKept = &Refusal{
		Status: http.StatusUnprocessableEntity, Code: "nothing_kept",
		Detail: "the payload is well, and holds nothing that is kept",
	}
)

// replay ends the request of a Replay. It returns false when the queue may still
// hold on to the batch.
func (r *Receiver) replay(c *gin.Context, p Protocol, m Message, b *batch, why *Refusal) bool {
	again, released := replayOf(c.Request.Context()), true
	switch {
	case why != nil:
		b.receipt = Receipt{} // The payload is at fault, not one of its events.
	case b.receipt.rejected() > 0:
		why = stillRejected
	case b.receipt.Accepted == 0:
		why = nothingKept
	case !again.DryRun:
		why = r.keep(c.Request, b, m.Who)
		released = why == nil
	}
	again.Outcome = Outcome{Refusal: why, Ignored: b.ignored, Receipt: b.receipt}
	// The body's memory, which texts point into, is used again.
	again.Outcome.Errors = slices.Clone(b.receipt.Errors)
	for i := range again.Outcome.Errors {
		e := &again.Outcome.Errors[i]
		e.ID, e.Field, e.Message = strings.Clone(e.ID), strings.Clone(e.Field), strings.Clone(e.Message)
	}
	if why == nil {
		for _, known := range b.seen.known[:min(len(b.seen.known), maxReplayed)] {
			id := known.Identity
			id.Tenant, id.ID = strings.Clone(id.Tenant), strings.Clone(id.ID)
			again.Events = append(again.Events, id)
		}
	}
	r.answer(c, p, m, &Outcome{Refusal: why, Ignored: b.ignored, Receipt: b.receipt})
	return released
}
