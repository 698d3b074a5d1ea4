package limit

import (
	"math"
	"sync"
	"time"
)

// charge is what a request costs of one limit, in microseconds of its rate. See
// gcra.lua, which does the same in Redis.
type charge struct {
	what        string
	cost, burst float64
}

// local counts in this process, for one that has no Redis to share. The embedded
// Redis would do, but it takes 150 µs and 200 kB of garbage for each script.
type local struct {
	now func() time.Duration // of a clock that is never set back

	mu    sync.Mutex
	ends  map[place]float64 // when a limit will have been used for by the time that has passed
	sweep int               // the size at which those in the past are forgotten
}

type place struct{ keyID, what string }

func newLocal() *local {
	start := time.Now()
	return &local{now: func() time.Duration { return time.Since(start) }, ends: map[place]float64{}, sweep: 1024}
}

// allow charges all limits, or none and returns how many microseconds to wait.
func (l *local) allow(keyID string, charges []charge) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, wait := float64(l.now().Microseconds()), 0.0
	for _, c := range charges {
		from := max(l.ends[place{keyID, c.what}], now)
		wait = max(wait, from-now+min(c.cost, c.burst)-c.burst)
	}
	if wait > 0 {
		return int64(math.Ceil(wait))
	}
	for _, c := range charges {
		p := place{keyID, c.what}
		l.ends[p] = max(l.ends[p], now) + c.cost
	}
	if len(l.ends) > l.sweep {
		for p, end := range l.ends {
			if end <= now {
				delete(l.ends, p)
			}
		}
		l.sweep = max(1024, 2*len(l.ends))
	}
	return 0
}
