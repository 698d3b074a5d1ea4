package wal

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomKey is not random, but looks it.
var randomKey = []byte("\x00\x9f0123456789abcdefghij\x80\xff\n\r\x01klmno")

func keyFile(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func TestLoadKeys(t *testing.T) {
	require.Len(t, randomKey, keySize)
	h := hex.EncodeToString(randomKey)
	b := base64.StdEncoding.EncodeToString(randomKey)
	other := strings.Repeat("01", 31) + "ff"
	want := &Keys{}
	require.NoError(t, want.add(randomKey))
	for name, content := range map[string]string{
		"raw": string(randomKey), "hex": h, "upper": strings.ToUpper(h) + "\n", "base64": b + "\r\n",
		"url": base64.RawURLEncoding.EncodeToString(randomKey), "comments": "# ours\n\n  " + h + "  # since March\n",
		"twice": h + "\n" + b,
	} {
		keys, err := LoadKeys(keyFile(t, t.TempDir(), name, content))
		require.NoError(t, err, name)
		require.Equal(t, want.IDs(), keys.IDs(), name)
	}
	keys, err := LoadKeys(keyFile(t, t.TempDir(), "two", other+"\n"+h))
	require.NoError(t, err)
	require.Len(t, keys.IDs(), 2)
	require.Equal(t, want.IDs()[0], keys.IDs()[1])
	require.NotContains(t, h, keys.IDs()[1], "an id tells nothing about its key")

	none, err := LoadKeys("")
	require.NoError(t, err)
	require.Empty(t, none.IDs())
}

func TestLoadKeysFromAFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "..data"), 0o700))
	keyFile(t, dir, "2-old.key", hex.EncodeToString(randomKey))
	keyFile(t, filepath.Join(dir, "..data"), "key", strings.Repeat("02", 31)+"ff")
	keyFile(t, dir, ".hidden", "no key")
	require.NoError(t, os.Symlink("..data/key", filepath.Join(dir, "1-new.key")))
	keys, err := LoadKeys(dir)
	require.NoError(t, err)
	want := &Keys{}
	require.NoError(t, want.parse([]byte(strings.Repeat("02", 31)+"ff\n"+hex.EncodeToString(randomKey))))
	require.Equal(t, want.IDs(), keys.IDs(), "by name")
}

func TestLoadKeysErrors(t *testing.T) {
	for content, want := range map[string]string{
		"":                                "has none: make one with 'openssl rand -hex 32'",
		"# nothing\n":                     "has none",
		strings.Repeat("a", 32):           "line 1 is no key of 32 bytes",
		strings.Repeat("0a", 16):          "line 1 is no key of 32 bytes",
		"\n" + strings.Repeat("0a", 33):   "line 2 is no key of 32 bytes",
		strings.Repeat("00", 32):          "all bytes of the key are the same",
		string(randomKey) + "\n":          "is no key of 32 bytes",
		strings.Repeat("#", 1<<20) + "##": "bytes are no keys",
	} {
		_, err := LoadKeys(keyFile(t, t.TempDir(), "key", content))
		require.ErrorContains(t, err, want, "%.40q", content)
		require.NotContains(t, err.Error(), "0a0a0a", "no key in an error")
	}
	_, err := LoadKeys(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = LoadKeys(t.TempDir())
	require.ErrorContains(t, err, "has none")
	path := keyFile(t, t.TempDir(), "key", hex.EncodeToString(randomKey))
	for mode, ok := range map[os.FileMode]bool{0o400: true, 0o640: true, 0o440: true, 0o604: false, 0o660: false, 0o644: false, 0o700: true} {
		require.NoError(t, os.Chmod(path, mode))
		if _, err := LoadKeys(path); ok {
			require.NoError(t, err, mode)
		} else {
			require.ErrorContains(t, err, "chmod 600 "+path, mode)
		}
	}
}

// Nothing of an event can be read in an encrypted log.
func TestEncryptedLogHasNothingInTheClear(t *testing.T) {
	secret := "a user's name and what they did"
	build := func(t *testing.T, l *Log) {
		for range 4 {
			require.NoError(t, l.Append(t.Context(), texts(secret, secret)))
		}
		require.NoError(t, l.Close())
	}
	found := func(f files) (n int) {
		for _, b := range f {
			n += strings.Count(string(b), secret[:8])
		}
		return n
	}
	require.Equal(t, 8, found(built(t, Options{}, build)))
	f := built(t, Options{Keys: testKeys(1)}, build)
	require.Zero(t, found(f))
	got, err := f.contents(t, Options{Keys: testKeys(1)})
	require.NoError(t, err)
	require.Len(t, got, 8)

	// The same events at the same versions look different every time.
	again := built(t, Options{Keys: testKeys(1)}, build)
	require.Equal(t, f.segments(), again.segments())
	a, b := f[f.segments()[0]], again[f.segments()[0]]
	same := 0
	for i := segmentHeader; i < len(a); i++ {
		if a[i] == b[i] {
			same++
		}
	}
	require.Less(t, same, len(a)/4)
}

// Without the right key the log does not open and nothing is touched. The first key is
// used from the next segment on; the others read what is there.
func TestKeysAreRotated(t *testing.T) {
	appendOne := func(text string) func(t *testing.T, l *Log) {
		return func(t *testing.T, l *Log) {
			require.NoError(t, l.Append(t.Context(), texts(text)))
		}
	}
	f := built(t, Options{}, appendOne("plain"))
	f = f.used(t, Options{Keys: testKeys(1)}, appendOne("one"))
	f = f.used(t, Options{Keys: testKeys(2, 1)}, appendOne("two"))
	for _, keys := range []*Keys{nil, testKeys(1), testKeys(2), testKeys(3)} {
		_, d, err := f.open(t, Options{Keys: keys})
		require.ErrorIs(t, err, ErrNoKey)
		require.NotErrorIs(t, err, ErrDamaged)
		for _, id := range keys.IDs() {
			require.ErrorContains(t, err, id)
		}
		require.Equal(t, f.without(lockName), filesOf(t, d).without(lockName))
	}
	_, _, err := f.open(t, Options{Keys: testKeys(2)})
	require.ErrorContains(t, err, testKeys(1).IDs()[0], "the one that is wanted")
	got, err := f.contents(t, Options{Keys: testKeys(2, 1)})
	require.NoError(t, err)
	require.Equal(t, []string{"plain", "one", "two"}, got)

	// What is consumed needs no key any more.
	f = f.used(t, Options{Keys: testKeys(2, 1)}, func(t *testing.T, l *Log) {
		drain(t, l, 2)
		require.NoError(t, l.Commit(t.Context()))
	})
	got, err = f.contents(t, Options{Keys: testKeys(2)})
	require.NoError(t, err)
	require.Equal(t, []string{"two"}, got)
}

// Who changes a frame and its checksums is found out all the same; so is who moves one,
// or changes what a segment says about the one before it.
func TestTamperedFrames(t *testing.T) {
	opts := Options{Keys: testKeys(1)}
	f, name, ends := three(t, opts, true)
	segments, err := listSegments(f.disk(t), simDir)
	require.NoError(t, err)
	s, b := segments[0], f[name]
	require.NoError(t, s.readHeader(b[:segmentHeader], opts.Keys))
	reseal := func(b []byte, at int) {
		plain := s.codec
		plain.aead = nil
		g, err := plain.header(b[at:])
		require.NoError(t, err)
		body := append([]byte{}, b[at:at+g.size-1]...)
		copy(b[at:], plain.seal(body, g.count, g.first, 0))
	}
	for at := segmentHeader + frameHeader; at < ends[0]-1; at++ {
		g := flipped(b, at, 0)
		reseal(g, segmentHeader)
		plain := s.codec
		plain.aead, plain.opaque = nil, true
		_, err := plain.parse(g[segmentHeader:], segmentHeader)
		require.NoError(t, err, "the checksums are right")
		f.with(name, g).refused(t, opts, name, segmentHeader, at)
	}
	// The second group in the place of the first: as long as if it had been written there.
	moved := append(append([]byte{}, b[:segmentHeader]...), b[ends[0]:]...)
	f.with(name, moved).refused(t, opts, name, segmentHeader, "moved")
}
