package plugintable

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// Whatever table a plugin sends is refused, or is an answer that goes back and forth unchanged.
func FuzzToResult(f *testing.F) {
	for _, t := range []*contractv1.Table{
		{},
		{Columns: []*contractv1.Column{
			{Name: "time", Values: &contractv1.Column_Times{Times: &contractv1.Times{Values: []int64{0, 1_700_000_000_000}}}},
			{Name: "workflow", Values: &contractv1.Column_Texts{Texts: &contractv1.Texts{Values: []string{"a", ""}}}, Labels: map[string]string{"a": "b"}},
			{Name: "dollars", Unit: "dollars", Values: &contractv1.Column_Decimals{Decimals: &contractv1.Decimals{Values: []string{"1.50", "-0.000000000000001"}}}, Nulls: []uint32{1}},
			{Name: "rate", Values: &contractv1.Column_Numbers{Numbers: &contractv1.Numbers{Values: []float64{0.1, -2}}}, Nulls: []uint32{0, 1}},
		}},
		{Columns: []*contractv1.Column{{Name: "x"}, {Name: "x", Nulls: []uint32{7}}}},
	} {
		text, err := proto.Marshal(t)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, from []byte) {
		var table contractv1.Table
		if proto.Unmarshal(from, &table) != nil {
			return
		}
		first, err := ToResult(&table, time.UTC)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		sent, err := FromResult(first)
		require.NoError(t, err)
		second, err := ToResult(sent, time.UTC)
		require.NoError(t, err)
		again, err := FromResult(second)
		require.NoError(t, err)
		require.True(t, proto.Equal(sent, again), "%v is %v the second time", sent, again)
	})
}
