package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Plugins are extensions by others, each a process of its own.
type Plugins struct {
	Dir string      `koanf:"dir"` // where they are installed; the folder plugins of the data folder if empty
	Use []PluginUse `koanf:"use"` // those that run, in the order in which they are asked
}

// PluginUse is a plugin that runs.
type PluginUse struct {
	ID      string `koanf:"id"`
	Version string `koanf:"version"` // the newest that is installed if empty
	// OnFailure says what becomes of events that it could not be asked about: skip, hold or
	// dead_letter. Plugins that events do not pass have none.
	OnFailure   string            `koanf:"on_failure"`
	Timeout     time.Duration     `koanf:"timeout"`      // of a call; 5s if 0
	MemoryBytes uint64            `koanf:"memory_bytes"` // more, and it is started anew; 512 MiB if 0
	Settings    map[string]any    `koanf:"settings"`     // the plugin's own
	SecretFiles map[string]string `koanf:"secret_files"` // settings that are read from files
	Tenant      string            `koanf:"tenant"`       // of a source: whose its events are where no API key says it
	Every       time.Duration     `koanf:"every"`        // of a source: how often it is asked for events; never if 0

	SettingsJSON json.RawMessage `koanf:"-"` // with the secrets
	Secrets      []string        `koanf:"-"` // what the files have
}

const (
	defaultPluginTimeout  = 5 * time.Second
	shortestPluginTimeout = 100 * time.Millisecond
	longestPluginTimeout  = 5 * time.Minute
	leastPluginMemory     = 16 << 20
	mostPluginMemory      = 1 << 40
	defaultPluginMemory   = 512 << 20
)

var onFailures = []string{"skip", "hold", "dead_letter"}

// finish fills in defaults, reads secrets, and reports every value that cannot be used.
func (p *Plugins) finish(dataDir string) error {
	if p.Dir == "" {
		p.Dir = filepath.Join(dataDir, "plugins")
	}
	var errs []error
	seen := map[string]bool{}
	for i := range p.Use {
		u := &p.Use[i]
		if u.ID == "" {
			errs = append(errs, fmt.Errorf("plugins.use[%d] has no id: 'flowgauge plugin list' has those that are installed", i))
		} else if seen[u.ID] {
			errs = append(errs, fmt.Errorf("plugins.use has %s twice: a plugin runs once", u.ID))
		}
		seen[u.ID] = true
		if err := u.finish(); err != nil {
			errs = append(errs, fmt.Errorf("plugins.use, %s: %w", u.ID, err))
		}
	}
	return errors.Join(errs...)
}

func (u *PluginUse) finish() error {
	var errs []error
	if u.Timeout == 0 {
		u.Timeout = defaultPluginTimeout
	}
	if u.Timeout < shortestPluginTimeout || u.Timeout > longestPluginTimeout {
		errs = append(errs, fmt.Errorf("timeout is %s: give a duration with its unit, such as 5s, from %s to %s", u.Timeout, shortestPluginTimeout, longestPluginTimeout))
	}
	if u.MemoryBytes == 0 {
		u.MemoryBytes = defaultPluginMemory
	}
	if u.MemoryBytes < leastPluginMemory || u.MemoryBytes > mostPluginMemory {
		errs = append(errs, fmt.Errorf("memory_bytes is %d: it is from %d (16 MiB) to %d (1 TiB)", int64(u.MemoryBytes), leastPluginMemory, int64(mostPluginMemory)))
	}
	if u.OnFailure != "" && !slices.Contains(onFailures, u.OnFailure) {
		errs = append(errs, fmt.Errorf("on_failure is %q: want one of %s", u.OnFailure, strings.Join(onFailures, ", ")))
	}
	errs = append(errs, u.checkSource())
	var err error
	u.SettingsJSON, u.Secrets, err = u.ReadSettings()
	return errors.Join(append(errs, err)...)
}

// ReadSettings reads the secrets, and returns the settings with them, and them alone.
func (u *PluginUse) ReadSettings() (all json.RawMessage, secrets []string, err error) {
	var errs []error
	settings := maps.Clone(u.Settings)
	if settings == nil {
		settings = map[string]any{}
	}
	for name, path := range u.SecretFiles {
		if _, twice := settings[name]; twice {
			errs = append(errs, fmt.Errorf("%s is in settings and in secret_files: keep one", name))
		}
		b, err := os.ReadFile(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("secret_files.%s: %w", name, err))
		}
		secret := strings.TrimRight(string(b), "\r\n")
		settings[name], secrets = secret, append(secrets, secret)
	}
	all, err = json.Marshal(settings)
	if err != nil {
		errs = append(errs, fmt.Errorf("settings: %w", err))
	}
	return all, secrets, errors.Join(errs...)
}

const (
	shortestEvery = time.Second
	longestEvery  = 24 * time.Hour
)

// checkSource says what is wrong with how a source is used.
func (u *PluginUse) checkSource() error {
	switch {
	case u.Every == 0:
		return nil
	case u.Every < shortestEvery || u.Every > longestEvery:
		return fmt.Errorf("every is %s: give a time from %s to %s, or leave it out for a source that is not asked", u.Every, shortestEvery, longestEvery)
	case u.Tenant == "":
		return errors.New("tenant is missing: whose are the events that it is asked for?")
	}
	return nil
}
