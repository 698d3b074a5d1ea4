package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/flowgauge/flowgauge/backend/access/certs"
	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/kafka"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
)

// eventLog is where accepted events wait for the sink: the write-ahead log in the
// data folder, or a topic that collectors share.
type eventLog struct {
	queue.Appender
	consumer queue.Consumer
	name     string // by which what was counted of it is noted
	// open returns when the log can be used, or why it never will be.
	open   func(ctx context.Context) error
	failed <-chan struct{} // closed when only a new start can mend it
	// pending counts the records that wait, as far as this process knows; nil when
	// it stores none.
	pending func() int64
	err     func() error
	close   func()
}

func openLog(a *App) (*eventLog, error) {
	if len(a.cfg.Kafka.Brokers) > 0 {
		return openKafka(a)
	}
	return openWAL(a)
}

func openWAL(a *App) (*eventLog, error) {
	name, err := logName(a.cfg.DataDir)
	if err != nil {
		return nil, err
	}
	keys, err := wal.LoadKeys(a.cfg.WAL.KeyFile)
	if err != nil {
		return nil, err
	}
	log, err := wal.New(wal.Options{
		Dir:      filepath.Join(a.cfg.DataDir, "wal"),
		MaxBytes: a.cfg.WAL.MaxBytes,
		Keys:     keys,
		Logger:   a.log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	l := &eventLog{
		Appender: log, consumer: log, name: name,
		open:   func(context.Context) error { return nil },
		failed: log.Failed(), err: log.Err, close: func() { _ = log.Close() },
		pending: func() int64 { return log.Stats().Pending },
	}
	if err := registerWAL(a.registry, log); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func openKafka(a *App) (*eventLog, error) {
	cfg := a.cfg.Kafka
	opts := kafka.Options{
		Brokers: cfg.Brokers, Topic: cfg.Topic, Group: cfg.Group,
		Partitions: int32(cfg.Partitions), Replication: int16(cfg.Replication),
		Timeout: cfg.Timeout, SASL: mechanism(cfg.SASL), Logger: a.log,
	}
	if cfg.TLS {
		var err error // no server name: a certificate has to be for the broker's own
		if opts.TLS, err = (certs.Client{CAFile: cfg.CAFile, CertFile: cfg.CertFile, KeyFile: cfg.KeyFile}).Config(); err != nil {
			return nil, fmt.Errorf("kafka: %w", err)
		}
	}
	log, err := kafka.New(opts, a.cfg.Receive.Enabled, a.cfg.Sink.Enabled)
	if err != nil {
		return nil, err
	}
	l := &eventLog{
		Appender: log, name: "kafka " + cfg.Topic,
		open: log.Open, failed: make(chan struct{}), err: log.Err, close: log.Close,
	}
	if c := log.Consumer(); c != nil {
		l.consumer = c
		l.pending = func() (total int64) {
			for _, p := range c.Stats().Partitions {
				total += p.Pending
			}
			return total
		}
	}
	if err := a.registry.Register(kafkaMetrics{log}); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// mechanism returns nil when the brokers ask for no password.
func mechanism(c config.SASL) sasl.Mechanism {
	switch auth := (scram.Auth{User: c.User, Pass: c.Password}); c.Mechanism {
	case "plain":
		return plain.Auth{User: c.User, Pass: c.Password}.AsMechanism()
	case "scram-sha-256":
		return auth.AsSha256Mechanism()
	case "scram-sha-512":
		return auth.AsSha512Mechanism()
	}
	return nil
}

// registerWAL exposes the log's state; reading it costs nothing while nobody asks.
func registerWAL(reg prometheus.Registerer, log *wal.Log) error {
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
