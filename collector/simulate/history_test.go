package simulate

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var monday = time.Date(2026, 9, 7, 0, 0, 0, 0, time.UTC)

func newPlatform(t testing.TB, c Config) *Platform {
	t.Helper()
	p, err := New(c)
	require.NoError(t, err)
	return p
}

func history(p *Platform, from, to time.Time) []byte {
	var b bytes.Buffer
	for c := range p.History(from, to) {
		b.Write(c.Body)
	}
	return b.Bytes()
}

func TestHistoryIsDeterministic(t *testing.T) {
	c := Config{Seed: 7}
	a, b := newPlatform(t, c), newPlatform(t, c)
	to := monday.Add(9 * time.Hour)
	require.True(t, bytes.Equal(history(a, monday, to), history(b, monday, to)))
	require.True(t, bytes.Equal(history(a, monday, to), history(a, monday, to)), "a platform does not change")
	for _, other := range []Config{{Seed: 8}, {Seed: 7, Scale: 2}, {Seed: 7, Workflows: 150}} {
		require.False(t, bytes.Equal(history(a, monday, to), history(newPlatform(t, other), monday, to)))
	}
}

// Wherever a period is cut, its parts make up the whole.
func TestHistoryInParts(t *testing.T) {
	p := newPlatform(t, Config{Seed: 3, EventsPerDay: 8000, Workflows: 40})
	const length = 6 * time.Hour
	start := monday.Add(3 * time.Hour)
	whole := history(p, start, start.Add(length))
	rapid.Check(t, func(t *rapid.T) {
		cuts := rapid.SliceOfN(rapid.Int64Range(0, length.Milliseconds()), 1, 4).Draw(t, "cuts")
		var parts []byte
		at := int64(0)
		for _, c := range append(cuts, length.Milliseconds()) {
			if c > at {
				parts = append(parts, history(p, start.Add(ms(at)), start.Add(ms(c)))...)
				at = c
			}
		}
		if !bytes.Equal(whole, parts) {
			t.Fatalf("cut at %v: %d bytes, want %d", cuts, len(parts), len(whole))
		}
	})
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func TestHistoryInParallel(t *testing.T) {
	p := newPlatform(t, Config{Seed: 5, EventsPerDay: 10_000})
	parts := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			parts[i] = history(p, monday.Add(time.Duration(i)*6*time.Hour), monday.Add(time.Duration(i+1)*6*time.Hour))
		})
	}
	wg.Wait()
	require.True(t, bytes.Equal(history(p, monday, monday.Add(48*time.Hour)), bytes.Join(parts, nil)))
}

func TestChunks(t *testing.T) {
	p := newPlatform(t, Config{Seed: 1, EventsPerDay: 5000})
	from, to := monday.Add(90*time.Minute), monday.Add(5*time.Hour+time.Second)
	at := from
	for c := range p.History(from, to) {
		require.Equal(t, at, c.From)
		require.True(t, c.To.After(c.From))
		require.LessOrEqual(t, c.To.Sub(c.From), time.Hour)
		require.Equal(t, c.Events, bytes.Count(c.Body, []byte("\n")))
		at = c.To
		var joined []byte
		n := 0
		for body, events := range c.Split(7, 1500) {
			require.LessOrEqual(t, events, 7)
			require.True(t, len(body) <= 1500 || events == 1)
			require.Equal(t, events, bytes.Count(body, []byte("\n")))
			joined, n = append(joined, body...), n+events
		}
		require.Equal(t, c.Events, n)
		require.Equal(t, string(c.Body), string(joined))
	}
	require.Equal(t, to, at)
	for range p.History(to, from) {
		t.Fatal("an empty period has no chunk")
	}
	for range p.History(from, to) {
		break // stopping early is allowed
	}
}

// What is told from a moment on is what there is anyway, less what began before.
func TestStarting(t *testing.T) {
	p := newPlatform(t, Config{Seed: 2, EventsPerDay: 20_000})
	from, to := monday.Add(9*time.Hour), monday.Add(14*time.Hour)
	all := bytes.Split(history(p, from, to), []byte("\n"))
	told := bytes.Split(history(p.Starting(from), from, to), []byte("\n"))
	require.Less(t, len(told), len(all))
	i := 0
	for _, line := range all {
		if i < len(told) && bytes.Equal(line, told[i]) {
			i++
		}
	}
	require.Equal(t, len(told), i)
}

func TestConfigValidate(t *testing.T) {
	for _, bad := range []Config{{Workflows: -1}, {Users: -1}, {Scale: -1}, {EventsPerDay: -1}, {Scale: 1e9}, {Workflows: 1e6}} {
		_, err := New(bad)
		require.Error(t, err, "%+v", bad)
	}
	for _, good := range []Config{{}, {Workflows: 1, Users: 1}, {Workflows: 3000, Users: 5000, Scale: 10}, {EventsPerDay: 10}} {
		p := newPlatform(t, good)
		ids := map[string]bool{}
		for _, w := range p.Workflows() {
			require.False(t, ids[w.ID], w.ID)
			ids[w.ID] = true
		}
		clear(ids)
		for _, u := range p.Users() {
			require.False(t, ids[u.ID], u.ID)
			ids[u.ID] = true
		}
	}
}
