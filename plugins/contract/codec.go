package contract

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Codec is gRPC's own, which writes and reads the contract's messages by code that was
// generated for them: a batch has thousands, and reflection takes three times as long. What
// goes over the wire is the same, so a plugin need not know of it.
var Codec encoding.CodecV2 = codec{encoding.GetCodecV2(proto.Name)}

type codec struct{ encoding.CodecV2 }

type fast interface {
	SizeVT() int
	MarshalToSizedBufferVT(to []byte) (int, error)
	UnmarshalVTUnsafe(from []byte) error
}

func (c codec) Marshal(message any) (mem.BufferSlice, error) {
	m, ok := message.(fast)
	if !ok {
		return c.CodecV2.Marshal(message)
	}
	pool := mem.DefaultBufferPool()
	buffer := pool.Get(m.SizeVT())
	if _, err := m.MarshalToSizedBufferVT(*buffer); err != nil {
		pool.Put(buffer)
		return nil, err
	}
	return mem.BufferSlice{mem.NewBuffer(buffer, pool)}, nil
}

func (c codec) Unmarshal(from mem.BufferSlice, message any) error {
	m, ok := message.(fast)
	if !ok {
		return c.CodecV2.Unmarshal(from, message)
	}
	// Texts are parts of the copy, which is nobody else's, and not copied once more each.
	return m.UnmarshalVTUnsafe(from.Materialize())
}
