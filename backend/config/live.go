package config

import "fmt"

// Live is counters of the last minutes. Collectors count and servers tell; both need the
// same Redis, unless they are one process.
type Live struct {
	Enabled          bool `koanf:"enabled"`
	MaxStreams       int  `koanf:"max_streams"`         // of this process
	MaxStreamsPerKey int  `koanf:"max_streams_per_key"` // of each API key, or user of an identity provider
}

func defaultLive() Live { return Live{Enabled: true, MaxStreams: 1000, MaxStreamsPerKey: 20} }

func (l *Live) validate() error {
	if l.MaxStreams < 1 || l.MaxStreams > 100_000 {
		return fmt.Errorf("live.max_streams is %d: it is between 1 and 100000", l.MaxStreams)
	}
	if l.MaxStreamsPerKey < 1 || l.MaxStreamsPerKey > l.MaxStreams {
		return fmt.Errorf("live.max_streams_per_key is %d: it is between 1 and live.max_streams, %d", l.MaxStreamsPerKey, l.MaxStreams)
	}
	return nil
}
