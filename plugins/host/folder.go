package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/semver"
)

// Installed is a version of a plugin in the folder of plugins, which has a folder for each
// plugin and in it one for each version.
type Installed struct {
	Manifest *Manifest
	Dir      string
	Err      error // why it cannot be used
}

// List finds what is installed, by id and with the newest version first. What cannot be used
// is in the list, with the reason.
func List(dir string) ([]Installed, error) {
	ids, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the folder of plugins: %w", err)
	}
	var all []Installed
	for _, id := range ids {
		versions, err := os.ReadDir(filepath.Join(dir, id.Name()))
		if err != nil {
			return nil, fmt.Errorf("the folder of a plugin: %w", err)
		}
		first := len(all)
		for _, version := range versions {
			if version.IsDir() && version.Name()[0] != '.' { // what is being installed begins with one
				all = append(all, look(filepath.Join(dir, id.Name(), version.Name()), id.Name(), version.Name()))
			}
		}
		slices.SortFunc(all[first:], func(a, b Installed) int {
			return semver.Compare("v"+b.Manifest.Version, "v"+a.Manifest.Version)
		})
	}
	return all, nil
}

func look(dir, id, version string) Installed {
	m, err := ReadManifest(dir)
	if err == nil && (m.ID != id || m.Version != version) {
		err = fmt.Errorf("%s has the manifest of %s %s", dir, m.ID, m.Version)
	}
	if err != nil {
		m = &Manifest{ID: id, Version: version}
	}
	return Installed{Manifest: m, Dir: dir, Err: err}
}

// Find returns a version of a plugin, the newest that can be used if version is empty.
func Find(dir, id, version string) (Installed, error) {
	all, err := List(dir)
	if err != nil {
		return Installed{}, err
	}
	var broken error
	for _, p := range all {
		switch {
		case p.Manifest.ID != id || version != "" && p.Manifest.Version != version:
		case p.Err == nil:
			return p, nil
		default:
			broken = errors.Join(broken, p.Err)
		}
	}
	if broken != nil {
		return Installed{}, broken
	}
	name := id
	if version != "" {
		name += " " + version
	}
	return Installed{}, fmt.Errorf("plugin %s is not installed in %s: run flowgauge plugin install", name, dir)
}

// Install copies a plugin's folder into the folder of plugins when its files are those of
// its manifest. A version that is there is left alone: versions do not change.
func Install(dir, from string) (Installed, error) {
	m, err := ReadManifest(from)
	if err != nil {
		return Installed{}, err
	}
	if err := m.Verify(from); err != nil {
		return Installed{}, err
	}
	to := filepath.Join(dir, m.ID, m.Version)
	if old := look(to, m.ID, m.Version); old.Err == nil {
		if err := m.Verify(to); err != nil {
			return Installed{}, fmt.Errorf("version %s is installed with other files; give the plugin a new version: %w", m.Version, err)
		}
		return old, nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return Installed{}, err
	}
	// It appears at once, or not at all.
	part, err := os.MkdirTemp(filepath.Dir(to), ".install-*")
	if err != nil {
		return Installed{}, err
	}
	defer os.RemoveAll(part)
	whole := filepath.Join(part, m.Version)
	if err := os.CopyFS(whole, os.DirFS(from)); err != nil {
		return Installed{}, err
	}
	if err := m.Verify(whole); err != nil {
		return Installed{}, err
	}
	if err := os.Rename(whole, to); err != nil {
		return Installed{}, fmt.Errorf("%s is in the way: remove it: %w", to, err)
	}
	return Installed{Manifest: m, Dir: to}, nil
}

// Pack writes a manifest with the checksums of the folder's files into the folder.
func Pack(dir string, m *Manifest) error {
	sums, err := Checksums(dir)
	if err != nil {
		return err
	}
	m.Files = sums
	return Write(dir, m)
}

// Write writes a manifest into a folder.
func Write(dir string, m *Manifest) error {
	if err := m.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ManifestFile), append(text, '\n'), 0o644) //nolint:gosec // others may read what a plugin is
}
