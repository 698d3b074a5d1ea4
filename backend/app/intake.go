package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/queue/wal"
	"github.com/flowgauge/flowgauge/backend/rollup"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/cloudevents"
	"github.com/flowgauge/flowgauge/collector/receive/cloudevents/kafka"
	"github.com/flowgauge/flowgauge/collector/sink"
)

// intake is the way of an event: the log, the sink and the roller.
type intake struct {
	log    *wal.Log
	sink   *sink.Sink
	roller *rollup.Roller
	holder *holder
	topic  *kafka.Reader // of CloudEvents; nil when none is configured
	once   sync.Once
}

func newIntake(a *App) (_ *intake, err error) {
	in := &intake{}
	keys, err := wal.LoadKeys(a.cfg.WAL.KeyFile)
	if err != nil {
		return nil, err
	}
	in.log, err = wal.New(wal.Options{
		Dir:      filepath.Join(a.cfg.DataDir, "wal"),
		MaxBytes: a.cfg.WAL.MaxBytes,
		Keys:     keys,
		Logger:   a.log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	if err := registerLog(a.registry, in.log); err != nil {
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
	}
	name, err := logName(a.cfg.DataDir)
	if err != nil {
		return nil, err
	}
	in.sink, err = sink.New(sink.Config{
		Consumer: in.log, Client: a.database.writer, Log: name,
		BatchSize: a.cfg.Sink.BatchSize, Linger: a.cfg.Sink.Linger, Price: a.prices.Price,
		Logger: a.log, Registerer: a.registry, Tracer: a.telemetry.Tracer(),
	})
	if err != nil {
		return nil, err
	}
	in.topic, err = newTopic(a, in.log)
	return in, err
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
	group.Go(func() error { return in.sink.Run(gctx) })
	if in.roller != nil {
		group.Go(func() error { return in.roller.Run(gctx) })
	}
	if in.topic != nil {
		group.Go(func() error { return in.topic.Run(gctx) })
	}
	return group.Wait()
}

// watch returns when the log has failed: its files are in an unknown state, and
// only a new start finds out what is in them.
func (in *intake) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-in.log.Failed():
		return fmt.Errorf("the log failed; start again to recover it: %w", in.log.Err())
	}
}

func (in *intake) err() error {
	if err := in.log.Err(); err != nil {
		return err
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
		_ = in.log.Close()
		if in.holder != nil {
			in.holder.close()
		}
	})
}

// registerLog exposes the log's state; reading it costs nothing while nobody asks.
func registerLog(reg prometheus.Registerer, log *wal.Log) error {
	gauge := func(name, help string, value func(wal.Stats) float64) error {
		return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(log.Stats()) }))
	}
	return errors.Join(
		gauge("flowgauge_wal_bytes", "Bytes in the write-ahead log.", func(s wal.Stats) float64 { return float64(s.Bytes) }),
		gauge("flowgauge_wal_segments", "Segments of the write-ahead log.", func(s wal.Stats) float64 { return float64(s.Segments) }),
		gauge("flowgauge_wal_pending_records", "Accepted records that are not stored in ClickHouse yet.", func(s wal.Stats) float64 { return float64(s.Pending) }),
		gauge("flowgauge_wal_oldest_pending_seconds", "Age of the oldest accepted record that is not stored yet.", func(s wal.Stats) float64 { return s.OldestAge.Seconds() }),
	)
}
