package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

const (
	// Two files of this size at most: the child's output is for the moment it
	// fails, ClickHouse has a log of its own.
	maxOutputFile = mebibyte
	tailLength    = 2048
)

// A cappedFile keeps what the child prints, the older half in path.1.
type cappedFile struct {
	path string

	mu   sync.Mutex
	file *os.File
	size int64
}

func openCapped(path string) (*cappedFile, error) {
	c := &cappedFile{path: path}
	if err := c.open(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *cappedFile) open() error {
	file, err := os.OpenFile(c.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open engine output: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open engine output: %w", err), file.Close())
	}
	c.file, c.size = file, info.Size()
	return nil
}

// Write never fails: an error here, such as a full disk, would close the
// child's standard error and end it by SIGPIPE.
func (c *cappedFile) Write(text []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size+int64(len(text)) > maxOutputFile && c.size > 0 {
		_ = c.file.Close()
		_ = os.Rename(c.path, c.path+".1")
		if err := c.open(); err != nil {
			return len(text), nil //nolint:nilerr // See above.
		}
	}
	n, _ := c.file.Write(text)
	c.size += int64(n)
	return len(text), nil
}

// Tail is what was printed last, for error messages.
func (c *cappedFile) Tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	buffer := make([]byte, tailLength)
	n, err := c.file.ReadAt(buffer, max(c.size-tailLength, 0))
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	return strings.TrimSpace(string(buffer[:n]))
}

func (c *cappedFile) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.file.Close()
}
