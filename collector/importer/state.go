package importer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// state is the position of an unfinished import: everything before it is
// acknowledged.
type state struct {
	File   fingerprint `json:"file"`
	Target string      `json:"target"`
	Offset int64       `json:"offset"` // of the text, decompressed
	Line   int64       `json:"line"`
	Counts
	RejectedPath string    `json:"rejected_path,omitempty"`
	RejectedSize int64     `json:"rejected_size"`
	Saved        time.Time `json:"saved"`
}

// statePath is the file that keeps the position of a file, by its path: a changed
// file has no second one.
func statePath(dir string, f fingerprint) string {
	sum := sha256.Sum256([]byte(f.Path))
	return filepath.Join(dir, hex.EncodeToString(sum[:12])+".json")
}

// loadState returns the position saved for a file and a target. It returns false
// when there is none, and says why one that is there cannot be used.
func loadState(path string, f fingerprint, target string) (state, bool, string) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, false, ""
	}
	var s state
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	switch {
	case err != nil:
		return state{}, false, "its saved position cannot be read"
	case s.File != f:
		return state{}, false, "it changed since it was interrupted"
	case s.Target != target:
		return state{}, false, "it was interrupted on its way to another collector or with another key"
	case s.Offset < 0 || s.Line < 0:
		return state{}, false, "its saved position cannot be read"
	}
	return s, true, ""
}

// save replaces the file in one go, so that a crash leaves the old one or the new
// one. It is not synced: a position lost with the power costs only sending again.
func (s state) save(path string) error {
	s.Saved = time.Now().UTC().Truncate(time.Second)
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode position: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create state folder: %w", err)
	}
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write position: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replace position: %w", err)
	}
	return nil
}
