package importer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/flowgauge/flowgauge/collector/client/progress"
)

// headBytes of a file's front are hashed, to tell it from another of the same
// size and time.
const headBytes = 64 << 10

var (
	magicGzip = []byte{0x1f, 0x8b}
	magicZstd = []byte{0x28, 0xb5, 0x2f, 0xfd}
	bom       = []byte("\xef\xbb\xbf")
)

// source is an opened file: its text, and how much of the file was read for it.
type source struct {
	text    io.Reader
	size    int64        // of the file as it lies; progress.Unknown for a stream
	read    atomic.Int64 // bytes of the file as it lies
	file    *os.File     // nil for the standard input
	seekTo  bool         // text is the file itself
	mark    fingerprint
	closers []func()
}

// fingerprint tells a file from another, and from itself after a change.
type fingerprint struct {
	Path    string `json:"path"`
	Size    int64  `json:"size"`
	ModTime int64  `json:"mod_time"` // ns
	Head    string `json:"head"`     // hash of the first bytes
}

func openSource(name string, stdin io.Reader) (*source, error) {
	if name == Stdin {
		s := &source{size: progress.Unknown}
		return s, s.decompress(stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open file: %w", err)
	}
	s := &source{file: f, closers: []func(){func() { _ = f.Close() }}}
	if err := s.identify(name); err != nil {
		s.close()
		return nil, err
	}
	if err := s.decompress(f); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *source) identify(name string) error {
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("read file's size: %w", err)
	}
	if !info.Mode().IsRegular() {
		if info.IsDir() {
			return errors.New("is a folder: name the files in it")
		}
		s.file, s.size = nil, progress.Unknown // a pipe is read like the standard input
		return nil
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return fmt.Errorf("find absolute path: %w", err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(s.file, 0, headBytes)); err != nil {
		return fmt.Errorf("read file's front: %w", err)
	}
	s.size = info.Size()
	s.mark = fingerprint{path, info.Size(), info.ModTime().UnixNano(), hex.EncodeToString(h.Sum(nil)[:16])}
	return nil
}

// decompress finds out by the first bytes what raw is.
func (s *source) decompress(raw io.Reader) error {
	in := bufio.NewReaderSize(&counter{r: raw, n: &s.read}, 256<<10)
	head, err := in.Peek(len(magicZstd))
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read file: %w", err)
	}
	switch {
	case bytes.HasPrefix(head, magicGzip):
		z, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("read gzip header: %w", err)
		}
		s.text = z
	case bytes.HasPrefix(head, magicZstd):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return fmt.Errorf("read zstd header: %w", err)
		}
		s.closers = append(s.closers, z.Close)
		s.text = z
	default:
		s.text, s.seekTo = in, s.file != nil
	}
	return nil
}

// skip goes to an offset of the text.
func (s *source) skip(offset int64) error {
	if s.seekTo {
		if _, err := s.file.Seek(offset, io.SeekStart); err != nil {
			return fmt.Errorf("go to offset %d: %w", offset, err)
		}
		s.read.Store(offset)
		s.text = bufio.NewReaderSize(&counter{r: s.file, n: &s.read}, 256<<10)
		return nil
	}
	if _, err := io.CopyN(io.Discard, s.text, offset); err != nil {
		return fmt.Errorf("go to offset %d: %w", offset, err)
	}
	return nil
}

func (s *source) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
}

type counter struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
