package receive

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

// again sends a body as a dead letter is sent again.
func (c *collector) again(body, contentType string, dryRun bool) *Replay {
	c.t.Helper()
	router := gin.New()
	c.receiver.Register(router)
	r := &Replay{Who: Principal{Tenant: "acme", KeyID: "admin"}, ContentType: contentType, DryRun: dryRun}
	router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(WithReplay(c.t.Context(), r), http.MethodPost, Path, strings.NewReader(body)))
	return r
}

func TestReplay(t *testing.T) {
	c := start(t, Limits{}, nil)
	r := c.again(good+"\n"+good2+"\n"+good, ndjson, true)
	require.Nil(t, r.Outcome.Refusal)
	require.Equal(t, 2, r.Outcome.Accepted)
	require.Len(t, r.Events, 2)
	require.Zero(t, c.log.Stats().Pending, "a dry run keeps nothing")

	r = c.again(good+"\n"+good2+"\n"+good, ndjson, false)
	require.Equal(t, 2, r.Outcome.Accepted)
	require.Equal(t, 1, r.Outcome.Duplicates)
	require.Equal(t, event.Identity{Tenant: "acme", Kind: event.KindActivity, ID: "a1", Time: 1717149600000}, r.Events[0])
	events, _ := c.stored()
	require.Len(t, events, 2)
	for _, dryRun := range []bool{true, false} {
		r = c.again("["+good+","+bad+"]", "application/json", dryRun)
		require.Equal(t, event.Code("still_rejected"), r.Outcome.Refusal.Code)
		require.Len(t, r.Outcome.Errors, 1)
		require.Equal(t, event.CodeInvalidTime, r.Outcome.Errors[0].Code)
		require.Empty(t, r.Events)

		r = c.again("[", "application/json", dryRun)
		require.Equal(t, event.CodeMalformedJSON, r.Outcome.Refusal.Code)
		require.Empty(t, r.Outcome.Errors)

		r = c.again(strings.Repeat(" ", 65<<20), "application/json", dryRun)
		require.Equal(t, event.Code("body_too_large"), r.Outcome.Refusal.Code)
	}
	require.Zero(t, c.log.Stats().Pending, "all of it or nothing, and no dead letter")
	require.InDelta(t, 0, c.metrics()["flowgauge_receive_events_total activity rejected"], 0)
}

func TestReplayIntoALogThatFails(t *testing.T) {
	r := start(t, Limits{}, &stub{err: errors.New("broken")}).again(good, "application/json", false)
	require.Equal(t, event.Code("log_unavailable"), r.Outcome.Refusal.Code)
	require.Empty(t, r.Events)
}

// What only the context says cannot be said by a header.
func TestNobodyReplaysFromOutside(t *testing.T) {
	c := start(t, Limits{}, nil)
	a := c.post(strings.NewReader(good), "Authorization", "", "Replay", "1", "X-Replay", "1")
	require.Equal(t, http.StatusUnauthorized, a.status)
}
