// Package source takes events in from plugins of the kind source.
//
//	a request to /plugins/{id}/… ─> Receive ─┐
//	                                         ├─> vet ─> decode ─> log ─> answer, or cursor
//	every so often, since a cursor ─> Pull ──┘
//
// What a plugin answers takes the way of what is sent to /api/v1/events: the same decoder, the
// same limits, the same log. A request is answered, and a cursor kept, once the events are
// durable; so after a crash events come again, and by their ids count once.
//
// A plugin's answer is trusted with nothing. Events of another tenant or of a kind that its
// manifest does not permit make the whole answer void, as does a status, a body or a cursor
// that is out of bounds. Single events that are not valid are the sender's trouble where there is a
// sender, who is told so: the request is refused as a whole and is a dead letter, to be replayed when
// the plugin has been mended. Of those that were pulled the good ones are taken, and each of the
// others is a dead letter.
package source

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// Path is followed by a plugin's id and whatever the platform adds.
const Path = "/plugins/"

// Config is one plugin's.
type Config struct {
	Plugin   *host.Plugin
	Receiver *receive.Receiver
	Tenant   string // of what comes without an API key; may be empty
	Logger   *slog.Logger
}

const (
	// mostCalls is how many requests are put to a plugin at once. Each may be answered with as
	// much as a message holds.
	mostCalls = 16
	// longestWait is how long a request waits for its turn.
	longestWait = 10 * time.Second
)

// Endpoint takes the requests to one plugin.
type Endpoint struct {
	cfg    Config
	remote Remote
	calls  chan struct{} // holds one for each request that is put to the plugin
}

// NewEndpoint returns the endpoint of a plugin.
func NewEndpoint(cfg Config) *Endpoint {
	return &Endpoint{cfg: cfg, remote: Remote{cfg.Plugin}, calls: make(chan struct{}, mostCalls)}
}

// Register serves it. GET is there for the questions with which platforms make sure
// that an address is theirs to send to.
func (e *Endpoint) Register(router gin.IRouter) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		router.Handle(method, Path+e.remote.ID()+"/*path", e.serve)
	}
}

func (e *Endpoint) serve(c *gin.Context) {
	// What a plugin says is never taken for a page or a script.
	c.Header("X-Content-Type-Options", "nosniff")
	c.Header("Content-Security-Policy", "default-src 'none'")
	e.cfg.Receiver.Handle(&delivery{Endpoint: e, path: c.Param("path")})(c)
}

// keyID stands for the plugin where an API key would: in dead letters and limits.
func keyID(id string) string { return "plugin:" + id }
