// Package config is Flowgauge's configuration: typed, with defaults that work,
// read from a YAML file, then from the environment, then from flags. A later
// one wins. Secrets are only taken from files and the environment.
package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"
)

// Config is everything that can be set. The key of a field in a file is the
// path of its tags, e.g. clickhouse.addr; in the environment it is
// FLOWGAUGE_CLICKHOUSE__ADDR (two underscores for each dot).
type Config struct {
	DataDir    string     `koanf:"data_dir"` // the log, the embedded engine's data, the administrator's key
	HTTP       HTTP       `koanf:"http"`
	ClickHouse ClickHouse `koanf:"clickhouse"`
	Engine     Engine     `koanf:"engine"`
	Log        Log        `koanf:"log"`
	WAL        WAL        `koanf:"wal"`
	Kafka      Kafka      `koanf:"kafka"`
	Receive    Receive    `koanf:"receive"`
	Sink       Sink       `koanf:"sink"`
	Rollup     Rollup     `koanf:"rollup"`
	History    History    `koanf:"history"`
	Sources    Sources    `koanf:"sources"`
	Redis      Redis      `koanf:"redis"`
	Cache      Cache      `koanf:"cache"`
	Live       Live       `koanf:"live"`
	Limits     Limits     `koanf:"limits"`
	OIDC       OIDC       `koanf:"oidc"`
	Privacy    Privacy    `koanf:"privacy"`
	Audit      Audit      `koanf:"audit"`
	Telemetry  Telemetry  `koanf:"telemetry"`
	Plugins    Plugins    `koanf:"plugins"`
	Notify     Notify     `koanf:"notify"`
	Exports    []Export   `koanf:"exports"`
	Tenant     string     `koanf:"tenant"` // of the administrator's key that a first start makes

	// Warnings are what looks like a mistake and is none for sure.
	Warnings []string `koanf:"-"`
}

// HTTP is where requests are served.
type HTTP struct {
	Listen  string `koanf:"listen"`  // HOST:PORT
	Metrics bool   `koanf:"metrics"` // serve /metrics there
	TLS     TLS    `koanf:"tls"`
}

// ClickHouse is an external server; without an address the embedded one is used.
type ClickHouse struct {
	Addr         string `koanf:"addr"` // HOST:PORT of the native protocol
	Database     string `koanf:"database"`
	User         string `koanf:"user"`
	Password     string `koanf:"password"`
	PasswordFile string `koanf:"password_file"`
	// Reader is whom questions are asked as, who may select and nothing else; the
	// user when empty.
	ReaderUser         string `koanf:"reader_user"`
	ReaderPassword     string `koanf:"reader_password"`
	ReaderPasswordFile string `koanf:"reader_password_file"`

	TLS      bool   `koanf:"tls"`
	CAFile   string `koanf:"ca_file"`   // authorities of the server's certificate; the system's when empty
	CertFile string `koanf:"cert_file"` // of this client
	KeyFile  string `koanf:"key_file"`
	Cluster  string `koanf:"cluster"` // for Replicated and Distributed tables
	// Unreplicated is a cluster of shards of one node each, without Keeper.
	Unreplicated bool `koanf:"unreplicated"`
	MaxConns     int  `koanf:"max_conns"`
}

// Engine is the embedded ClickHouse.
type Engine struct {
	Library     string `koanf:"library"` // path of libchdb; fetched when empty
	MemoryBytes uint64 `koanf:"memory_bytes"`
}

// Log is Flowgauge's own log.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn, error
	Format string `koanf:"format"` // text, json
}

// WAL is the write-ahead log of accepted events.
type WAL struct {
	MaxBytes int64  `koanf:"max_bytes"` // 503 beyond it
	KeyFile  string `koanf:"key_file"`  // encrypts it; a file or a folder of keys
}

// Sink is the way from the log into ClickHouse.
type Sink struct {
	Enabled   bool          `koanf:"enabled"`
	BatchSize int           `koanf:"batch_size"`
	Linger    time.Duration `koanf:"linger"`
}

// Rollup is the recomputation of changed buckets. Of the processes that may do it
// for a database one does, and another takes over when that one is gone.
type Rollup struct {
	Enabled  bool          `koanf:"enabled"`
	Interval time.Duration `koanf:"interval"`
}

// History is what is kept of versions of events that others have replaced.
type History struct {
	Days int `koanf:"days"` // 0: this process keeps none; -1 removes what there is
}

// Default returns the configuration of a machine that has set nothing.
func Default() Config {
	return Config{
		DataDir:    "flowgauge-data",
		HTTP:       HTTP{Listen: "127.0.0.1:8080", Metrics: true, TLS: TLS{ClientAuth: "none", MinVersion: "1.3"}},
		ClickHouse: ClickHouse{Database: "flowgauge", User: "default", MaxConns: 16},
		Log:        Log{Level: "info", Format: "text"},
		WAL:        WAL{MaxBytes: 16 << 30},
		Kafka:      defaultKafka(),
		Receive:    Receive{Enabled: true},
		Sink:       Sink{Enabled: true, BatchSize: 250_000, Linger: time.Second},
		Rollup:     Rollup{Enabled: true, Interval: 2 * time.Second},
		History:    History{},
		Sources:    defaultSources(),
		Cache:      defaultCache(),
		Live:       defaultLive(),
		Limits:     Limits{Burst: 10 * time.Second},
		OIDC:       defaultOIDC(),
		Telemetry:  Telemetry{SampleRatio: 0.1},
		Tenant:     "default",
	}
}

// maxHistory is how many days of history may be kept: each is a partition of its own.
const maxHistory = 400

const envPrefix = "FLOWGAUGE_"

// Load reads a file (when path is not empty), the environment and flags, which
// are given as dotted keys.
func Load(path string, flags map[string]any) (Config, error) {
	k := koanf.New(".")
	if err := k.Load(structs.Provider(Default(), "koanf"), nil); err != nil {
		return Config{}, fmt.Errorf("load defaults: %w", err)
	}
	known := map[string]bool{}
	for _, key := range k.Keys() {
		known[key] = true
	}
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return Config{}, fmt.Errorf("read configuration %s: %w", path, err)
		}
	}
	err := k.Load(env.Provider(".", env.Opt{
		Prefix: envPrefix,
		TransformFunc: func(key, value string) (string, any) {
			key = keyOf(key)
			if !known[key] { // other programs of ours use the prefix too: see unknown
				return "", nil
			}
			if _, list := k.Get(key).([]string); list {
				return key, strings.Split(value, ",")
			}
			return key, value
		},
	}), nil)
	if err != nil {
		return Config{}, fmt.Errorf("read the environment: %w", err)
	}
	if err := k.Load(confmap.Provider(flags, "."), nil); err != nil {
		return Config{}, fmt.Errorf("read flags: %w", err)
	}
	for _, key := range k.Keys() {
		if !known[key] {
			return Config{}, fmt.Errorf("configuration %s: unknown key %q; known are %s", path, key, strings.Join(sortedKeys(known), ", "))
		}
	}
	var cfg Config
	if err := k.Unmarshal("", &cfg); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	if err := checkLists(k); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	cfg.Warnings = unknown(os.Environ(), known)
	return cfg, cfg.finish()
}

// finish reads secrets, makes paths absolute and checks values.
func (c *Config) finish() error {
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return fmt.Errorf("data_dir %q: %w", c.DataDir, err)
	}
	c.DataDir = dir
	for _, secret := range []struct {
		key, file string
		value     *string
	}{
		{"clickhouse.password_file", c.ClickHouse.PasswordFile, &c.ClickHouse.Password},
		{"clickhouse.reader_password_file", c.ClickHouse.ReaderPasswordFile, &c.ClickHouse.ReaderPassword},
		{"privacy.key_file", c.Privacy.KeyFile, &c.Privacy.Key},
		{"redis.password_file", c.Redis.PasswordFile, &c.Redis.Password},
		{"kafka.sasl.password_file", c.Kafka.SASL.PasswordFile, &c.Kafka.SASL.Password},
	} {
		if secret.file == "" {
			continue
		}
		b, err := os.ReadFile(secret.file)
		if err != nil {
			return fmt.Errorf("%s: %w", secret.key, err)
		}
		*secret.value = strings.TrimRight(string(b), "\r\n")
	}
	if err := finishHooks(c.Sources.GitHub, c.Sources.GitLab); err != nil {
		return err
	}
	if err := c.Plugins.finish(c.DataDir); err != nil {
		return err
	}
	if err := c.Notify.finish(c.Plugins.Use); err != nil {
		return err
	}
	if err := finishExports(c.Exports); err != nil {
		return err
	}
	return c.Validate()
}

// Validate reports every value that cannot be used.
func (c *Config) Validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.HTTP.Listen); err != nil {
		errs = append(errs, fmt.Errorf("http.listen is %q: give HOST:PORT, e.g. 127.0.0.1:8080", c.HTTP.Listen))
	}
	if !c.ClickHouse.TLS && c.ClickHouse.CAFile+c.ClickHouse.CertFile+c.ClickHouse.KeyFile != "" {
		errs = append(errs, errors.New("clickhouse.ca_file, cert_file and key_file are of no use while clickhouse.tls is false: set it to true"))
	}
	if c.ClickHouse.ReaderUser == "" && c.ClickHouse.ReaderPassword != "" {
		errs = append(errs, errors.New("clickhouse.reader_password is whose? Set clickhouse.reader_user"))
	}
	if c.ClickHouse.Addr != "" {
		if _, _, err := net.SplitHostPort(c.ClickHouse.Addr); err != nil {
			errs = append(errs, fmt.Errorf("clickhouse.addr is %q: give HOST:PORT of the native protocol, e.g. db.internal:9000", c.ClickHouse.Addr))
		}
	}
	errs = append(errs, c.Redis.validate(), c.Cache.validate(), c.Live.validate(), c.Limits.validate(), c.OIDC.validate(), c.Privacy.validate(), c.Kafka.validate(), c.validateLog())
	if c.Tenant == "" {
		errs = append(errs, errors.New("tenant is empty: give the name of your organisation"))
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		errs = append(errs, fmt.Errorf("log.level is %q: it is debug, info, warn or error", c.Log.Level))
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		errs = append(errs, fmt.Errorf("log.format is %q: it is text or json", c.Log.Format))
	}
	if c.Sink.BatchSize < 1 || c.Sink.BatchSize > 1_000_000 {
		errs = append(errs, fmt.Errorf("sink.batch_size is %d: it is between 1 and 1000000", c.Sink.BatchSize))
	}
	if c.History.Days < -1 || c.History.Days > maxHistory {
		errs = append(errs, fmt.Errorf("history.days is %d: it is between 1 and %d, 0 for none, or -1, which removes the history", c.History.Days, maxHistory))
	}
	if c.WAL.MaxBytes < 64<<20 {
		errs = append(errs, fmt.Errorf("wal.max_bytes is %d: it is at least 67108864 (64 MiB)", c.WAL.MaxBytes))
	}
	if c.WAL.KeyFile != "" {
		if _, err := os.Stat(c.WAL.KeyFile); err != nil {
			errs = append(errs, fmt.Errorf("wal.key_file: %w: make a key with 'openssl rand -hex 32', in a file of mode 0600", err))
		}
	}
	return errors.Join(errs...)
}

func sortedKeys(m map[string]bool) []string {
	return slices.Sorted(maps.Keys(m))
}
