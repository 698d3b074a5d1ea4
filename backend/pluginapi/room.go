package pluginapi

import (
	"errors"
	"io"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/panel"
	"github.com/flowgauge/flowgauge/backend/rest"
)

// How much of bodies is kept at once, in bytes: of all, and of one tenant's, so that whoever
// sends slowly keeps out no others.
const (
	maxRoom  = 4 * panel.MaxMessage
	maxShare = 2 * panel.MaxMessage
)

var errNoRoom = errors.New("too much is being asked at once")

// room counts what is kept of bodies.
type room struct {
	mu  sync.Mutex
	all int
	of  map[string]int // by tenant
}

func (r *room) take(tenant string, n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all+n > maxRoom || r.of[tenant]+n > maxShare {
		return false
	}
	r.all += n
	r.of[tenant] += n
	return true
}

func (r *room) leave(tenant string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all -= n
	if r.of[tenant] -= n; r.of[tenant] == 0 {
		delete(r.of, tenant)
	}
}

// bound counts a request's body as it comes, until the request is answered.
func (r *room) bound(c *gin.Context) {
	b := &bounded{ReadCloser: c.Request.Body, room: r, tenant: rest.Principal(c).Tenant}
	defer func() { r.leave(b.tenant, b.kept) }()
	c.Request.Body = b
	c.Next()
}

type bounded struct {
	io.ReadCloser
	room   *room
	tenant string
	kept   int
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if !b.room.take(b.tenant, n) {
		return 0, errNoRoom
	}
	b.kept += n
	return n, err
}
