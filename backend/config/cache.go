package config

import (
	"fmt"
	"time"
)

// Cache is where answers are kept that are asked for again.
type Cache struct {
	Enabled  bool          `koanf:"enabled"`
	MaxBytes int64         `koanf:"max_bytes"` // in this process
	TTL      time.Duration `koanf:"ttl"`       // in Redis, when one is configured
}

func defaultCache() Cache { return Cache{Enabled: true, MaxBytes: 64 << 20, TTL: 24 * time.Hour} }

func (c *Cache) validate() error {
	if c.MaxBytes < 1<<20 {
		return fmt.Errorf("cache.max_bytes is %d: it is at least 1048576 (1 MiB); to keep no answers set cache.enabled to false", c.MaxBytes)
	}
	if c.TTL < time.Minute || c.TTL > 24*time.Hour {
		return fmt.Errorf("cache.ttl is %s: it is between 1m and 24h", c.TTL)
	}
	return nil
}
