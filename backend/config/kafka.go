package config

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Kafka is the log of accepted events that several collectors share. Without
// brokers each has a write-ahead log of its own.
type Kafka struct {
	Brokers     []string      `koanf:"brokers"` // HOST:PORT of some of them
	Topic       string        `koanf:"topic"`
	Group       string        `koanf:"group"`       // of the sinks
	Partitions  int           `koanf:"partitions"`  // of a topic that is created
	Replication int           `koanf:"replication"` // of a topic that is created
	Timeout     time.Duration `koanf:"timeout"`     // until a request that the brokers do not acknowledge gets 503
	TLS         bool          `koanf:"tls"`
	CAFile      string        `koanf:"ca_file"`   // authorities of the brokers' certificates; the system's when empty
	CertFile    string        `koanf:"cert_file"` // of this client
	KeyFile     string        `koanf:"key_file"`
	SASL        SASL          `koanf:"sasl"`
}

// SASL is how a client proves to the brokers who it is.
type SASL struct {
	Mechanism    string `koanf:"mechanism"` // plain, scram-sha-256, scram-sha-512; none when empty
	User         string `koanf:"user"`
	Password     string `koanf:"password"`
	PasswordFile string `koanf:"password_file"`
}

// Receive is the way of events into the log.
type Receive struct {
	Enabled bool `koanf:"enabled"`
}

func defaultKafka() Kafka {
	return Kafka{Topic: "flowgauge-events", Group: "flowgauge-sink", Partitions: 12, Replication: 3, Timeout: 15 * time.Second}
}

func (k *Kafka) validate() error {
	var errs []error
	for _, b := range k.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			errs = append(errs, fmt.Errorf("kafka.brokers has %q: give HOST:PORT, e.g. kafka.internal:9092", b))
		}
	}
	if k.Topic == "" || k.Group == "" {
		errs = append(errs, errors.New("kafka.topic and kafka.group must not be empty"))
	}
	if k.Partitions < 1 || k.Partitions > 10_000 || k.Replication < 1 || k.Replication > 100 {
		errs = append(errs, fmt.Errorf("kafka.partitions is %d and kafka.replication %d: they are between 1 and 10000, and 1 and 100", k.Partitions, k.Replication))
	}
	if k.Timeout < time.Second {
		errs = append(errs, fmt.Errorf("kafka.timeout is %s: it is at least 1s", k.Timeout))
	}
	if !k.TLS && k.CAFile+k.CertFile+k.KeyFile != "" {
		errs = append(errs, errors.New("kafka.ca_file, cert_file and key_file are of no use while kafka.tls is false: set it to true"))
	}
	switch k.SASL.Mechanism {
	case "":
		if k.SASL.User+k.SASL.Password != "" {
			errs = append(errs, errors.New("kafka.sasl.user and password are of no use without kafka.sasl.mechanism: set it to plain, scram-sha-256 or scram-sha-512"))
		}
	case "plain", "scram-sha-256", "scram-sha-512":
		if k.SASL.User == "" || k.SASL.Password == "" {
			errs = append(errs, errors.New("kafka.sasl needs a user and a password: set kafka.sasl.user and kafka.sasl.password_file"))
		}
	default:
		errs = append(errs, fmt.Errorf("kafka.sasl.mechanism is %q: it is plain, scram-sha-256 or scram-sha-512", k.SASL.Mechanism))
	}
	return errors.Join(errs...)
}

// validateLog checks which ends of the log a collector has.
func (c *Config) validateLog() error {
	switch {
	case len(c.Kafka.Brokers) == 0 && !c.Sink.Enabled:
		return errors.New("sink.enabled is false and kafka.brokers is empty: nobody would store what this collector accepts")
	case !c.Sink.Enabled && !c.Receive.Enabled:
		return errors.New("sink.enabled and receive.enabled are both false: the collector would have nothing to do")
	}
	return nil
}
