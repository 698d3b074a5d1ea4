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
// plugin and in it one for each version, with a seal beside it.
type Installed struct {
	Manifest *Manifest
	Dir      string
	Err      error // why it cannot be used

	sum    string // the SHA-256 of its manifest
	better error  // why newer ones cannot be used
}

// List finds what is installed, by id and with the newest version first. What cannot be used
// is in the list, with the reason; what is no plugin's folder is not.
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
		if info, err := os.Stat(filepath.Join(dir, id.Name())); err != nil || !info.IsDir() || !idPattern.MatchString(id.Name()) {
			continue
		}
		some, err := versions(dir, id.Name())
		if err != nil {
			some = []Installed{{Manifest: &Manifest{ID: id.Name()}, Dir: filepath.Join(dir, id.Name()), Err: err}}
		}
		all = append(all, some...)
	}
	return all, nil
}

// versions are those of one plugin, the newest first.
func versions(dir, id string) ([]Installed, error) {
	entries, err := os.ReadDir(filepath.Join(dir, id))
	if err != nil {
		return nil, fmt.Errorf("the folder of a plugin: %w", err)
	}
	var all []Installed
	for _, version := range entries {
		if version.IsDir() && version.Name()[0] != '.' { // what is being installed begins with one
			all = append(all, look(filepath.Join(dir, id, version.Name()), id, version.Name()))
		}
	}
	slices.SortFunc(all, func(a, b Installed) int {
		av, bv := "v"+a.Manifest.Version, "v"+b.Manifest.Version
		// What comes before a release is for those that ask for it.
		if of, than := semver.Prerelease(av) != "", semver.Prerelease(bv) != ""; of != than {
			if of {
				return 1
			}
			return -1
		}
		return semver.Compare(bv, av)
	})
	return all, nil
}

func look(dir, id, version string) Installed {
	m, sum, err := readManifest(dir)
	if err == nil && (m.ID != id || m.Version != version) {
		err = fmt.Errorf("%s has the manifest of %s %s", dir, m.ID, m.Version)
	}
	if err == nil {
		err = checkSeal(dir, sum)
	}
	if err != nil {
		m = &Manifest{ID: id, Version: version}
	}
	return Installed{Manifest: m, Dir: dir, Err: err, sum: sum}
}

// verify finds out whether a version is still as it was when it was found: its manifest, which
// says what it may do, and its files.
func (i Installed) verify() error {
	_, sum, err := readManifest(i.Dir)
	if err != nil {
		return err
	}
	if sum != i.sum {
		return fmt.Errorf("%s has been changed: it says what the plugin may do; remove %s and install it again", ManifestFile, i.Dir)
	}
	return i.Manifest.Verify(i.Dir)
}

// Find returns a version of a plugin, the newest that can be used if version is empty.
func Find(dir, id, version string) (Installed, error) {
	name := id
	if version != "" {
		name += " " + version
	}
	missing := fmt.Errorf("plugin %s is not installed in %s: run flowgauge plugin install", name, dir)
	if !idPattern.MatchString(id) {
		return Installed{}, missing
	}
	all, err := versions(dir, id)
	if errors.Is(err, fs.ErrNotExist) {
		return Installed{}, missing
	}
	if err != nil {
		return Installed{}, err
	}
	var broken error
	for _, p := range all {
		switch {
		case version != "" && p.Manifest.Version != version:
		case p.Err == nil:
			p.better = broken
			return p, nil
		default:
			broken = errors.Join(broken, p.Err)
		}
	}
	if broken != nil {
		return Installed{}, broken
	}
	return Installed{}, missing
}

// Install copies a plugin's folder into the folder of plugins when its files are those of
// its manifest. A version that is there is left alone: versions do not change.
func Install(dir, from string) (Installed, error) {
	m, sum, err := readManifest(from)
	if err != nil {
		return Installed{}, err
	}
	if err := m.Verify(from); err != nil {
		return Installed{}, err
	}
	to := filepath.Join(dir, m.ID, m.Version)
	if _, err := os.Lstat(to); err == nil {
		return again(to, m, sum)
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
	if err := (Installed{Manifest: m, Dir: whole, sum: sum}).verify(); err != nil {
		return Installed{}, err
	}
	if err := seal(to, sum); err != nil {
		return Installed{}, err
	}
	if err := os.Rename(whole, to); err != nil {
		return Installed{}, fmt.Errorf("%s is in the way: remove it: %w", to, err)
	}
	return Installed{Manifest: m, Dir: to, sum: sum}, nil
}

// again is the installation of a version that is there. If it is the same it may lack its seal:
// versions that were installed before there were seals do.
func again(to string, m *Manifest, sum string) (Installed, error) {
	_, is, err := readManifest(to)
	if err == nil && is != sum {
		err = fmt.Errorf("its %s is another", ManifestFile)
	}
	if err == nil {
		err = m.Verify(to)
	}
	if err != nil {
		return Installed{}, fmt.Errorf("version %s is installed with other content: %w; versions never change: give the plugin a new version, or remove %s if it is broken", m.Version, err, to)
	}
	if _, err := os.Lstat(sealOf(to)); errors.Is(err, fs.ErrNotExist) {
		if err := seal(to, sum); err != nil {
			return Installed{}, err
		}
	}
	return Installed{Manifest: m, Dir: to, sum: sum}, checkSeal(to, sum)
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
