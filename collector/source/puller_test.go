package source_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/receivetest"
	"github.com/flowgauge/flowgauge/collector/source"
)

// pulled is a source that is asked.
type pulled struct {
	*running
	endpoint *receivetest.Endpoint
	registry *prometheus.Registry
	dir      string
	receiver *receive.Receiver
	ids      map[string]int // of the events in the log, with how often each is there
	letters  []event.DeadLetter
}

func newPulled(t *testing.T, settings map[string]any, timeout time.Duration) *pulled {
	t.Helper()
	p := &pulled{running: run(t, settings, timeout), registry: prometheus.NewRegistry(), dir: t.TempDir(), ids: map[string]int{}}
	p.endpoint = receivetest.ServeRoutes(t, func(_ gin.IRouter, receiver *receive.Receiver) { p.receiver = receiver })
	return p
}

// ask asks until holds is true.
func (p *pulled) ask(t *testing.T, m *source.Metrics, receiver *receive.Receiver, every time.Duration, holds func() bool) {
	t.Helper()
	puller, err := source.NewPuller(source.PullConfig{
		Config: source.Config{Plugin: p.Plugin, Receiver: receiver, Tenant: "acme", Logger: p.logger()}, Every: every, Dir: p.dir, Metrics: m,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		puller.Run(ctx)
	}()
	require.Eventually(t, holds, time.Minute, 10*time.Millisecond, "cursor %q\n%s", p.cursor(t), p.log)
	cancel()
	<-done
	stored := p.endpoint.Stored()
	for _, e := range stored.Events {
		assert.Equal(t, "acme", e.Tenant)
		p.ids[e.ID]++
	}
	p.letters = append(p.letters, stored.Letters...)
}

func (p *pulled) cursor(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "test-source.json"))
	if os.IsNotExist(err) {
		return ""
	}
	require.NoError(t, err)
	var kept struct{ Tenant, Cursor string }
	require.NoError(t, json.Unmarshal(text, &kept))
	assert.Equal(t, "acme", kept.Tenant)
	return kept.Cursor
}

func (p *pulled) count(outcome string) int {
	families, _ := p.registry.Gather()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "flowgauge_source_pulls_total" && m.GetLabel()[0].GetValue() == outcome {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return 0
}

func TestASourceIsAskedWhereItWasLeft(t *testing.T) {
	t.Parallel()
	p := newPulled(t, map[string]any{"total": 1000, "page": 70}, time.Minute)
	m := metrics(t, p.registry)
	p.ask(t, m, p.receiver, time.Hour, func() bool { return p.cursor(t) == "1000" })
	assert.Len(t, p.ids, 1000)
	asked := p.count("ok")
	p.ask(t, m, p.receiver, time.Second, func() bool { return p.count("ok") >= asked+2 })
	for id, n := range p.ids {
		require.Equal(t, 1, n, "%s: what was asked for is not asked for again", id)
	}
	last, err := testutil.GatherAndCount(p.registry, "flowgauge_source_last_success_timestamp_seconds")
	require.NoError(t, err)
	assert.Equal(t, 1, last)
	assert.NotContains(t, p.log.String(), "a source", "there is nothing to say of what goes well")
}

func TestAPullThatFailsLosesNothing(t *testing.T) {
	for how, c := range map[string]struct{ outcome, log string }{
		"crash":  {"failed", "its process has gone"},
		"panic":  {"failed", "its process has gone"},
		"hang":   {"failed", "no answer within"},
		"error":  {"failed", "hunter2"},
		"refuse": {"refused", "the signature is wrong"},
		"stuck":  {"failed", "gives the cursor that it was asked with"},
		"lost":   {"failed", "its answer has no cursor"},
		"long":   {"failed", "its cursor has 66560 bytes"},
		"big":    {"failed", "larger than max"},
		"tenant": {"failed", "is of another tenant"},
		"kind":   {"failed", "of the kind cost, which its manifest does not permit"},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			once := filepath.Join(t.TempDir(), "once")
			require.NoError(t, os.WriteFile(once, nil, 0o600))
			p := newPulled(t, map[string]any{"total": 30, "page": 10, "how": how, "at": "10", "once": once}, 2*time.Second)
			p.ask(t, metrics(t, p.registry), p.receiver, time.Second, func() bool { return p.cursor(t) == "30" })
			assert.NoFileExists(t, once, "it has misbehaved")
			require.Len(t, p.ids, 30, "the others are there, and nothing of the bad answer")
			assert.Empty(t, p.letters)
			assert.GreaterOrEqual(t, p.count(c.outcome), 1)
			assert.Contains(t, p.log.String(), c.log)
			assert.Equal(t, 1, strings.Count(p.log.String(), "a source cannot be asked"), p.log)
			assert.Equal(t, 1, strings.Count(p.log.String(), "a source gives events again"), p.log)
		})
	}
}

func TestWhatGoesOnFailingIsSaidOnce(t *testing.T) {
	p := newPulled(t, map[string]any{"total": 30, "page": 10, "how": "stuck", "at": "10"}, time.Minute)
	p.ask(t, metrics(t, p.registry), p.receiver, time.Second, func() bool { return p.count("failed") >= 2 })
	assert.Equal(t, "10", p.cursor(t))
	assert.Len(t, p.ids, 10)
	assert.Equal(t, 1, strings.Count(p.log.String(), "a source cannot be asked"), p.log)
}

func TestWhatIsPulledAndNotValidIsADeadLetter(t *testing.T) {
	t.Parallel()
	p := newPulled(t, map[string]any{"total": 30, "page": 10, "how": "bad", "at": "10"}, time.Minute)
	p.ask(t, metrics(t, p.registry), p.receiver, time.Hour, func() bool { return p.cursor(t) == "30" })
	assert.Len(t, p.ids, 30, "those beside them are taken, and the source goes on")
	require.Len(t, p.letters, 2)
	assert.Equal(t, event.CodeTimeOutOfRange, p.letters[0].Code)
	assert.Contains(t, string(p.letters[0].Payload), `"id":"late"`)
	assert.Equal(t, "/api/v1/events", p.letters[0].Path)
	assert.Equal(t, "plugin:test-source", p.letters[0].KeyID)
	assert.Equal(t, "acme", p.letters[0].Tenant)
	assert.Equal(t, "not json", string(p.letters[1].Payload))
	assert.Equal(t, 1, p.count("rejected"))
	assert.Contains(t, p.log.String(), "they are dead letters")
}

func TestAFullLogHoldsASourceBack(t *testing.T) {
	p := newPulled(t, map[string]any{"total": 20_000, "page": 1000}, time.Minute)
	log, err := wal.New(wal.Options{Dir: t.TempDir(), SegmentBytes: 64 << 10, MaxBytes: 256 << 10})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	receiver, err := receive.New(receive.Config{Queue: log, Auth: receivetest.Auth})
	require.NoError(t, err)
	m := metrics(t, p.registry)
	p.ask(t, m, receiver, time.Hour, func() bool { return p.count("held") >= 1 })
	var kept int
	_, err = fmt.Sscan(p.cursor(t), &kept)
	require.NoError(t, err)
	assert.Equal(t, log.Stats().Pending, int64(kept), "the cursor is that of what is in the log")
	assert.Less(t, kept, 20_000)
	assert.Contains(t, p.log.String(), "could not be kept; it is asked again\" plugin=test-source error=\"what was accepted before has not been stored yet, and the log is full")
	ids := map[string]bool{}
	empty := func() {
		for range log.Stats().Pending {
			records, err := log.Fetch(t.Context(), 1)
			require.NoError(t, err)
			var e event.Event
			require.NoError(t, event.DecodeBinary(records[0].Data, &e))
			ids[e.ID] = true
		}
		require.NoError(t, log.Commit(t.Context()))
	}
	p.ask(t, m, receiver, time.Hour, func() bool { empty(); return p.cursor(t) == "20000" })
	empty()
	assert.Len(t, ids, 20_000, "none is lost")
}

func TestAReloadLosesNothing(t *testing.T) {
	p := newPulled(t, map[string]any{"total": 20_000, "page": 50}, time.Minute)
	reloads := 0
	p.ask(t, metrics(t, p.registry), p.receiver, time.Hour, func() bool {
		if reloads < 3 {
			require.NoError(t, p.host.Reload(t.Context()))
			reloads++
		}
		return p.cursor(t) == "20000"
	})
	assert.Len(t, p.ids, 20_000)
	assert.Zero(t, p.count("failed")+p.count("down"))
}

func TestACursorIsOneTenants(t *testing.T) {
	t.Parallel()
	p := newPulled(t, map[string]any{"total": 30, "page": 10}, time.Minute)
	file := filepath.Join(p.dir, "test-source.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"tenant":"other","cursor":"20"}`), 0o600))
	m := metrics(t, p.registry)
	cfg := source.PullConfig{Config: source.Config{Plugin: p.Plugin, Receiver: p.receiver, Tenant: "acme", Logger: p.logger()}, Every: time.Hour, Dir: p.dir, Metrics: m}
	puller, err := source.NewPuller(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for p.count("ok") < 3 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	puller.Run(ctx)
	assert.Equal(t, "30", p.cursor(t))
	assert.Len(t, p.endpoint.Stored().Events, 30, "another tenant has its own beginning")

	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	_, err = source.NewPuller(cfg)
	require.ErrorContains(t, err, "without the file it is asked from the beginning")
}
