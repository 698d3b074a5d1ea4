package enrich_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// acting is a plugin as its host shows it, at the pace of a clock that does not wait.
type acting struct {
	policy host.Policy
	answer func(events []*contract.Event) error
}

func (*acting) ID() string                     { return "acting" }
func (a *acting) OnFailure() host.Policy       { return a.policy }
func (*acting) Permissions() *host.Permissions { p := everything(); return &p }

func (a *acting) Enrich(_ context.Context, request func(*host.Permissions) []*contract.Event, take func([]*contract.Change) error) error {
	if err := a.answer(request(a.Permissions())); err != nil {
		return err
	}
	return take(nil)
}

func batch(n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		events[i] = activity(fmt.Sprint("e", i), "")
	}
	return events
}

func letters(results []enrich.Result) (at []int) {
	for i, r := range results {
		if r.Letter != nil {
			at = append(at, i)
		}
	}
	return at
}

// A plugin that hangs on one event, and is started anew each time, decides for that event alone.
func TestOneEventDecidesForNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back time.Time
		pause := 200 * time.Millisecond
		p := &acting{policy: host.DeadLetter}
		p.answer = func(events []*contract.Event) error {
			if time.Now().Before(back) {
				return &host.DownError{ID: "acting", Why: errors.New("it is being started")}
			}
			for _, e := range events {
				if e.GetId() == "e1" {
					time.Sleep(5 * time.Second)
					back, pause = time.Now().Add(pause), min(2*pause, 30*time.Second)
					return &host.FailedError{ID: "acting", Why: errors.New("no answer within 5s"), Late: true}
				}
			}
			return nil
		}
		chain := enrich.New([]enrich.Enricher{p}, nil, slog.New(slog.DiscardHandler))
		results, err := chain.Enrich(t.Context(), batch(contract.MaxBatch))
		require.NoError(t, err)
		assert.Equal(t, []int{1}, letters(results))
	})
}

// A plugin that stays down is waited for once, and not by each batch.
func TestAPluginThatIsDownIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		p := &acting{policy: host.DeadLetter}
		p.answer = func([]*contract.Event) error {
			if down {
				return &host.DownError{ID: "acting", Why: errors.New("it does not start")}
			}
			return nil
		}
		chain := enrich.New([]enrich.Enricher{p}, nil, slog.New(slog.DiscardHandler))
		began := time.Now()
		for range 10 {
			results, err := chain.Enrich(t.Context(), batch(3))
			require.NoError(t, err)
			assert.Len(t, letters(results), 3)
		}
		assert.Less(t, time.Since(began), time.Minute)
		assert.Greater(t, time.Since(began), 30*time.Second, "it is waited for at all")
		down = false
		results, err := chain.Enrich(t.Context(), batch(3))
		require.NoError(t, err)
		assert.Empty(t, letters(results))
		down = true
		began = time.Now()
		_, err = chain.Enrich(t.Context(), batch(3))
		require.NoError(t, err)
		assert.Greater(t, time.Since(began), 30*time.Second, "and again after it was up")
	})
}

// Of two plugins one may answer while events wait for the other.
func TestEventsWaitForEachPluginOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		first, second := &acting{policy: host.Hold, answer: func([]*contract.Event) error { return nil }}, &acting{policy: host.Hold}
		second.answer = func([]*contract.Event) error {
			if !up.Load() {
				return &host.DownError{ID: "acting", Why: errors.New("secret words")}
			}
			return nil
		}
		chain := enrich.New([]enrich.Enricher{first, second}, nil, slog.New(slog.DiscardHandler))
		done := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := chain.Enrich(t.Context(), batch(3))
				done <- err
			}()
		}
		synctest.Wait()
		require.EqualError(t, chain.Err(), "plugin acting holds them; Flowgauge's log and GET /api/v1/plugins say why")
		up.Store(true)
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		assert.NoError(t, chain.Err())
	})
}

// Events of many bytes are asked about in several messages, each of which may be sent.
func TestMessagesAreBounded(t *testing.T) {
	chain := chainOf(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, "", false), OnFailure: host.Hold, Timeout: time.Minute})
	events := batch(contract.MaxBatch)
	for i := range events {
		events[i].Metadata = `{"text":"` + strings.Repeat("x", event.MaxMetadataBytes-100) + `"}`
	}
	_, err := chain.Enrich(t.Context(), events)
	require.NoError(t, err)
	for i := range events {
		require.Equal(t, "enriched", events[i].Source)
	}
}
