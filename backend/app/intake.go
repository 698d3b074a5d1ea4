package app

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/clickhouse/history"
	"github.com/flowgauge/flowgauge/backend/live"
	"github.com/flowgauge/flowgauge/backend/rollup"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/cloudevents"
	"github.com/flowgauge/flowgauge/collector/receive/cloudevents/kafka"
	"github.com/flowgauge/flowgauge/collector/sink"
	"github.com/flowgauge/flowgauge/collector/source"
	"github.com/flowgauge/flowgauge/plugins/contract"
)

// intake is the way of an event: the log, the sink, the roller, and what keeps its versions.
type intake struct {
	log    *eventLog
	queue  receive.Appender // the log, counted
	live   *live.Counter    // nil: not counted
	sink   *sink.Sink       // nil where events are accepted only
	roller *rollup.Roller
	keeper *history.Keeper
	holder *holder
	topic  *kafka.Reader // of CloudEvents; nil when none is configured
	// pullers ask plugins for events.
	pullers []*source.Puller
	once    sync.Once
}

func newIntake(a *App) (_ *intake, err error) {
	in := &intake{}
	if in.log, err = openLog(a); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	if in.queue, in.live, err = a.counting(in.log); err != nil {
		return nil, err
	}
	if a.cfg.Rollup.Enabled {
		if in.holder, err = openHolder(a.cfg.DataDir); err != nil {
			return nil, err
		}
		in.roller, err = rollup.New(rollup.Config{
			Client: a.database.writer, Holder: in.holder.name, Interval: a.cfg.Rollup.Interval, Logger: a.log, Registerer: a.registry,
			Tracer: a.telemetry.Tracer(),
		})
		if err != nil {
			return nil, err
		}
		in.keeper, err = history.New(history.Config{Client: a.database.writer, Days: a.cfg.History.Days, Holder: in.holder.name, Logger: a.log})
		if err != nil {
			return nil, err
		}
	}
	if a.cfg.Receive.Enabled {
		if in.topic, err = newTopic(a, in.queue); err != nil {
			return nil, err
		}
	}
	if in.log.consumer == nil {
		return in, nil
	}
	chain, err := a.chain()
	if err != nil {
		return nil, err
	}
	in.sink, err = sink.New(sink.Config{
		Enrich: chain, Consumer: in.log.consumer, Client: a.database.writer, Log: in.log.name,
		BatchSize: a.cfg.Sink.BatchSize, Linger: a.cfg.Sink.Linger, Price: a.prices.Price,
		Logger: a.log, Registerer: a.registry, Tracer: a.telemetry.Tracer(),
	})
	return in, err
}

// chain is of the enrichers and pricers that events pass, nil if there are none.
func (a *App) chain() (sink.Enrich, error) {
	enrichers := slices.Clone(a.opts.Enrichers)
	for _, p := range a.host.Plugins(contract.ExtensionEnricher) {
		enrichers = append(enrichers, enrich.Remote{Plugin: p})
	}
	var pricers []enrich.Pricer
	for _, p := range a.host.Plugins(contract.ExtensionPricer) {
		pricers = append(pricers, enrich.Remote{Plugin: p})
	}
	if len(enrichers) == 0 && len(pricers) == 0 {
		return nil, nil
	}
	chain := enrich.New(enrichers, pricers, a.log)
	return chain, a.registry.Register(chain.Collector())
}

// newTopic reads CloudEvents from a topic of Kafka, if there is one.
func newTopic(a *App, log receive.Appender) (*kafka.Reader, error) {
	c := a.cfg.Sources.CloudEvents
	if !c.Enabled || len(c.Kafka.Brokers) == 0 {
		return nil, nil
	}
	decoder, err := cloudevents.NewDecoder(c.Mappings, c.Presets)
	if err != nil {
		return nil, err
	}
	return kafka.New(kafka.Config{CloudKafka: c.Kafka, Decoder: decoder, Queue: log, Logger: a.log, Registerer: a.registry})
}

// run stores and rolls up until ctx ends.
func (in *intake) run(ctx context.Context) error {
	group, gctx := errgroup.WithContext(ctx)
	if in.sink != nil {
		group.Go(func() error { return in.sink.Run(gctx) })
	}
	if in.roller != nil {
		group.Go(func() error { return in.roller.Run(gctx) })
	}
	if in.keeper != nil {
		group.Go(func() error { return in.keeper.Run(gctx) })
	}
	if in.topic != nil {
		group.Go(func() error { return in.topic.Run(gctx) })
	}
	return group.Wait()
}

// watch returns when the log cannot be used, which only an operator can change, or
// has failed: its files are in an unknown state then, and only a new start finds out
// what is in them.
func (in *intake) watch(ctx context.Context) error {
	if err := in.log.open(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-in.log.failed:
		return fmt.Errorf("the log failed; start again to recover it: %w", in.log.err())
	}
}

// count sends live counters until ctx ends.
func (in *intake) count(ctx context.Context) {
	if in.live != nil {
		in.live.Run(ctx)
	}
}

func (in *intake) err() error {
	if err := in.log.err(); err != nil {
		return err
	}
	if in.sink == nil {
		return nil
	}
	if err := in.sink.Err(); err != nil {
		return fmt.Errorf("events are accepted and wait in the log: %w", err)
	}
	return nil
}

func (in *intake) close() {
	in.once.Do(func() {
		if in.topic != nil {
			in.topic.Close()
		}
		in.log.close()
		if in.holder != nil {
			in.holder.close()
		}
	})
}
