package redis

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// ErrAway says that Redis was not asked, because it did not answer lately.
var ErrAway = errors.New("redis does not answer")

const (
	askFor     = 100 * time.Millisecond // a check that takes longer is not worth waiting for
	probeEvery = 500 * time.Millisecond
)

// Guard asks Redis for those who can go on without it. After an ask that was not
// answered it asks no more, so that a dead Redis delays few callers and each by
// a tenth of a second at most; a probe in the background finds out when it is back.
type Guard struct {
	client *Client
	log    *slog.Logger
	away   atomic.Bool
	ctx    context.Context //nolint:containedctx // ends the probe
	cancel context.CancelFunc
	probes sync.WaitGroup
}

// NewGuard returns a Guard of a client.
func NewGuard(client *Client, log *slog.Logger) *Guard {
	g := &Guard{client: client, log: log}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// Away reports whether Redis is taken to be away.
func (g *Guard) Away() bool { return g.away.Load() }

// Do runs an ask. It returns ErrAway, the ask's error, or nil.
func (g *Guard) Do(ctx context.Context, ask func(context.Context, *Client) error) error {
	if g.away.Load() {
		return ErrAway
	}
	bounded, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	err := ask(bounded, g.client)
	if err != nil && ctx.Err() == nil && !answered(err) {
		g.trip(err)
	}
	return err
}

func (g *Guard) trip(err error) {
	if g.ctx.Err() != nil || !g.away.CompareAndSwap(false, true) {
		return
	}
	g.log.Warn("redis does not answer; going on without it", "error", err)
	g.probes.Go(func() {
		for {
			select {
			case <-g.ctx.Done():
				return
			case <-time.After(probeEvery):
			}
			ctx, cancel := context.WithTimeout(g.ctx, time.Second)
			err := g.client.Ping(ctx).Err()
			cancel()
			if err == nil {
				g.log.Info("redis answers again")
				g.away.Store(false)
				return
			}
		}
	})
}

// Close ends the probe.
func (g *Guard) Close() {
	g.cancel()
	g.probes.Wait()
}
