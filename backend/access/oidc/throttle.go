package oidc

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// throttle limits requests to the provider: a few at once, then one for each pause.
type throttle struct {
	next http.RoundTripper

	mu   sync.Mutex
	left float64
	at   time.Time
}

func newThrottle(next http.RoundTripper) *throttle {
	if next == nil {
		next = http.DefaultTransport
	}
	return &throttle{next: next, left: keyReads, at: time.Now()}
}

// RoundTrip sends a request if it may be sent now.
func (t *throttle) RoundTrip(r *http.Request) (*http.Response, error) {
	t.mu.Lock()
	now := time.Now()
	t.left = min(keyReads, t.left+now.Sub(t.at).Seconds()/keyPause.Seconds())
	t.at = now
	may := t.left >= 1
	if may {
		t.left--
	}
	t.mu.Unlock()
	if !may {
		return nil, fmt.Errorf("%w: it was asked %d times within the last %s", ErrUnavailable, keyReads, keyPause)
	}
	return t.next.RoundTrip(r)
}
