// Package atomicfile replaces files whole.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Write replaces a file, or makes it, durably and readable by its owner alone. A crash or an
// error leaves the old content or the new one.
func Write(path string, content []byte) error {
	if err := write(path, content); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func write(path string, content []byte) error {
	dir := filepath.Dir(path)
	part, err := os.CreateTemp(dir, ".new-*") // Mode 0600.
	if err != nil {
		return err
	}
	defer os.Remove(part.Name()) // Once it is renamed there is none.
	_, err = part.Write(content)
	if err := errors.Join(err, part.Sync(), part.Close()); err != nil {
		return err
	}
	if err := os.Rename(part.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
