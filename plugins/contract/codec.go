package contract

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	protobuf "google.golang.org/protobuf/proto"
)

// Codec is gRPC's own, which writes and reads the contract's messages by code that was
// generated for them: a batch has thousands, and reflection takes three times as long. What
// goes over the wire is the same, so a plugin need not know of it. What a plugin has sent is
// counted before it is read, see Check.
var Codec encoding.CodecV2 = codec{encoding.GetCodecV2(proto.Name), Check}

// trusting is a plugin's: it reads what Flowgauge has sent.
var trusting encoding.CodecV2 = codec{encoding.GetCodecV2(proto.Name), func(protobuf.Message, []byte) error { return nil }}

type codec struct {
	encoding.CodecV2
	check func(message protobuf.Message, from []byte) error
}

type fast interface {
	protobuf.Message
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
		return c.slow(from, message)
	}
	// Texts are parts of the copy, which is nobody else's, and not copied once more each.
	text := from.Materialize()
	if err := c.check(m, text); err != nil {
		return err
	}
	return m.UnmarshalVTUnsafe(text)
}

func (c codec) slow(from mem.BufferSlice, message any) error {
	whole := from.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	if m, ok := message.(protobuf.Message); ok {
		if err := c.check(m, whole.ReadOnlyData()); err != nil {
			return err
		}
	}
	return c.CodecV2.Unmarshal(mem.BufferSlice{whole}, message)
}
