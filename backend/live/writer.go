package live

import (
	"context"
	"fmt"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/flowgauge/flowgauge/backend/redis"
)

const (
	// kept is how long frames stay: the longest window, and what a reader may be behind.
	kept = Longest + time.Minute
	// sinceKey holds since when somebody counts, in Unix ms of Redis' clock. It goes when
	// nobody has renewed it for a while.
	sinceKey = "flowgauge:live:since"
	sinceFor = 10 * time.Second
	// framesAtOnce are sent in one go.
	framesAtOnce = 256
	frameField   = "f"
)

// streamKey is where a tenant's frames are. In braces: a Redis of several nodes keeps a
// tenant's on one of them.
func streamKey(tenant string) string { return "flowgauge:live:{" + tenant + "}" }

// writer adds frames to Redis.
type writer struct {
	redis *redis.Client
	clock int64 // Redis', in Unix ms, when it last answered
}

// send adds frames and says that somebody counts. It returns how many of them are there
// for sure.
func (w *writer) send(ctx context.Context, frames []tenantFrame) (sent int, err error) {
	for {
		some := frames[sent:min(sent+framesAtOnce, len(frames))]
		if err := w.add(ctx, some); err != nil {
			return sent, err
		}
		if sent += len(some); sent == len(frames) {
			return sent, nil
		}
	}
}

func (w *writer) add(ctx context.Context, frames []tenantFrame) error {
	var clock *goredis.TimeCmd
	var renewed *goredis.BoolCmd
	_, err := w.redis.Pipelined(ctx, func(p goredis.Pipeliner) error {
		clock = p.Time(ctx)
		renewed = p.Expire(ctx, sinceKey, sinceFor)
		for _, f := range frames {
			args := &goredis.XAddArgs{Stream: streamKey(f.tenant), Values: []any{frameField, f.text}}
			if w.clock > 0 {
				args.MinID, args.Approx = strconv.FormatInt(w.clock-kept.Milliseconds(), 10), true
			}
			p.XAdd(ctx, args)
			p.Expire(ctx, streamKey(f.tenant), kept)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add live counts: %w", err)
	}
	w.clock = clock.Val().UnixMilli()
	if renewed.Val() {
		return nil
	}
	// The first, or nobody was there for a while.
	if err := w.redis.SetNX(ctx, sinceKey, w.clock, sinceFor).Err(); err != nil {
		return fmt.Errorf("say since when is counted: %w", err)
	}
	return nil
}
