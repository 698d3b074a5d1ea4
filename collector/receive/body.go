package receive

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest window of a zstd frame, what the format's own
// documentation asks every decoder to support. It bounds a decoder's memory.
const maxWindow = 8 << 20

// keepBuffer is the largest buffer that is kept for another request.
const keepBuffer = 4 << 20

// buffers holds *[]byte for bodies and records.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 32<<10); return &b }}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= keepBuffer {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// body reads and unpacks a request's body. The buffer is the caller's.
func (r *Receiver) body(w http.ResponseWriter, req *http.Request, c *claim) (*[]byte, *Refusal) {
	encoding := strings.ToLower(strings.TrimSpace(req.Header.Get("Content-Encoding")))
	limit := r.config.Limits.PackedBytes
	switch encoding {
	case "", "identity":
		encoding, limit = "", r.config.Limits.BodyBytes
	case "gzip", "x-gzip", "zstd":
	default:
		return nil, &Refusal{
			Status: http.StatusUnsupportedMediaType, Code: "unsupported_encoding",
			Detail: "Content-Encoding must be gzip, zstd or identity",
		}
	}
	if req.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	source := &sender{r: http.MaxBytesReader(w, req.Body, limit)}
	packed, err := readAll(source, req.ContentLength, limit, c)
	r.metrics.packed.Add(float64(len(*packed)))
	if err != nil {
		putBuffer(packed)
		return nil, source.refusal(err, limit)
	}
	if encoding == "" {
		r.metrics.unpacked.Add(float64(len(*packed)))
		return packed, nil
	}
	defer putBuffer(packed)
	select {
	case r.unpacks <- struct{}{}:
		defer func() { <-r.unpacks }()
	case <-req.Context().Done():
		return nil, incomplete
	}
	return r.unpack(encoding, *packed, c)
}

// maxAhead is the most that is reserved because a header says that so much will
// come; more is when it has.
const maxAhead = 1 << 20

// readAll reads up to limit bytes, of which about hint are expected. It returns
// the buffer also with an error.
func readAll(src io.Reader, hint, limit int64, c *claim) (*[]byte, error) {
	buf := getBuffer()
	b := *buf
	defer func() { *buf = b }()
	if !c.take(int64(cap(b))) {
		return buf, errNoRoom
	}
	// One byte more than is expected, to see the end without growing again.
	size := min(hint, maxAhead) + 1
	for {
		if size > int64(cap(b)) {
			if !c.take(size - int64(cap(b))) {
				return buf, errNoRoom
			}
			b = append(make([]byte, 0, size), b...)
		}
		n, err := src.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > limit:
			return buf, errTooLarge
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return buf, err
		case len(b) == cap(b):
			size = min(2*int64(cap(b)), limit+1)
		}
	}
}

var (
	errNoRoom   = errors.New("no room")
	errTooLarge = errors.New("too large")
)

// sender remembers that reading from the network failed, to tell that from a body
// that cannot be unpacked.
type sender struct {
	r      io.Reader
	failed bool
}

func (s *sender) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.failed = s.failed || (err != nil && !errors.Is(err, io.EOF))
	return n, err
}

func (s *sender) refusal(err error, limit int64) *Refusal {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge(large.Limit) // which may be less, of a webhook
	case errors.Is(err, errTooLarge):
		return tooLarge(limit)
	case errors.Is(err, errNoRoom):
		return Overloaded
	}
	return incomplete
}

func (r *Receiver) unpack(encoding string, packed []byte, c *claim) (*[]byte, *Refusal) {
	limit := r.config.Limits.BodyBytes
	var (
		out *[]byte
		err error
	)
	if encoding == "zstd" {
		d := zstds.Get().(*zstd.Decoder)
		if err = d.Reset(bytes.NewReader(packed)); err == nil {
			out, err = readAll(d, 0, limit, c)
		}
		_ = d.Reset(nil)
		zstds.Put(d)
	} else {
		d := gzips.Get().(*gzip.Reader)
		if err = d.Reset(bytes.NewReader(packed)); err == nil {
			out, err = readAll(d, 0, limit, c)
		}
		gzips.Put(d)
	}
	if out != nil {
		r.metrics.unpacked.Add(float64(len(*out)))
	}
	if err == nil {
		return out, nil
	}
	if out != nil {
		putBuffer(out)
	}
	switch {
	case errors.Is(err, errNoRoom):
		return nil, Overloaded
	case errors.Is(err, errTooLarge), errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, tooLarge(limit)
	case errors.Is(err, io.EOF) && len(packed) == 0:
		return nil, emptyBody
	}
	return nil, &Refusal{
		Status: http.StatusBadRequest, Code: "malformed_encoding",
		Detail: "the body is not what its Content-Encoding says: " + err.Error(),
	}
}

var gzips = sync.Pool{New: func() any { return new(gzip.Reader) }}

// A decoder with a concurrency of 1 works in the caller's goroutine, so one that
// the pool drops leaves nothing behind.
var zstds = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		panic("receive: " + err.Error()) // The options are constant.
	}
	return d
}}
