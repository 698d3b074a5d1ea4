package simulate

import (
	"bytes"
	"iter"
	"time"
)

// Chunk is what happens in [From, To), as NDJSON in the order in which it happens.
type Chunk struct {
	From, To time.Time
	Body     []byte
	Events   int
}

// History returns what happens in [from, to), in chunks of an hour. The bytes
// depend on the platform and on the period alone: cut where you like, the parts
// make up the whole. Times count in milliseconds.
func (p *Platform) History(from, to time.Time) iter.Seq[Chunk] {
	return func(yield func(Chunk) bool) {
		at, end := from.UnixMilli(), to.UnixMilli()
		if at >= end {
			return
		}
		s := p.stream(at)
		size := 0
		for at < end {
			next := min(end, floor(at, hourMS)+hourMS)
			c := Chunk{From: time.UnixMilli(at).UTC(), To: time.UnixMilli(next).UTC()}
			c.Body, c.Events = s.take(next, make([]byte, 0, size))
			size = len(c.Body) + len(c.Body)/4
			if !yield(c) {
				return
			}
			at = next
		}
	}
}

// Split cuts a chunk's body at line ends into parts of at most some events and,
// unless an event is longer by itself, bytes. It yields each with its number of
// events.
func (c Chunk) Split(maxEvents, maxBytes int) iter.Seq2[[]byte, int] {
	return func(yield func([]byte, int) bool) {
		for body := c.Body; len(body) > 0; {
			size, n := front(body, maxEvents, maxBytes)
			if n == 0 {
				size, n = front(body, 1, len(body))
			}
			if !yield(body[:size:size], n) {
				return
			}
			body = body[size:]
		}
	}
}

// front returns how many bytes and lines at the front of a body fit.
func front(body []byte, maxEvents, maxBytes int) (size, n int) {
	for n < maxEvents && size < len(body) {
		line := bytes.IndexByte(body[size:], '\n') + 1
		if size+line > maxBytes {
			break
		}
		size += line
		n++
	}
	return size, n
}
