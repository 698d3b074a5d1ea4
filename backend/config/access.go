package config

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Redis holds what may be lost and what collectors share: rate limits. Without an
// address each process keeps its own.
type Redis struct {
	Addr         string `koanf:"addr"` // HOST:PORT
	DB           int    `koanf:"db"`
	User         string `koanf:"user"`
	Password     string `koanf:"password"`
	PasswordFile string `koanf:"password_file"`
	TLS          bool   `koanf:"tls"`
	CAFile       string `koanf:"ca_file"`   // authorities of the server's certificate; the system's when empty
	CertFile     string `koanf:"cert_file"` // of this client
	KeyFile      string `koanf:"key_file"`
}

// TLS is how the listener proves who it is; without a certificate it is plain
// HTTP. The files are read again when they change.
type TLS struct {
	CertFile     string `koanf:"cert_file"`
	KeyFile      string `koanf:"key_file"`
	ClientCAFile string `koanf:"client_ca_file"`
	ClientAuth   string `koanf:"client_auth"` // none, request, require
	MinVersion   string `koanf:"min_version"` // 1.2, 1.3
}

// Telemetry is what Flowgauge tells of its own work.
type Telemetry struct {
	OTLPEndpoint string  `koanf:"otlp_endpoint"` // URL of an OTLP/HTTP receiver of spans
	SampleRatio  float64 `koanf:"sample_ratio"`  // of traces that begin here
	Listen       string  `koanf:"listen"`        // HOST:PORT of profiles and metrics; without a host this machine's alone
}

// Limits bound each API key that has none of its own. Zero is no limit.
type Limits struct {
	EventsPerSecond   float64       `koanf:"events_per_second"`
	RequestsPerSecond float64       `koanf:"requests_per_second"`
	Burst             time.Duration `koanf:"burst"` // what may come at once, as the time in which it may come
}

func (r *Redis) validate() error {
	if r.Addr != "" {
		if _, _, err := net.SplitHostPort(r.Addr); err != nil {
			return fmt.Errorf("redis.addr is %q: give HOST:PORT, e.g. redis.internal:6379", r.Addr)
		}
	}
	if !r.TLS && r.CAFile+r.CertFile+r.KeyFile != "" {
		return errors.New("redis.ca_file, cert_file and key_file are of no use while redis.tls is false: set it to true")
	}
	if r.DB < 0 {
		return fmt.Errorf("redis.db is %d: it is 0 or more", r.DB)
	}
	return nil
}

func (l *Limits) validate() error {
	var errs []error
	for name, rate := range map[string]float64{"events_per_second": l.EventsPerSecond, "requests_per_second": l.RequestsPerSecond} {
		if !(rate >= 0 && rate <= 1e9) {
			errs = append(errs, fmt.Errorf("limits.%s is %v: it is between 0, which is no limit, and 1e9", name, rate))
		}
	}
	if l.Burst < 0 {
		errs = append(errs, fmt.Errorf("limits.burst is %s: it is 0 or more, e.g. 10s", l.Burst))
	}
	return errors.Join(errs...)
}
