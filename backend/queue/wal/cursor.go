package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/flowgauge/flowgauge/backend/queue/wal/internal/disk"
)

// readAhead is how much of a segment is read at once.
const readAhead = 1 << 20

// errEnd says that there is no frame any more.
var errEnd = errors.New("the end of the segment")

// cursor reads a segment frame by frame. It keeps one frame in memory, or what was
// read ahead, and never the whole segment.
type cursor struct {
	segment *segment
	file    disk.File
	at      int64  // offset of ahead in the file
	ahead   []byte // read, and not parsed
	reuse   bool   // no frame is needed any more when the next one is read
	buffer  []byte
}

// next returns the frame at the cursor and goes behind it. Nothing at or behind end
// is looked at: a frame that reaches beyond it is errShort. On errShort and errBad the
// cursor stays, and the frame has the size that its header tells, if that is good.
func (c *cursor) next(end int64) (frame, error) {
	for {
		if c.at >= end {
			return frame{}, errEnd
		}
		f, err := c.segment.parse(c.ahead, c.at)
		switch {
		case err == nil:
			c.at += int64(f.size)
			c.ahead = c.ahead[f.size:]
			return f, nil
		case !errors.Is(err, errShort):
			return f, err
		case int64(f.size) > end-c.at:
			return f, errShort
		}
		if err := c.fill(int64(f.size), end); err != nil {
			return frame{}, err
		}
	}
}

// fill reads ahead, at least need bytes.
func (c *cursor) fill(need, end int64) error {
	n := int(min(max(need, readAhead), end-c.at))
	b := c.buffer
	if cap(b) < n {
		b = make([]byte, n)
	}
	if b = b[:n]; c.reuse {
		c.buffer = b
	}
	if read, err := c.file.ReadAt(b, c.at); err != nil {
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("read segment: %w", err)
		}
		// Somebody has cut the file off.
		b = b[:read]
		if int64(read) < need {
			return errBad
		}
	}
	c.ahead = b
	return nil
}
