package app

import (
	"context"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/api"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/cache"
	"github.com/flowgauge/flowgauge/backend/query/guards"
)

// remembered answers from the cache what was asked before.
type remembered struct {
	api.Analytics
	cache *cache.Cache
}

// remember puts the cache in front of an engine, unless it is switched off.
func (a *App) remember(engine *query.Engine) (api.Analytics, error) {
	if !a.cfg.Cache.Enabled {
		return engine, nil
	}
	c, err := cache.New(cache.Config{
		Engine: engine, Redis: a.limits.redis, MaxBytes: a.cfg.Cache.MaxBytes, TTL: a.cfg.Cache.TTL,
		Revision: func(ctx context.Context, p access.Principal) (string, error) {
			return guards.Revision(ctx, p, a.people, a.policies)
		},
		Logger: a.log, Registerer: a.registry,
	})
	if err != nil {
		return nil, err
	}
	a.cache = c
	return remembered{engine, c}, nil
}

// Do answers a question. The cache keeps the record of it.
func (r remembered) Do(ctx context.Context, p access.Principal, q query.Request) (*query.Result, error) {
	return r.cache.Do(ctx, p, q)
}
