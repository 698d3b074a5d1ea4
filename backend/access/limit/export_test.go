package limit

import "time"

// SetClock gives a Limiter that counts in the process another clock.
func SetClock(l *Limiter, now func() time.Duration) {
	if l.local != nil {
		l.local.now = now
	}
}

// Kept is how many counts a Limiter that counts in the process keeps.
func Kept(l *Limiter) int { return len(l.local.ends) }
