package api

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flowgauge/flowgauge/backend/access"
)

// streams bounds how many there are, and ends them when the server stops.
type streams struct {
	most, perKey int
	mu           sync.Mutex
	open         map[string]int // by whose
	count        int
	once         sync.Once
	closing      chan struct{}
}

func newStreams(l Live) *streams {
	return &streams{most: l.Streams, perKey: l.StreamsPerKey, open: map[string]int{}, closing: make(chan struct{})}
}

// CloseStreams ends all streams, and those that begin later. A server that stops calls
// it first: a stream never ends by itself.
func (a *API) CloseStreams() { a.streams.once.Do(func() { close(a.streams.closing) }) }

// enter takes a place, or says that there is none.
func (s *streams) enter(p access.Principal) (leave func(), err error) {
	// A key may stand for one user or for many; a token has no key.
	who := p.Tenant + "\x00" + p.KeyID + "\x00" + p.UserID
	if p.KeyID != "" {
		who = p.KeyID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.open[who] >= s.perKey:
		return nil, tooManyStreams("the key has as many streams as it may: close one first")
	case s.count >= s.most:
		return nil, tooManyStreams("the server has as many streams as it may")
	}
	s.open[who]++
	s.count++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.count--
		if s.open[who]--; s.open[who] == 0 {
			delete(s.open, who)
		}
	}, nil
}

func (s *streams) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "flowgauge_api_live_streams", Help: "Streams of live counters that are open.",
	}, func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return float64(s.count)
	}))
}

func tooManyStreams(detail string) *Problem {
	p := Refused(http.StatusTooManyRequests, "too-many-streams", detail)
	p.retryAfter = 10
	return p
}
