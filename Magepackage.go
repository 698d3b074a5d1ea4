//go:build mage

package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/magefile/mage/mg"
)

const (
	// manifestFile lists the files of a package with their hashes, as Grafana's signing tool
	// does in MANIFEST.txt, which it adds.
	manifestFile = "manifest.json"
	// sourcesFile lists the Go files that a package was built from, with their hashes.
	// Grafana's reviewers compare them with the source that they are shown; the name and
	// the format are those of the SDK's own build.
	sourcesFile = "go_plugin_build_manifest"
)

// Package builds the plugin for every platform into a zip, with its hashes, ready to be signed.
func Package(ctx context.Context) error {
	mg.CtxDeps(ctx, needsNode)
	if err := os.RemoveAll(dist); err != nil { // nothing of an older build is shipped
		return err
	}
	mg.CtxDeps(ctx, Frontend, BackendAll)
	version, err := pluginVersion()
	if err != nil {
		return err
	}
	if err := writeSources(); err != nil {
		return err
	}
	if err := writeManifest(version); err != nil {
		return err
	}
	name := filepath.Join("dist", fmt.Sprintf("%s-%s.zip", plugin, version))
	step("Packing " + name)
	packed, err := packPlugin()
	if err != nil {
		return err
	}
	if err := write(name, packed); err != nil {
		return err
	}
	sum := sha256.Sum256(packed)
	line := hex.EncodeToString(sum[:]) + "  " + filepath.Base(name) + "\n"
	fmt.Printf("%s, %.1f MB\nsha256 %s", name, float64(len(packed))/1e6, line)
	return write(name+".sha256", []byte(line))
}

// pluginVersion is the one that the front end's build puts into plugin.json.
func pluginVersion() (string, error) {
	name := filepath.Join(frontEnd, "package.json")
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	var about struct{ Version string }
	if err := json.Unmarshal(text, &about); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return about.Version, nil
}

// writeSources lists every Go file of the repository: what imports what is not looked at,
// neither here nor by those who compare. Names are as seen from the front end's folder:
// that is the source that they are shown, because package.json is there.
func writeSources() error {
	var list strings.Builder
	tree := os.DirFS(".")
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "node_modules" {
			return fs.SkipDir // there are Go files in it that are not ours
		}
		if entry.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		seen, err := filepath.Rel(frontEnd, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x:%s\n", sha256.Sum256(content), filepath.ToSlash(seen))
		return nil
	})
	if err != nil {
		return err
	}
	return write(filepath.Join(dist, sourcesFile), []byte(list.String()))
}

func writeManifest(version string) error {
	files := map[string]string{}
	err := eachPluginFile(func(name string, _ fs.FileInfo, content []byte) error {
		sum := sha256.Sum256(content)
		files[name] = hex.EncodeToString(sum[:])
		return nil
	})
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(map[string]any{"plugin": plugin, "version": version, "files": files}, "", "  ")
	if err != nil {
		return err
	}
	return write(filepath.Join(dist, manifestFile), append(text, '\n'))
}

// packPlugin makes the zip that Grafana unpacks into its plugins' folder. Its times are
// fixed, so that one tree makes one zip.
func packPlugin() ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	err := eachPluginFile(func(name string, info fs.FileInfo, content []byte) error {
		header := &zip.FileHeader{Name: plugin + "/" + name, Method: zip.Deflate, Modified: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
		header.SetMode(info.Mode().Perm() | 0o444)
		w, err := z.CreateHeader(header)
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil { // writes the directory
		return nil, err
	}
	return out.Bytes(), nil
}

// write makes a file that others may read: it is shipped.
func write(name string, content []byte) error {
	return os.WriteFile(name, content, 0o644) //nolint:gosec // there is nothing secret in a package
}

func eachPluginFile(do func(name string, info fs.FileInfo, content []byte) error) error {
	root, err := os.OpenRoot(dist)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		return do(name, info, content)
	})
}
