package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The seal of a version is the SHA-256 of its manifest, beside its folder: the manifest has those
// of all other files, and the folder is the one in which the plugin works.

func sealOf(dir string) string { return dir + ".sha256" }

// seal writes it, in the form that sha256sum checks.
func seal(dir, sum string) error {
	text := fmt.Sprintf("%s  %s/%s\n", sum, filepath.Base(dir), ManifestFile)
	return os.WriteFile(sealOf(dir), []byte(text), 0o644) //nolint:gosec // others may read what a plugin is
}

// checkSeal wants the manifest with which the version was installed.
func checkSeal(dir, sum string) error {
	path := sealOf(dir)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no seal, %s: run flowgauge plugin install with the folder that the plugin came from", dir, filepath.Base(path))
	}
	if err != nil {
		return fmt.Errorf("the seal of a plugin: %w", err)
	}
	if want, _, _ := strings.Cut(string(text), " "); want != sum {
		return fmt.Errorf("%s is not the one that was installed, whose SHA-256 is in %s: it says what the plugin may do; remove %s and install it again",
			filepath.Join(dir, ManifestFile), path, dir)
	}
	return nil
}
