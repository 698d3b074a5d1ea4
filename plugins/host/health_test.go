//go:build linux

package host_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// A program of one thread does not say how it is while it works on a call.
func TestAPluginAtWorkIsLeftAlone(t *testing.T) {
	r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "", false)})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	working := r.pid(t)
	freeze(t, working)
	answer := make(chan error, 1)
	go func() { answer <- r.enrich(t, `{}`) }()
	r.eventually(t, "it is asked how it is", func() bool { return strings.Contains(r.log.String(), "is at work and does not say how it is") })
	require.NoError(t, r.Err())
	require.NoError(t, syscall.Kill(working, syscall.SIGCONT))
	require.NoError(t, <-answer)
	assert.Zero(t, restarts(r))
	assert.Equal(t, working, r.pid(t))
}

func TestASilentPluginIsStartedAgain(t *testing.T) {
	for name, asked := range map[string]bool{"at rest": false, "asked by those who go away": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "", false), Timeout: time.Second})
			r.eventually(t, "it starts", func() bool { return r.Err() == nil })
			frozen := r.pid(t)
			freeze(t, frozen)
			if asked {
				for range 4 {
					go func() {
						for r.Err() == nil {
							ctx, cancel := context.WithCancel(t.Context())
							time.AfterFunc(300*time.Millisecond, cancel)
							_ = r.enrichWithin(ctx, `{}`)
						}
					}()
				}
			}
			r.eventually(t, "another is up", func() bool { return r.pid(t) != frozen && r.Err() == nil })
			assert.Contains(t, r.log.String(), "it is not healthy: it has not said so within 3s")
		})
	}
}
