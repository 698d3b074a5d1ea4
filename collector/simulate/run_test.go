package simulate

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/collector/client"
)

// store is a collector that keeps each event once.
type store struct {
	mu       sync.Mutex
	t        *testing.T
	requests int
	events   map[string]int // lines, how often
	lines    int
	fail     func(request int) error
	biggest  int
}

func (s *store) Send(ctx context.Context, body []byte, n int) (client.Receipt, error) {
	select {
	case <-ctx.Done():
		return client.Receipt{}, context.Cause(ctx)
	case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.fail != nil {
		if err := s.fail(s.requests); err != nil {
			return client.Receipt{}, err
		}
	}
	lines := bytes.SplitAfter(body, []byte("\n"))
	lines = lines[:len(lines)-1]
	require.Len(s.t, lines, n)
	for _, line := range lines {
		s.events[string(line)]++
	}
	s.lines += n
	s.biggest = max(s.biggest, n)
	return client.Receipt{Accepted: n}, nil
}

func newStore(t *testing.T) *store { return &store{t: t, events: map[string]int{}} }

func want(t *testing.T, p *Platform, from, to time.Time) map[string]int {
	t.Helper()
	m := map[string]int{}
	for line := range bytes.Lines(history(p.Starting(from), from, to)) {
		m[string(line)]++
	}
	return m
}

// same requires the same lines, without printing thousands of them.
func same(t *testing.T, want, got map[string]int) {
	t.Helper()
	for line := range want {
		if got[line] == 0 {
			t.Fatalf("missing of %d: %s", len(want), line)
		}
	}
	for line := range got {
		if want[line] == 0 {
			t.Fatalf("unwanted beside %d: %s", len(want), line)
		}
	}
}

func TestRunHistoryThenLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(60*time.Hour + 20*time.Minute)
		s := newStore(t)
		c := RunConfig{Platform: Config{Seed: 9, EventsPerDay: 8000}, Client: s, History: 24 * time.Hour, Live: true, BatchEvents: 100}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		start := time.Now()
		r, err := Run(ctx, c)
		require.NoError(t, err)
		require.Equal(t, start.Add(-24*time.Hour).Truncate(time.Hour).UTC(), r.From)
		require.WithinDuration(t, time.Now(), r.To, time.Second)
		same(t, want(t, newPlatform(t, c.Platform), r.From, r.To), s.events)
		require.EqualValues(t, s.lines, r.Accepted)
		require.Len(t, s.events, s.lines, "nothing twice")
		require.Equal(t, 100, s.biggest, "requests are filled")
	})
}

// A run that was interrupted, in history or live, goes on where it stopped.
func TestRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(80 * time.Hour)
		s := newStore(t)
		broken := errors.New("away")
		s.fail = func(request int) error {
			if request == 40 {
				return broken
			}
			return nil
		}
		c := RunConfig{
			Platform: Config{Seed: 9, EventsPerDay: 8000}, Client: s, History: 24 * time.Hour, BatchEvents: 100,
			StateFile: filepath.Join(t.TempDir(), "made", "position.json"), Target: "a",
		}
		first, err := Run(t.Context(), c)
		require.ErrorIs(t, err, broken)
		require.ErrorContains(t, err, "run it again")
		s.fail = nil
		sent := s.lines
		second, err := Run(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, first.From, second.From)
		require.Less(t, s.lines-sent, len(s.events), "not all over again")

		// Live for an hour at twice the rate, an hour's pause, live again.
		c.Live, c.Rate = true, 2
		liveFrom := time.Now()
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			_, err = Run(ctx, c)
			cancel()
			require.NoError(t, err)
			time.Sleep(time.Hour)
		}
		p := newPlatform(t, c.Platform).boosted(liveFrom, 2)
		r, err := Run(t.Context(), RunConfig{Platform: c.Platform, Client: s, History: time.Hour, StateFile: c.StateFile, Target: "a", Rate: 2})
		require.NoError(t, err)
		require.Equal(t, first.From, r.From)
		same(t, want(t, p, r.From, r.To), s.events) // the pauses are filled

		// Another collector gets everything.
		c.Target, c.Live, c.Rate = "b", false, 1
		other := newStore(t)
		c.Client = other
		r, err = Run(t.Context(), c)
		require.NoError(t, err)
		same(t, want(t, newPlatform(t, c.Platform), r.From, r.To), other.events)
	})
}

func TestRunInterruptedHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("ctrl-c")
		s.fail = func(request int) error {
			if request == 5 {
				cancel(stop)
			}
			return nil
		}
		var progress bytes.Buffer
		_, err := Run(ctx, RunConfig{Client: s, History: 48 * time.Hour, Progress: &progress})
		require.ErrorIs(t, err, stop)
	})
}

func TestRunConfigValidate(t *testing.T) {
	s := newStore(t)
	for _, bad := range []RunConfig{
		{},
		{Client: s},
		{Client: s, History: -1},
		{Client: s, Live: true, Rate: -1},
		{Client: s, Live: true, Rate: 1000},
		{Client: s, Live: true, InFlight: -1},
		{Client: s, Live: true, Platform: Config{Scale: -2}},
	} {
		_, err := Run(t.Context(), bad)
		require.Error(t, err)
	}
}
