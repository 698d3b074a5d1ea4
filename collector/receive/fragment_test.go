package receive

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

// told is a protocol whose lines are fragments of runs; an empty one is nothing. It
// remembers how many it answered to have ignored.
type told struct {
	native
	ignored *int
}

func (p told) Answer(m Message, o *Outcome) Answer {
	*p.ignored = o.Ignored
	return p.native.Answer(m, o)
}

func (told) Decode(m Message, _ event.Yield) *Refusal {
	for line := range strings.Lines(string(m.Body)) {
		if run := strings.TrimSpace(line); run == "" {
			m.Ignore()
		} else {
			m.Fragment(&event.Fragment{Tenant: m.Who.Tenant, Run: run, Workflow: "w", Duration: event.NoDuration})
		}
	}
	return nil
}

func TestFragmentsAreKept(t *testing.T) {
	c := start(t, Limits{}, nil)
	router := gin.New()
	ignored := 0
	router.POST(Path, c.receiver.Handle(told{native{c.receiver}, &ignored}))
	c.server.Close()
	c.server = httptest.NewServer(router)
	t.Cleanup(c.server.Close)

	a := c.post(strings.NewReader("r1\nr2\n"))
	require.Equal(t, http.StatusAccepted, a.status)
	require.Equal(t, 2, a.Accepted)
	require.Zero(t, ignored)
	records, err := c.log.Fetch(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, records, 2)
	f, err := event.DecodeFragment(records[1].Data)
	require.NoError(t, err)
	require.Equal(t, event.Fragment{Tenant: "acme", Run: "r2", Workflow: "w", Duration: event.NoDuration}, f)
	require.InDelta(t, 2, c.metrics()["flowgauge_receive_events_total fragment accepted"], 0)

	a = c.post(strings.NewReader("\n"))
	require.Equal(t, http.StatusAccepted, a.status, "nothing to keep is nothing wrong")
	require.Zero(t, a.Accepted)
	require.Equal(t, 1, ignored)
}
