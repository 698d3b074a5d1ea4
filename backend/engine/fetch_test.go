package engine

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

const libraryText = "this is the library"

// tarball packs files as npm does.
func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for name, text := range files {
		require.NoError(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}))
		_, err := archive.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

func goodTarball(t *testing.T) []byte {
	t.Helper()
	return tarball(t, map[string]string{"package/package.json": "{}", "package/libchdb.so": libraryText, "package/other.node": "x"})
}

func integrityOf(content []byte) string {
	sum := sha512.Sum512(content)
	return integrityScheme + base64.StdEncoding.EncodeToString(sum[:])
}

// A shelf is a registry that holds one tarball.
type shelf struct {
	content   []byte
	integrity string
	packs     atomic.Int32
}

func (s *shelf) Pack(_ context.Context, _, _, dir string) (string, error) {
	s.packs.Add(1)
	if s.content == nil {
		return "", errors.New("out of stock")
	}
	path := filepath.Join(dir, "package.tgz")
	return path, os.WriteFile(path, s.content, 0o600)
}

func (s *shelf) Integrity(context.Context, string, string) (string, error) { return s.integrity, nil }

func TestFetchInstalls(t *testing.T) {
	content := goodTarball(t)
	for name, f := range map[string]fetcher{
		"pinned":                 {build: build{Integrity: integrityOf(content)}, client: &shelf{content: content}},
		"by the registry's word": {client: &shelf{content: content, integrity: integrityOf(content)}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := Find("", dir)
			require.ErrorIs(t, err, ErrNoLibrary)

			var phases []Phase
			f.progress = func(p Progress) {
				if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
					phases = append(phases, p.Phase)
				}
			}
			path, err := f.fetch(t.Context(), dir)
			require.NoError(t, err)
			require.Equal(t, []Phase{PhaseDownloading, PhaseVerifying, PhaseUnpacking, PhaseReady}, phases)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, libraryText, string(text))

			found, err := Find("", dir)
			require.NoError(t, err)
			require.Equal(t, path, found)
			requireNothingElse(t, dir, libraryName, "fetch.lock")
		})
	}
}

func TestFetchRefusesWhatIsNotTheLibrary(t *testing.T) {
	good := goodTarball(t)
	corrupt := bytes.Clone(good)
	corrupt[len(corrupt)/2] ^= 1
	empty := tarball(t, map[string]string{"package/package.json": "{}"})
	for name, test := range map[string]struct {
		fetcher fetcher
		want    error
	}{
		"corrupt":          {fetcher{build: build{Integrity: integrityOf(good)}, client: &shelf{content: corrupt}}, ErrIntegrity},
		"registry differs": {fetcher{client: &shelf{content: good, integrity: integrityOf(corrupt)}}, ErrIntegrity},
		"weaker hash":      {fetcher{client: &shelf{content: good, integrity: "sha1-x"}}, ErrIntegrity},
		"no library":       {fetcher{build: build{Integrity: integrityOf(empty)}, client: &shelf{content: empty}}, nil},
		"truncated":        {fetcher{build: build{Integrity: integrityOf(good[:40])}, client: &shelf{content: good[:40]}}, nil},
		"not there":        {fetcher{client: &shelf{}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := test.fetcher.fetch(t.Context(), dir)
			require.Error(t, err)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			}
			_, err = Find("", dir)
			require.ErrorIs(t, err, ErrNoLibrary)
			requireNothingElse(t, dir, "fetch.lock")
		})
	}
}

func TestFetchOnceForAll(t *testing.T) {
	content := goodTarball(t)
	client := &shelf{content: content}
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			f := fetcher{build: build{Integrity: integrityOf(content)}, client: client}
			path, err := f.fetch(t.Context(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != libraryText {
				t.Errorf("read %s: %q, %v", path, text, err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, client.packs.Load())
}

func TestFetchStopsWaiting(t *testing.T) {
	dir := t.TempDir()
	folder, err := libraryDir(dir)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(folder, 0o700))
	lock, err := fetcher{}.lock(t.Context(), filepath.Join(folder, "fetch.lock"))
	require.NoError(t, err)
	defer lock.Close()

	ctx, cancel := context.WithCancel(t.Context())
	f := fetcher{client: &shelf{}, progress: func(p Progress) {
		require.Equal(t, PhaseWaiting, p.Phase)
		cancel()
	}}
	_, err = f.fetch(ctx, dir)
	require.ErrorIs(t, err, context.Canceled)
}

func TestFindExplicit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my.so")
	_, err := Find(path, "")
	require.ErrorIs(t, err, ErrNoLibrary)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	found, err := Find(path, "")
	require.NoError(t, err)
	require.Equal(t, path, found)
}

func requireNothingElse(t *testing.T, dir string, want ...string) {
	t.Helper()
	folder, err := libraryDir(dir)
	require.NoError(t, err)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	require.ElementsMatch(t, want, names)
}
