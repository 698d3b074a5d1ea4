package importer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// batch is a run of lines that is sent in one request.
type batch struct {
	body  []byte
	lines []lineRef // those sent
	long  []longLine

	// The position behind the batch.
	offset int64 // of the text
	line   int64
	read   int64 // of the file as it lies, for the progress
}

// lineRef is where a line is, and which it is of the file, from 1.
type lineRef struct {
	start, end int
	number     int64
}

// longLine is a line that is not sent.
type longLine struct {
	number int64
	head   []byte
	size   int64
}

func (b *batch) text(i int) []byte { return b.body[b.lines[i].start:b.lines[i].end] }

// cutter cuts a text into batches.
type cutter struct {
	in                 *bufio.Reader
	maxLines, maxBytes int
	offset, line       int64
	held               []byte // the line last read
	heldSize           int64  // of it in the text
	pending            bool   // held is in no batch yet
	err                error  // what ended the text, io.EOF too
}

func newCutter(text io.Reader, maxLines, maxBytes int, offset, line int64) *cutter {
	return &cutter{in: bufio.NewReaderSize(text, 64<<10), maxLines: maxLines, maxBytes: maxBytes, offset: offset, line: line}
}

// next returns the next batch, or what ended the text. A line is given only when
// it is whole: what precedes a read error is not a line's end.
func (c *cutter) next() (*batch, error) {
	b := &batch{}
	for c.err == nil || c.pending {
		if !c.pending {
			if !c.readLine() {
				break
			}
		}
		text := bytes.TrimRight(c.held, " \t\r\n")
		full := len(b.lines) >= c.maxLines || (len(b.lines) > 0 && len(b.body)+len(text)+1 > c.maxBytes)
		if full {
			break
		}
		c.pending = false
		c.offset, c.line = c.offset+c.heldSize, c.line+1
		switch {
		case c.heldSize > MaxLine:
			b.long = append(b.long, longLine{c.line, bytes.Clone(c.held), c.heldSize})
		case len(bytes.TrimSpace(text)) > 0:
			start := len(b.body)
			b.body = append(append(b.body, text...), '\n')
			b.lines = append(b.lines, lineRef{start, len(b.body) - 1, c.line})
		}
	}
	b.offset, b.line = c.offset, c.line
	if len(b.lines) == 0 && len(b.long) == 0 {
		return b, c.err
	}
	return b, nil
}

// readLine reads a line into held, of which it keeps what may be sent, or the
// first bytes of a line too long. It returns false when there is none.
func (c *cutter) readLine() bool {
	c.held, c.heldSize = c.held[:0], 0
	for {
		part, err := c.in.ReadSlice('\n')
		c.heldSize += int64(len(part))
		if c.heldSize <= MaxLine {
			c.held = append(c.held, part...)
		} else if len(c.held) > longHead {
			c.held = c.held[:longHead]
		}
		switch {
		case err == nil:
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			c.err = io.EOF
			if c.heldSize == 0 {
				return false
			}
		default:
			c.err = fmt.Errorf("read file: %w", err)
			return false
		}
		if c.offset == 0 && c.line == 0 {
			c.held = bytes.TrimPrefix(c.held, bom)
		}
		c.pending = true
		return true
	}
}

// longHead is how much is kept of a line that is too long.
const longHead = 256
