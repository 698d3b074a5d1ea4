package wal

import (
	"bufio"
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNoKey says that a part of the log is encrypted with a key that is not there.
var ErrNoKey = errors.New("the key is missing")

// Keys encrypt a log and decrypt it. New segments are encrypted with the first; the
// others are for what is there already. A nil *Keys has none.
type Keys struct {
	all []secret
}

type secret struct {
	id  [keyID]byte
	key []byte
}

// LoadKeys reads keys from a file, or from the files of a folder in the order of their
// names; those whose name begins with a dot are left out. A file holds one key of
// 32 bytes as they are, or lines, each a key in hex or base64, empty, or a comment
// after '#'. Nobody but the owner may write or, the group apart, read it. Without a path
// there are none.
func LoadKeys(path string) (*Keys, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // no keys, and nothing is wrong
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("load log keys: %w", err)
	}
	files := []string{path}
	if info.IsDir() {
		if files, err = keyFiles(path); err != nil {
			return nil, err
		}
	}
	keys := &Keys{}
	for _, file := range files {
		if err := keys.load(file); err != nil {
			return nil, fmt.Errorf("load log keys: %s: %w", file, err)
		}
	}
	if len(keys.all) == 0 {
		return nil, fmt.Errorf("load log keys: %s has none: %s", path, howToMakeOne)
	}
	return keys, nil
}

const howToMakeOne = "make one with 'openssl rand -hex 32'"

func keyFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("load log keys: %w", err)
	}
	var files []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // of what a link points to
		if err != nil {
			return nil, fmt.Errorf("load log keys: %w", err)
		}
		if !info.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, path)
		}
	}
	return files, nil
}

func (k *Keys) load(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o037 != 0 {
		return fmt.Errorf("its mode is %04o, so that others may use the key: run 'chmod 600 %s'", mode, file)
	}
	if info.Size() > 1<<20 {
		return fmt.Errorf("%d bytes are no keys", info.Size())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return k.parse(b)
}

// parse adds the keys in a file's content.
func (k *Keys) parse(b []byte) error {
	if len(b) == keySize && !isText(b) {
		return k.add(b)
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20+1)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		key, ok := decodeKey(text)
		if !ok {
			return fmt.Errorf("line %d is no key of 32 bytes, which are 64 hex digits or 44 characters of base64: %s", n, howToMakeOne)
		}
		if err := k.add(key); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return lines.Err()
}

// isText tells 32 characters, which are no key, from 32 random bytes.
func isText(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c > '~' || c < ' ' && c != '\n' && c != '\r' && c != '\t' })
}

func decodeKey(text string) ([]byte, bool) {
	if key, err := hex.DecodeString(text); err == nil {
		return key, len(key) == keySize
	}
	text = strings.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if key, err := encoding.DecodeString(text); err == nil {
			return key, len(key) == keySize
		}
	}
	return nil, false
}

func (k *Keys) add(key []byte) error {
	if bytes.Count(key, key[:1]) == len(key) {
		return errors.New("all bytes of the key are the same: " + howToMakeOne)
	}
	id, err := hkdf.Key(sha256.New, key, nil, "flowgauge wal key id", keyID)
	if err != nil {
		return err
	}
	if _, ok := k.find([keyID]byte(id)); !ok {
		k.all = append(k.all, secret{id: [keyID]byte(id), key: key})
	}
	return nil
}

// IDs returns what names the keys in segments, the first key's first. It tells nothing
// about the key.
func (k *Keys) IDs() []string {
	if k == nil {
		return nil
	}
	ids := make([]string, 0, len(k.all))
	for _, s := range k.all {
		ids = append(ids, hex.EncodeToString(s.id[:]))
	}
	return ids
}

// current returns the key for new segments.
func (k *Keys) current() (id [keyID]byte, ok bool) {
	if k == nil || len(k.all) == 0 {
		return id, false
	}
	return k.all[0].id, true
}

func (k *Keys) find(id [keyID]byte) ([]byte, bool) {
	if k == nil {
		return nil, false
	}
	for _, s := range k.all {
		if s.id == id {
			return s.key, true
		}
	}
	return nil, false
}

// missingKey says which key a segment wants.
func (k *Keys) missingKey(s *segment) error {
	have := "no key is given: set wal.key_file"
	if ids := k.IDs(); len(ids) > 0 {
		have = "given are " + strings.Join(ids, ", ") + ": add it behind them"
	}
	return fmt.Errorf("%w: %s is encrypted with key %s; %s", ErrNoKey, s.path, s.key, have)
}
