package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/access/certs"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/access/limit"
	"github.com/flowgauge/flowgauge/backend/promql"
	"github.com/flowgauge/flowgauge/backend/redis"
	"github.com/flowgauge/flowgauge/collector/receive"
)

// limits is what bounds API keys, and the Redis that it counts in.
type limits struct {
	*limit.Limiter
	redis *redis.Client
}

func newLimits(a *App, keys *keystore.Store) (_ *limits, err error) {
	l := &limits{}
	cfg := redis.Config{Addr: a.cfg.Redis.Addr, User: a.cfg.Redis.User, Password: a.cfg.Redis.Password, DB: a.cfg.Redis.DB}
	if a.cfg.Redis.TLS {
		host, _, _ := net.SplitHostPort(cfg.Addr) // validated with the configuration
		cfg.TLS, err = certs.Client{CAFile: a.cfg.Redis.CAFile, CertFile: a.cfg.Redis.CertFile, KeyFile: a.cfg.Redis.KeyFile, ServerName: host}.Config()
		if err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
	}
	if l.redis, err = redis.Open(cfg); err != nil {
		return nil, err
	}
	l.Limiter, err = limit.New(limit.Config{
		Redis: l.redis, Limits: keys.Limits, Registerer: a.registry, Logger: a.log,
		Default: limit.Default{
			EventsPerSecond: a.cfg.Limits.EventsPerSecond, RequestsPerSecond: a.cfg.Limits.RequestsPerSecond, Burst: a.cfg.Limits.Burst,
		},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("limits: %w", err), l.redis.Close())
	}
	return l, nil
}

func (l *limits) close() {
	l.Close()
	_ = l.redis.Close()
}

// sending is the limit of who sends events.
func (l *limits) sending(ctx context.Context, who receive.Principal, events int) (time.Duration, error) {
	return l.Allow(ctx, who.KeyID, events)
}

// asking says whose a request without events is, by whichever way its path takes a key.
func (a *App) asking(r *http.Request) (keyID string, ok bool) {
	if strings.HasPrefix(r.URL.Path, promql.Root+"/") {
		r = promql.Bearer(r)
	}
	p, err := a.auth.Authenticate(r)
	return p.KeyID, err == nil
}
