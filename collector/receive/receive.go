// Package receive takes events in over HTTP: POST /api/v1/events, and whatever other
// Protocol is mounted.
//
//	admit ─> read ─> unpack ─> decode ─> append ─> answer
//	 401      413      413       per       503       202 all are durable
//	 403      429      415      event                207 some are, the others are dead letters
//	 415                                             400 none could be used
//
// A 2xx is only ever sent for events that the queue says are durable. What is
// rejected is as durable: it goes into the log as a dead letter, in the same Append
// as the events that are good, so that no crash can keep one half. A request
// that cannot be taken apart becomes one dead letter. When the Append fails the
// answer is 503 and the sender, who has been told nothing, sends again.
//
// # Memory
//
// A request holds its body as it came, unpacked, and encoded for the log. Each
// buffer is reserved in a budget of bytes before it grows; a request for which
// there is no room gets 429. Bodies are unpacked only when they have arrived in
// full, and by few at a time, so slow senders hold no decompressor. A body that
// unpacks to more than the limit is left at the limit, however small it came.
//
// How long a sender may take is for the http.Server to say (ReadTimeout).
package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// Appender is the part of the queue that is needed here; queue.Appender is one.
type Appender interface {
	// Append returns nil when all records are durable. It returns queue.ErrFull
	// when there is no room.
	Append(ctx context.Context, records [][]byte) error
}

// Principal is who sends: what an API key stands for.
type Principal struct {
	Tenant      string
	KeyID       string // names the key in dead letters; never its secret
	CrossTenant bool   // may name another tenant by tenantId
}

// Auth says who sends a request. It returns an error that wraps
// ErrUnauthenticated or ErrForbidden; any other error means that it could not be
// found out, and the sender is asked to try again.
type Auth func(*http.Request) (Principal, error)

// What an Auth finds.
var (
	ErrUnauthenticated = errors.New("the API key is missing, wrong, expired or revoked")
	ErrForbidden       = errors.New("the API key may not write events")
)

// Limits bound a request, and all of them together. Zero is the default.
type Limits struct {
	PackedBytes   int64 // of a compressed body as it comes; 32 MiB
	BodyBytes     int64 // of a body unpacked; 64 MiB
	Events        int   // in a request; 50 000
	InFlightBytes int64 // of all requests; 256 MiB
}

// Config is what a Receiver needs.
type Config struct {
	Queue      Appender
	Auth       Auth
	Limit      Limit                 // of events per key; none if nil
	Logger     *slog.Logger          // none if nil
	Registerer prometheus.Registerer // none if nil
	Limits     Limits
}

// Validate fills in the defaults and says what is missing.
func (c *Config) Validate() error {
	if c.Queue == nil || c.Auth == nil {
		return errors.New("receive: needs a queue and an auth")
	}
	if c.Limit == nil {
		c.Limit = func(context.Context, Principal, int) (time.Duration, error) { return 0, nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	l := &c.Limits
	if l.PackedBytes == 0 {
		l.PackedBytes = 32 << 20
	}
	if l.BodyBytes == 0 {
		l.BodyBytes = 64 << 20
	}
	if l.Events == 0 {
		l.Events = 50_000
	}
	if l.InFlightBytes == 0 {
		l.InFlightBytes = max(256<<20, l.largest())
	}
	if l.PackedBytes < 1 || l.BodyBytes < 1 || l.Events < 1 {
		return errors.New("receive: limits must be positive")
	}
	if l.InFlightBytes < l.largest() {
		return fmt.Errorf("receive: %d bytes in flight do not hold one request, which may take %d", l.InFlightBytes, l.largest())
	}
	return nil
}

// largest is what a single request may take: the packed body, the unpacked one,
// twice that for the records, and what buffers had before they were its.
func (l *Limits) largest() int64 { return l.PackedBytes + 3*l.BodyBytes + 2*keepBuffer }

// Receiver serves the endpoint.
type Receiver struct {
	config  Config
	metrics *metrics
	budget  *budget
	unpacks chan struct{} // holds one for each body that is being unpacked
	full    atomic.Int64  // until when the log is taken to be full, in Unix nanoseconds
}

// fullFor is how long requests are refused unread after the log had no room for one.
// Who is refused sends again, at once often enough: to decode what will find no room
// takes the processors from the sink, which would make some.
const fullFor = 50 * time.Millisecond

// New returns a Receiver.
func New(c Config) (*Receiver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	r := &Receiver{
		config:  c,
		budget:  &budget{limit: c.Limits.InFlightBytes},
		unpacks: make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
	}
	var err error
	if r.metrics, err = newMetrics(c.Registerer, r.budget); err != nil {
		return nil, err
	}
	return r, nil
}

// Register adds the endpoint for the native format to a router.
func (r *Receiver) Register(router gin.IRouter) { router.POST(Path, r.Handle(native{r})) }
