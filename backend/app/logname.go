package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// logName returns the name by which the write-ahead log of a data folder is told
// from those of other collectors: what was counted of it is noted under this name.
// The first start makes one. Two collectors with a copy of one folder would have
// one name, and count only what the other did not.
func logName(dataDir string) (string, error) {
	path := filepath.Join(dataDir, "log.name")
	b, err := os.ReadFile(path)
	name := strings.TrimSpace(string(b))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		var random [8]byte
		if _, err := rand.Read(random[:]); err != nil {
			return "", fmt.Errorf("name the log: %w", err)
		}
		name = hex.EncodeToString(random[:])
		if err := writeSecret(path, name); err != nil {
			return "", fmt.Errorf("name the log: %w", err)
		}
		return name, nil
	case err != nil:
		return "", fmt.Errorf("read the log's name: %w", err)
	case name == "":
		return "", fmt.Errorf("%s is empty: delete it and a new name is made", path)
	}
	return name, nil
}
