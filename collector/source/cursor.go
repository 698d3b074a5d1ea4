package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/flowgauge/flowgauge/backend/atomicfile"
)

// cursorFile keeps how far a source has been asked.
type cursorFile struct{ path string }

// kept is what is in it. The cursor is one tenant's: another has its own beginning.
type kept struct {
	Tenant string `json:"tenant"`
	Cursor string `json:"cursor"`
}

// load returns a tenant's cursor, empty where there is none.
func (f cursorFile) load(tenant string) (string, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var k kept
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err != nil {
		return "", fmt.Errorf("how far the source was asked: %s: %w; without the file it is asked from the beginning, and what is there already does not count twice", f.path, err)
	}
	if k.Tenant != tenant {
		return "", nil
	}
	return k.Cursor, nil
}

// save keeps a cursor durably. A crash leaves the old one or the new one.
func (f cursorFile) save(tenant, cursor string) error {
	text, err := json.Marshal(kept{Tenant: tenant, Cursor: cursor})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(f.path, text)
}
