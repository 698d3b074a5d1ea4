package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Version is that of the library's packages; it contains ClickHouse 26.7.
const Version = "26.7.3-stable.1"

var (
	// ErrNoLibrary is returned by Find and New when libchdb was not fetched yet.
	ErrNoLibrary = errors.New("libchdb is not here")
	// ErrUnsupported is returned on a platform no library is published for.
	ErrUnsupported = errors.New("no embedded ClickHouse for this platform")
)

// A build is what one platform needs.
type build struct {
	Package string
	// Integrity is the tarball's, as the registries write it. Where it is
	// empty the registry's own word has to do.
	Integrity string
}

var builds = map[string]build{
	"linux-amd64": {
		Package:   "@chdb/lib-linux-x64-gnu",
		Integrity: "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
	},
	"linux-arm64":  {Package: "@chdb/lib-linux-arm64-gnu"},
	"darwin-amd64": {Package: "@chdb/lib-darwin-x64"},
	"darwin-arm64": {Package: "@chdb/lib-darwin-arm64"},
}

// libraryNames are the names the packages give the one file that is wanted.
var libraryNames = map[string]bool{"libchdb.so": true, "libchdb.dylib": true}

const libraryName = "libchdb.so"

func platform() string { return runtime.GOOS + "-" + runtime.GOARCH }

func thisBuild() (build, error) {
	b, ok := builds[platform()]
	if !ok {
		return b, fmt.Errorf("%w (%s): configure an external ClickHouse", ErrUnsupported, platform())
	}
	return b, nil
}

// DefaultCacheDir is where Fetch keeps libraries if not told otherwise.
func DefaultCacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	return filepath.Join(cache, "flowgauge", "engine"), nil
}

// libraryDir is the folder of this version and platform: another version's
// library is never mistaken for it.
func libraryDir(cacheDir string) (string, error) {
	if cacheDir == "" {
		var err error
		if cacheDir, err = DefaultCacheDir(); err != nil {
			return "", err
		}
	}
	return filepath.Join(cacheDir, Version, platform()), nil
}

// Find returns the path of libchdb: explicit if it is given, else the one that
// Fetch put into cacheDir ("" is DefaultCacheDir). It fetches nothing.
func Find(explicit, cacheDir string) (string, error) {
	path := explicit
	if path == "" {
		dir, err := libraryDir(cacheDir)
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, libraryName)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("resolve path of libchdb: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("%w: no file %s: fetch it first (\"flowgauge up\" does) or configure its path", ErrNoLibrary, path)
	}
	return path, nil
}
