package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/flowgauge/flowgauge/backend/atomicfile"
)

// ErrNotRunning says that no engine has run in a directory.
var ErrNotRunning = errors.New("no engine has run there")

// publish leaves the endpoint, passwords included, for other processes of the
// directory's owner.
func (e *Engine) publish(endpoint Endpoint) error {
	text, err := json.Marshal(endpoint)
	if err != nil {
		return fmt.Errorf("encode endpoint: %w", err)
	}
	return atomicfile.Write(e.paths.Endpoint, text)
}

// Running returns how to reach the engine that another process runs in dir. It
// is the endpoint of the last start: whether it still answers, connecting shows.
func Running(dir string) (Endpoint, error) {
	var endpoint Endpoint
	path := pathsIn(dir).Endpoint
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return endpoint, fmt.Errorf("%s: %w", dir, ErrNotRunning)
	}
	if err != nil {
		return endpoint, fmt.Errorf("read endpoint: %w", err)
	}
	if err := json.Unmarshal(text, &endpoint); err != nil {
		return endpoint, fmt.Errorf("parse %s: %w", path, err)
	}
	return endpoint, nil
}
