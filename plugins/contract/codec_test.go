package contract_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// The code that was generated for batches reads and writes what protobuf's own does, but for
// two things. It does not look whether texts are UTF-8: package event does, of every field. And
// a field of the wrong type is an error and not an unknown field.
func FuzzCodec(f *testing.F) {
	text, number := "text", int64(7)
	whole, err := proto.Marshal(&contractv1.EnrichRequest{Events: []*contractv1.Event{
		{Id: "run-1", TenantId: "acme", Kind: contractv1.Kind_KIND_STEP, Timestamp: -5, DependsOn: []string{"a", ""}, UserId: &text, Duration: &number},
		{},
	}})
	require.NoError(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, from []byte) {
		var want, all, got, back contractv1.EnrichRequest
		if (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(from, &want) != nil {
			return // it may be read, as said above
		}
		if err := contract.Codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(from)}, &got); err != nil {
			require.NoError(t, proto.Unmarshal(from, &all))
			require.Less(t, proto.Size(&want), proto.Size(&all), "what is known is refused: %v", err)
			return
		}
		written, err := contract.Codec.Marshal(&got)
		require.NoError(t, err)
		require.NoError(t, proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(written.Materialize(), &back))
		require.True(t, proto.Equal(&want, &back), "%v is read as %v and written as %v", &want, &got, &back)
	})
}

// What can be read can be counted, and is refused only where there is too much of something.
func FuzzCheck(f *testing.F) {
	whole, err := proto.Marshal(&contractv1.AnswerResponse{Notices: []string{"a"}, Table: &contractv1.Table{Columns: []*contractv1.Column{
		{Name: "a", Labels: map[string]string{"b": "c"}, Nulls: []uint32{1}, Values: &contractv1.Column_Numbers{Numbers: &contractv1.Numbers{Values: []float64{1, 2}}}},
	}}})
	require.NoError(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Fuzz(func(t *testing.T, from []byte) {
		read := &contractv1.AnswerResponse{}
		if proto.Unmarshal(from, read) != nil {
			return
		}
		if err := contract.Check(read, from); err != nil {
			require.ErrorContains(t, err, "it has more than")
		}
		written, err := proto.Marshal(read)
		require.NoError(t, err)
		if err := contract.Check(read, written); err != nil {
			require.Error(t, contract.Check(read, from), "once written it has more than before")
		}
	})
}
