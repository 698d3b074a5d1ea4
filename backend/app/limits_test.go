package app_test

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/servertest"
)

// A key that has used up what it may gets 429 with Retry-After, for events and
// for questions, whether its limit is counted in Redis or in the process; other
// keys and Redis' absence change nothing for anybody else.
func TestLimits(t *testing.T) {
	server := servertest.Redis(t)
	for name, env := range map[string][]string{"in the process": nil, "in Redis": {"FLOWGAUGE_REDIS__ADDR=" + server.Addr()}} {
		t.Run(name, func(t *testing.T) {
			s := upAs(t, t.TempDir(), func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, env...) })
			// Four events, which come back so slowly that no test sees it.
			sender := strings.TrimSpace(s.keys("create", "--name", "s", "--events-per-second", "0.0001", "--burst", "40000s"))
			reader := strings.TrimSpace(s.keys("create", "--name", "r", "--scope", "read", "--requests-per-second", "0.0001", "--burst", "20000s"))
			s.until(http.StatusOK, reader, http.MethodGet, "/api/v1/analytics/catalogue", "")
			assert.Equal(t, http.StatusAccepted, s.status(sender, http.MethodPost, "/api/v1/events", "["+oneEvent+","+oneEvent+","+oneEvent+"]"))
			for _, body := range []string{oneEvent, oneEvent, "[" + oneEvent + "," + oneEvent + "]"} {
				answer := s.send(sender, http.MethodPost, "/api/v1/events", body)
				if body == oneEvent && answer.StatusCode == http.StatusAccepted {
					continue // the fourth
				}
				assert.Equal(t, http.StatusTooManyRequests, answer.StatusCode)
				assert.NotEmpty(t, answer.Header.Get("Retry-After"))
				assert.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"))
			}
			assert.Equal(t, http.StatusOK, s.status(reader, http.MethodGet, "/api/v1/analytics/catalogue", ""))
			assert.Equal(t, http.StatusTooManyRequests, s.status(reader, http.MethodGet, "/api/v1/analytics/catalogue", ""))
			assert.Equal(t, http.StatusAccepted, s.status(s.key(), http.MethodPost, "/api/v1/events", "["+oneEvent+","+oneEvent+"]"))
			if env == nil {
				return
			}
			server.Kill(t)
			assert.Equal(t, http.StatusAccepted, s.status(sender, http.MethodPost, "/api/v1/events", oneEvent), "not the sender's trouble")
			_, metrics := s.call(http.MethodGet, "/metrics", "", nil)
			require.Contains(t, string(metrics), "flowgauge_limit_unchecked_total 1\n")
		})
	}
}
