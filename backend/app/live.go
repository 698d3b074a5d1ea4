package app

import (
	"context"

	"github.com/flowgauge/flowgauge/backend/api"
	"github.com/flowgauge/flowgauge/backend/live"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/collector/receive"
)

// countedAppender counts what has become durable.
type countedAppender struct {
	receive.Appender
	counter *live.Counter
}

// Append makes records durable.
func (l countedAppender) Append(ctx context.Context, records [][]byte) error {
	err := l.Appender.Append(ctx, records)
	if err == nil {
		l.counter.Count(records)
	}
	return err
}

// counting makes a log one whose records are counted, unless that is switched off. The
// counter is nil then.
func (a *App) counting(log receive.Appender) (receive.Appender, *live.Counter, error) {
	if !a.cfg.Live.Enabled {
		return log, nil, nil
	}
	counter, err := live.NewCounter(live.CounterConfig{Redis: a.limits.redis, Registerer: a.registry, Logger: a.log})
	if err != nil {
		return nil, nil, err
	}
	return countedAppender{log, counter}, counter, nil
}

// telling is what tells live counters.
func (a *App) telling(engine *query.Engine) (api.Live, error) {
	l := api.Live{Scope: engine, Streams: a.cfg.Live.MaxStreams, StreamsPerKey: a.cfg.Live.MaxStreamsPerKey}
	if !a.cfg.Live.Enabled || !a.opts.Roles.Server {
		return l, nil
	}
	var err error
	l.Hub, err = live.NewHub(a.limits.redis)
	return l, err
}
