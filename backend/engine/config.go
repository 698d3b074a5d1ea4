package engine

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
)

const (
	// DefaultDatabase is the database that the reader may select from.
	DefaultDatabase = "flowgauge"

	mebibyte = 1 << 20
	gibibyte = 1 << 30

	// Below this ClickHouse fails queries that are not at fault.
	minMemoryLimit     = 256 * mebibyte
	maxDefaultMemory   = 8 * gibibyte
	defaultMemoryShare = 0.6
)

// Config says where the engine keeps its data and what it may use.
type Config struct {
	// Library is the path of libchdb; empty means the one that Fetch cached.
	Library string
	// Dir holds data, configuration, passwords and logs. One process owns it.
	Dir string
	// Database is what the reader may select from; empty means DefaultDatabase.
	Database string
	// MoreDatabases are further ones the reader gets the same rights on. (A
	// wildcard would do for SELECT, but ClickHouse has none for "the table
	// audit_log of many databases".)
	MoreDatabases []string
	// HTTPPort and TCPPort are loopback ports; 0 picks free ones, which are
	// kept for the life of the Engine.
	HTTPPort int
	TCPPort  int
	// MemoryLimit bounds ClickHouse in bytes; 0 means 60 % of the machine's
	// (or the container's) memory, at most 8 GiB.
	MemoryLimit int64
	// ExtraConfig is XML put inside <clickhouse>, such as <remote_servers>.
	ExtraConfig string
	// Logger reports restarts; nil means slog.Default().
	Logger *slog.Logger
}

// The name goes into grants, which know no parameters.
var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// withDefaults fills in what was left out and makes paths absolute, because
// the child works in another directory.
func (c Config) withDefaults() (Config, error) {
	c.Database = cmp.Or(c.Database, DefaultDatabase)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.MemoryLimit == 0 {
		c.MemoryLimit = defaultMemoryLimit()
	}
	if c.Dir != "" {
		dir, err := filepath.Abs(c.Dir)
		if err != nil {
			return c, fmt.Errorf("resolve engine directory: %w", err)
		}
		c.Dir = dir
	}
	return c, nil
}

// databases are those the reader may read.
func (c Config) databases() []string {
	return append([]string{cmp.Or(c.Database, DefaultDatabase)}, c.MoreDatabases...)
}

// Validate reports every field that cannot work.
func (c Config) Validate() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("engine: Dir is empty: name a directory for ClickHouse's data"))
	}
	for _, name := range c.databases() {
		if !databaseName.MatchString(name) {
			errs = append(errs, fmt.Errorf("engine: database %q: use letters, digits and underscores, at most 64", name))
		}
	}
	for name, port := range map[string]int{"HTTPPort": c.HTTPPort, "TCPPort": c.TCPPort} {
		if port < 0 || port > 65535 {
			errs = append(errs, fmt.Errorf("engine: %s %d: use 1 to 65535, or 0 for a free one", name, port))
		}
	}
	if c.HTTPPort != 0 && c.HTTPPort == c.TCPPort {
		errs = append(errs, fmt.Errorf("engine: HTTPPort and TCPPort are both %d: they must differ", c.HTTPPort))
	}
	if c.MemoryLimit != 0 && c.MemoryLimit < minMemoryLimit {
		errs = append(errs, fmt.Errorf("engine: MemoryLimit %d: ClickHouse needs at least %d bytes", c.MemoryLimit, minMemoryLimit))
	}
	return errors.Join(errs...)
}

func defaultMemoryLimit() int64 {
	limit := int64(maxDefaultMemory)
	if total := totalMemory(); total > 0 {
		limit = min(limit, int64(float64(total)*defaultMemoryShare))
	}
	return max(limit, minMemoryLimit)
}
