package client

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encoding is the compression of a body, as Content-Encoding spells it.
type Encoding string

// The encodings. Zstd is the cheapest on both sides.
const (
	EncodingZstd     Encoding = "zstd"
	EncodingGzip     Encoding = "gzip"
	EncodingIdentity Encoding = "identity"
)

// compressor returns a body's compressed form, which must not share memory with
// later results: the transport may read a body after its request has failed.
type compressor interface {
	compress(body []byte) []byte
}

func newCompressor(e Encoding) (compressor, error) {
	switch e {
	case EncodingZstd:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return nil, fmt.Errorf("create zstd encoder: %w", err)
		}
		return zstdCompressor{w}, nil
	case EncodingGzip:
		return &gzipCompressor{}, nil
	}
	return identity{}, nil
}

type zstdCompressor struct{ w *zstd.Encoder }

func (c zstdCompressor) compress(body []byte) []byte {
	return c.w.EncodeAll(body, make([]byte, 0, len(body)/6+64))
}

type gzipCompressor struct{ pool sync.Pool }

func (c *gzipCompressor) compress(body []byte) []byte {
	out := bytes.NewBuffer(make([]byte, 0, len(body)/6+64))
	w, ok := c.pool.Get().(*gzip.Writer)
	if ok {
		w.Reset(out)
	} else {
		w = gzip.NewWriter(out)
	}
	defer c.pool.Put(w)
	// Writes to a bytes.Buffer do not fail.
	_, _ = w.Write(body)
	_ = w.Close()
	return out.Bytes()
}

type identity struct{}

func (identity) compress(body []byte) []byte { return bytes.Clone(body) }
