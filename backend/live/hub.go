package live

import (
	"errors"
	"sync"
	"time"

	"github.com/flowgauge/flowgauge/backend/redis"
)

// ErrAway says that Redis does not answer.
var ErrAway = errors.New("live counters cannot be read: redis does not answer")

// forgetAfter is how long the frames of a tenant are kept whom nobody asks for.
const forgetAfter = time.Minute

// Hub reads counts. All windows of a tenant share what was read.
type Hub struct {
	redis *redis.Client
	fresh time.Duration // how old what was read may be; windows that look at once read once
	mu    sync.Mutex
	feeds map[string]*feed
}

// NewHub returns a Hub.
func NewHub(client *redis.Client) (*Hub, error) {
	if client == nil {
		return nil, errors.New("live: needs a Redis")
	}
	return &Hub{redis: client, fresh: 250 * time.Millisecond, feeds: map[string]*feed{}}, nil
}

// Open returns a window on a tenant's counts.
func (h *Hub) Open(v View) *Window { return newWindow(h.feed(v.Tenant), v) }

func (h *Hub) feed(tenant string) *feed {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for of, f := range h.feeds {
		if of != tenant && f.idle(now) > forgetAfter {
			delete(h.feeds, of) // windows that still have it go on reading by themselves
		}
	}
	f, ok := h.feeds[tenant]
	if !ok {
		f = newFeed(h, tenant, now)
		h.feeds[tenant] = f
	}
	return f
}
