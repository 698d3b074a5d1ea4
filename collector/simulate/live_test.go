package simulate

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

// live runs for a while and returns what was told.
func live(t *testing.T, p *Platform, c LiveConfig, length time.Duration) []byte {
	t.Helper()
	var out bytes.Buffer
	at := c.From
	c.Sink = func(_ context.Context, chunk Chunk) error {
		if !at.IsZero() {
			require.Equal(t, at, chunk.From, "no gap")
		}
		at = chunk.To
		require.False(t, chunk.To.After(time.Now()), "nothing before it happens")
		out.Write(chunk.Body)
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	require.NoError(t, p.Live(ctx, c))
	return out.Bytes()
}

// History up to a moment, and Live started later but from that moment on, are
// together what History alone would have been.
func TestLiveContinuesHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(58 * time.Hour) // a Monday morning of the year 2000, between two ticks
		p := newPlatform(t, Config{Seed: 4, EventsPerDay: 20_000})
		from := time.Now().Add(-90 * time.Minute).UTC()
		border := time.Now().UTC()
		told := history(p, from, border)
		time.Sleep(47 * time.Second) // history takes its time to be sent
		told = append(told, live(t, p, LiveConfig{From: border}, 100*time.Minute+time.Millisecond)...)
		want := history(p, from, time.Now())
		require.True(t, bytes.HasPrefix(want, told))
		require.LessOrEqual(t, len(want)-len(told), 2000, "at most the last tick is missing")
	})
}

func TestLiveRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(57 * time.Hour)
		p := newPlatform(t, Config{Seed: 4, EventsPerDay: 50_000})
		from := time.Now().UTC()
		counts := map[float64]int{}
		for _, rate := range []float64{0.5, 1, 2.5} {
			began := map[string]int64{}
			decode(t, live(t, p, LiveConfig{From: from, Rate: rate}, 2*time.Hour), func(e *event.Event) {
				if e.Phase() == event.PhaseStarted && e.Time < from.UnixMilli()+2*hourMS {
					require.Zero(t, began[e.ID])
					began[e.ID] = e.Time
					counts[rate]++
				}
			})
		}
		require.InDelta(t, 0.5, float64(counts[0.5])/float64(counts[1]), 0.08)
		require.InDelta(t, 2.5, float64(counts[2.5])/float64(counts[1]), 0.25)
	})
}

func TestLiveSinkFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlatform(t, Config{})
		want := errors.New("full")
		err := p.Live(t.Context(), LiveConfig{Sink: func(context.Context, Chunk) error { return want }})
		require.ErrorIs(t, err, want)
	})
}
