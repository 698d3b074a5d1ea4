package host

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAReloadDoesNotCutCallsWithinTheirTimeout(t *testing.T) {
	r, err := newRoom()
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		p := &Plugin{cfg: config{Use: Use{Timeout: 5 * time.Minute}}}
		proc := &process{room: r}
		proc.calls.Add(1)
		go proc.retire(t.Context(), p.drain())
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		assert.DirExists(t, r.dir)
		proc.calls.Done()
		synctest.Wait()
		assert.NoDirExists(t, r.dir)
	})
}

func TestACallThatNeverEndsKeepsNoProcess(t *testing.T) {
	for name, stops := range map[string]bool{"reload": false, "end of Flowgauge": true} {
		t.Run(name, func(t *testing.T) {
			r, err := newRoom()
			require.NoError(t, err)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				p := &Plugin{cfg: config{Use: Use{Timeout: 5 * time.Minute}}}
				proc := &process{room: r}
				proc.calls.Add(1)
				most := p.drain()
				if stops {
					cancel()
					most = lastCalls
				}
				go proc.retire(ctx, p.drain())
				time.Sleep(most)
				synctest.Wait()
				_, err := os.Stat(r.dir)
				require.ErrorIs(t, err, os.ErrNotExist)
				proc.calls.Done()
			})
		})
	}
}
