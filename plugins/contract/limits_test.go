package contract_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// within is a field of bytes around what is in it.
func within(number protowire.Number, what []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), what)
}

func times(n int, what []byte) []byte {
	all := make([]byte, 0, n*len(what))
	for range n {
		all = append(all, what...)
	}
	return all
}

func read(from []byte, into proto.Message) error {
	return contract.Codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(from)}, into)
}

// As many as are allowed are read, and one more is not.
func TestWhatAMessageHasAtMost(t *testing.T) {
	table := func(what []byte) []byte { return within(1, what) }
	column := func(what []byte) []byte { return table(within(1, what)) }
	for name, c := range map[string]struct {
		of   func(n int) []byte
		most int
		into func() proto.Message
		says string
	}{
		"changes": {func(n int) []byte { return times(n, within(1, nil)) }, contract.MaxBatch, func() proto.Message { return &contractv1.EnrichResponse{} }, "more than 2000 changes"},
		"events added by one": {
			func(n int) []byte { return within(1, times(n, within(4, nil))) }, contract.MaxAdded,
			func() proto.Message { return &contractv1.EnrichResponse{} }, "more than 10000 add (flowgauge.plugin.v1.Change.add)",
		},
		"events added by many": {
			func(n int) []byte {
				return append(times(1000, within(1, times(9, within(4, nil)))), within(1, times(n-9000, within(4, nil)))...)
			}, contract.MaxAdded,
			func() proto.Message { return &contractv1.EnrichResponse{} }, "more than 10000 add",
		},
		"outcomes of one": {
			func(n int) []byte { return within(1, times(n, within(2, nil))) }, contract.MaxMessages - 1,
			func() proto.Message { return &contractv1.EnrichResponse{} }, "more than 20000 messages",
		},
		"prices":  {func(n int) []byte { return times(n, within(1, nil)) }, contract.MaxBatch, func() proto.Message { return &contractv1.PriceResponse{} }, "more than 2000 prices"},
		"fields":  {func(n int) []byte { return within(1, times(n, within(5, nil))) }, contract.MaxMessages - 1, func() proto.Message { return &contractv1.DescribeResponse{} }, "more than 20000 messages"},
		"columns": {func(n int) []byte { return table(times(n, within(1, nil))) }, contract.MaxTables * contract.MaxColumns, func() proto.Message { return &contractv1.AnswerResponse{} }, "more than 800 columns"},
		"tables":  {func(n int) []byte { return times(n, within(2, nil)) }, contract.MaxTables, func() proto.Message { return &contractv1.AnswerRequest{} }, "more than 8 tables"},
		"labels":  {func(n int) []byte { return column(times(n, within(3, nil))) }, contract.MaxMessages - 2, func() proto.Message { return &contractv1.AnswerResponse{} }, "more than 20000 messages"},
		"anomalies": {
			func(n int) []byte { return times(n, within(1, nil)) }, contract.MaxMessages,
			func() proto.Message { return &contractv1.DetectResponse{} }, "more than 20000 messages",
		},
		"texts":       {func(n int) []byte { return column(within(5, times(n, within(1, nil)))) }, contract.MaxValues, func() proto.Message { return &contractv1.AnswerResponse{} }, "more than 5000000 values"},
		"times":       {func(n int) []byte { return column(within(6, within(1, make([]byte, n)))) }, contract.MaxValues, func() proto.Message { return &contractv1.AnswerResponse{} }, "more than 5000000 values"},
		"numbers":     {func(n int) []byte { return column(within(4, within(1, make([]byte, 8*n)))) }, contract.MaxValues, func() proto.Message { return &contractv1.AnswerResponse{} }, "more than 5000000 values"},
		"nulls apart": {func(n int) []byte { return column(times(n, []byte{8 << 3, 0})) }, contract.MaxValues, func() proto.Message { return &contractv1.AnswerResponse{} }, "more than 5000000 values"},
		"dependencies": {
			func(n int) []byte {
				return within(1, within(4, times(n, protowire.AppendBytes(protowire.AppendTag(nil, 24, protowire.BytesType), nil))))
			}, contract.MaxValues,
			func() proto.Message { return &contractv1.EnrichResponse{} }, "more than 5000000 values",
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, read(c.of(c.most), c.into()))
			require.ErrorContains(t, read(c.of(c.most+1), c.into()), c.says)
		})
	}
}

// Bytes that say "and another one" do not become many times their size.
func TestAMessageTakesMemoryInProportion(t *testing.T) {
	const size = 8 << 20
	for name, c := range map[string]struct {
		from []byte
		into proto.Message
	}{
		"changes":           {times(size/2, within(1, nil)), &contractv1.EnrichResponse{}},
		"events added":      {within(1, times(size/2, within(4, nil))), &contractv1.EnrichResponse{}},
		"outcomes by turns": {within(1, times(size/4, append(within(2, nil), within(3, nil)...))), &contractv1.EnrichResponse{}},
		"columns":           {within(1, times(size/2, within(1, nil))), &contractv1.AnswerResponse{}},
		"kinds":             {times(size/2, within(1, nil)), &contractv1.DescribeResponse{}},
		"parameters":        {within(1, times(size/2, within(4, nil))), &contractv1.DescribeResponse{}},
		"anomalies":         {times(size/2, within(1, nil)), &contractv1.DetectResponse{}},
		"tables":            {times(size/2, within(2, nil)), &contractv1.AnswerRequest{}},
		"intervals":         {times(size/2, within(2, nil)), &contractv1.ForecastResponse{}},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			require.Error(t, read(c.from, c.into))
			runtime.ReadMemStats(&after)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2*size))
		})
	}
}

// What cannot be counted is not read: the one must not see another message than the other.
func TestWhatIsNoMessage(t *testing.T) {
	for _, from := range [][]byte{{0x0a}, {0x0a, 0xff}, {0x07}, {0x00, 0x00}, {0x0a, 0x01, 0x0a}} {
		require.Error(t, read(from, &contractv1.EnrichResponse{}))
	}
}
