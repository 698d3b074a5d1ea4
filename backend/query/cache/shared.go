package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/redis"
)

// shared keeps entries in a Redis that other processes use too. Without one it keeps
// nothing: what is in this process is in memory already.
type shared struct {
	guard   *redis.Guard
	codec   *codec
	ttl     time.Duration
	log     *slog.Logger
	metrics *metrics
	warned  atomic.Int64 // when garbage was last told of, in Unix seconds
}

func newShared(client *redis.Client, ttl time.Duration, log *slog.Logger, m *metrics) (*shared, error) {
	s := &shared{ttl: ttl, log: log, metrics: m}
	if client == nil || !client.Shared() {
		return s, nil
	}
	c, err := newCodec()
	if err != nil {
		return nil, err
	}
	s.codec, s.guard = c, redis.NewGuard(client, log)
	return s, nil
}

func (s *shared) close() {
	if s.guard != nil {
		s.guard.Close()
	}
}

// name is a key's name in Redis. It tells nothing of who asked for what.
func name(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "flowgauge:answer:" + hex.EncodeToString(sum[:])
}

func (s *shared) get(ctx context.Context, key string, asked *query.Asked) *entry {
	return s.getMany(ctx, []*piece{{key: key, asked: asked}})[0]
}

// getMany looks keys up at once; nil is none.
func (s *shared) getMany(ctx context.Context, wanted []*piece) []*entry {
	out := make([]*entry, len(wanted))
	if s.guard == nil || len(wanted) == 0 {
		return out
	}
	names := make([]string, len(wanted))
	for i, p := range wanted {
		names[i] = name(p.key)
	}
	var values []any
	err := s.guard.Do(ctx, func(ctx context.Context, c *redis.Client) (err error) {
		values, err = c.MGet(ctx, names...).Result()
		return err
	})
	if err != nil {
		s.failed(ctx, "read", err)
		return out
	}
	for i, w := range wanted[:min(len(wanted), len(values))] {
		text, ok := values[i].(string)
		if !ok {
			continue
		}
		e, err := s.codec.decode([]byte(text), w.key)
		if err != nil {
			s.failed(ctx, "garbage", err)
			continue
		}
		e.asked = w.asked
		out[i] = e
	}
	return out
}

// put keeps entries for others.
func (s *shared) put(ctx context.Context, entries ...*entry) {
	if s.guard == nil || len(entries) == 0 {
		return
	}
	err := s.guard.Do(ctx, func(ctx context.Context, c *redis.Client) error {
		_, err := c.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for _, e := range entries {
				value, err := s.codec.encode(e)
				if err != nil {
					s.failed(ctx, "encode", err)
					continue
				}
				if len(value) <= mostBytes {
					p.Set(ctx, name(e.key), value, s.ttl)
				}
			}
			return nil
		})
		return err
	})
	if err != nil {
		s.failed(ctx, "write", err)
	}
}

// failed counts what went wrong. That Redis is away the guard has said; what lies in it
// is told of once a minute.
func (s *shared) failed(ctx context.Context, reason string, err error) {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return
	}
	s.metrics.errors.WithLabelValues(reason).Inc()
	now, last := time.Now().Unix(), s.warned.Load()
	if (reason == "garbage" || reason == "encode") && now-last >= 60 && s.warned.CompareAndSwap(last, now) {
		s.log.Warn("a kept answer cannot be used; the question is asked anew", "reason", reason, "error", err)
	}
}
