package importer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/flowgauge/flowgauge/collector/client"
)

// The codes of lines that are rejected here; others are the collector's.
const (
	codeLineTooLong = "line_too_long"
	codeTooLarge    = "request_too_large"
)

// rejection is a line of the file of rejected lines. Event is the line as it was,
// so that `jq -c .event` gives lines to correct and import again; a line that is
// no JSON is in Raw.
type rejection struct {
	File    string          `json:"file"`
	Line    int64           `json:"line"`
	ID      string          `json:"id,omitempty"`
	Code    string          `json:"code"`
	Field   string          `json:"field,omitempty"`
	Message string          `json:"message"`
	Event   json.RawMessage `json:"event,omitempty"`
	Raw     string          `json:"raw,omitempty"`
}

// rejectLog writes rejected lines. Its file is made when there is one to write.
type rejectLog struct {
	name     string // of the file that is imported
	path     string
	fallback bool  // to the working directory, when path cannot be written
	size     int64 // written, and on the disk after flush
	keep     bool  // the file is gone on with, not made anew
	file     *os.File
	w        *bufio.Writer
}

// rejectedPath is where the rejected lines of a file go.
func rejectedPath(c Config, name string) string {
	switch {
	case c.Rejected != "" && len(c.Files) == 1:
		return c.Rejected
	case c.Rejected != "":
		return filepath.Join(c.Rejected, flatName(name))
	case name == Stdin:
		return flatName(name)
	}
	return name + rejectedSuffix
}

const rejectedSuffix = ".rejected.ndjson"

// flatName is a name in another folder for a file's rejected lines. It keeps the
// folders, since files to import are often all called events.ndjson.
func flatName(name string) string {
	if name == Stdin {
		return "stdin" + rejectedSuffix
	}
	name = strings.TrimLeft(filepath.ToSlash(filepath.Clean(name)), "./")
	return strings.ReplaceAll(name, "/", "_") + rejectedSuffix
}

func (l *rejectLog) open() error {
	const flags = os.O_CREATE | os.O_RDWR
	_ = os.MkdirAll(filepath.Dir(l.path), 0o750) // opening says what is wrong
	f, err := os.OpenFile(l.path, flags, 0o600)
	if l.fallback && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)) {
		l.path = flatName(l.name)
		f, err = os.OpenFile(l.path, flags, 0o600)
	}
	if err != nil {
		return fmt.Errorf("create file of rejected lines: %w", err)
	}
	if err := l.cut(f); err != nil {
		return errors.Join(fmt.Errorf("cut file of rejected lines: %w", err), f.Close())
	}
	l.file, l.w = f, bufio.NewWriter(f)
	return nil
}

// cut takes away what another import wrote, or what an interrupted run wrote
// beyond its saved position: that is written again.
func (l *rejectLog) cut(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !l.keep {
		l.size = 0
	}
	l.size = min(l.size, info.Size())
	if err := f.Truncate(l.size); err != nil {
		return err
	}
	_, err = f.Seek(l.size, io.SeekStart)
	return err
}

func (l *rejectLog) write(r rejectedLine) error {
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	r.File = l.name
	if json.Valid(r.text) {
		r.Event = r.text
	} else {
		r.Raw = strings.ToValidUTF8(string(r.text), "\uFFFD")
	}
	line, err := json.Marshal(r.rejection)
	if err != nil {
		return fmt.Errorf("encode rejected line: %w", err)
	}
	if _, err := l.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write rejected line: %w", err)
	}
	l.size += int64(len(line)) + 1
	return nil
}

func (l *rejectLog) flush() error {
	if l.file == nil {
		return nil
	}
	if err := l.w.Flush(); err != nil {
		return fmt.Errorf("write rejected lines: %w", err)
	}
	return nil
}

func (l *rejectLog) close() error {
	if l.file == nil {
		return nil
	}
	err := errors.Join(l.flush(), l.file.Close())
	l.file = nil
	return err
}

// rejections are the rejected lines of a batch, in order.
func rejections(b *batch, errs []client.EventError) []rejectedLine {
	out := make([]rejectedLine, 0, len(errs)+len(b.long))
	for _, e := range errs {
		out = append(out, rejectedLine{
			rejection{Line: b.lines[e.Index].number, ID: e.ID, Code: e.Code, Field: e.Field, Message: e.Message}, b.text(e.Index),
		})
	}
	for _, l := range b.long {
		out = append(out, rejectedLine{rejection{
			Line: l.number, Code: codeLineTooLong,
			Message: fmt.Sprintf("the line has %d bytes, of which at most %d are sent; its beginning is kept here", l.size, MaxLine),
		}, l.head})
	}
	slices.SortStableFunc(out, func(a, b rejectedLine) int { return int(a.Line - b.Line) })
	return out
}

type rejectedLine struct {
	rejection
	text []byte
}
