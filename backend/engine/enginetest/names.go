package enginetest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"

	"github.com/flowgauge/flowgauge/backend/engine"
)

// How many databases a test process may have at a time. Their names are fixed
// beforehand because the reader's rights are, once ClickHouse has started.
const maxDatabases = 200

// names hands them out. They carry a random part for the case that processes
// share an external server.
var names = newNamePool(maxDatabases)

type namePool struct {
	mu   sync.Mutex
	free []string
}

func newNamePool(size int) *namePool {
	var random [4]byte
	_, _ = rand.Read(random[:]) // Never fails: crypto/rand ends the program instead.
	pool := &namePool{}
	for i := range size {
		pool.free = append(pool.free, fmt.Sprintf("%s_%s_%03d", engine.DefaultDatabase, hex.EncodeToString(random[:]), i))
	}
	return pool
}

func (p *namePool) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.free...)
}

func (p *namePool) take(t testing.TB) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		t.Fatalf("more than %d databases at a time: raise maxDatabases", maxDatabases)
	}
	name := p.free[0]
	p.free = p.free[1:]
	return name
}

// giveBack puts a name last, so that it is not used again before long.
func (p *namePool) giveBack(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, name)
}
