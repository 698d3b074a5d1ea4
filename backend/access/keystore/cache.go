package keystore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/flowgauge/flowgauge/backend/atomicfile"
)

// UseCache keeps a copy of the keys' hashes in a file that only its owner may
// read, and loads the one that is there: a collector that is started while the
// database is away lets in whom it let in before.
func (s *Store) UseCache(path string) error {
	s.cache = path
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read cached API keys: %w", err)
	}
	keys := map[string]Key{}
	if err := json.Unmarshal(text, &keys); err != nil {
		return fmt.Errorf("parse %s (delete it, it is written anew): %w", path, err)
	}
	s.cached = text
	s.use(keys)
	return nil
}

// save writes the cache when it would be another one.
func (s *Store) save(keys map[string]Key) error {
	if s.cache == "" {
		return nil
	}
	text, err := json.Marshal(keys)
	if err != nil {
		return fmt.Errorf("encode API keys: %w", err)
	}
	if bytes.Equal(text, s.cached) {
		return nil
	}
	if err := atomicfile.Write(s.cache, text); err != nil {
		return fmt.Errorf("cache API keys: %w", err)
	}
	s.cached = text
	return nil
}
