package export

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

func TestPartsAreTheRowsInOrder(t *testing.T) {
	const rows = 2*MaxRows + 1
	numbers, texts, times, decimals := make([]float64, rows), make([]string, rows), make([]int64, rows), make([]string, rows)
	var nulls []uint32
	for i := range rows {
		numbers[i], texts[i], times[i], decimals[i] = float64(i), strings.Repeat("x", i%7), int64(i), "0.1"
		if i%3 == 0 {
			nulls = append(nulls, uint32(i))
		}
	}
	table := &contractv1.Table{Columns: []*contractv1.Column{
		{Name: "n", Unit: "ms", Labels: map[string]string{"a": "b"}, Values: &contractv1.Column_Numbers{Numbers: &contractv1.Numbers{Values: numbers}}, Nulls: nulls},
		{Name: "t", Values: &contractv1.Column_Texts{Texts: &contractv1.Texts{Values: texts}}},
		{Name: "at", Values: &contractv1.Column_Times{Times: &contractv1.Times{Values: times}}, Nulls: []uint32{0, rows - 1}},
		{Name: "d", Values: &contractv1.Column_Decimals{Decimals: &contractv1.Decimals{Values: decimals}}},
	}}
	parts := split(table, rows)
	require.Len(t, parts, 3)
	assert.Len(t, parts[2].GetColumns()[0].GetNumbers().GetValues(), 1)
	var gotNumbers []float64
	var gotTexts, gotDecimals []string
	var gotTimes []int64
	var gotNulls []uint32
	for _, p := range parts {
		c := p.GetColumns()
		assert.Equal(t, []string{"n", "ms", "b"}, []string{c[0].GetName(), c[0].GetUnit(), c[0].GetLabels()["a"]})
		for _, row := range c[0].GetNulls() {
			gotNulls = append(gotNulls, row+uint32(len(gotNumbers)))
		}
		gotNumbers = append(gotNumbers, c[0].GetNumbers().GetValues()...)
		gotTexts = append(gotTexts, c[1].GetTexts().GetValues()...)
		gotTimes = append(gotTimes, c[2].GetTimes().GetValues()...)
		gotDecimals = append(gotDecimals, c[3].GetDecimals().GetValues()...)
	}
	assert.Equal(t, [][]uint32{{0}, nil, {0}}, [][]uint32{parts[0].GetColumns()[2].GetNulls(), parts[1].GetColumns()[2].GetNulls(), parts[2].GetColumns()[2].GetNulls()})
	assert.Equal(t, nulls, gotNulls)
	assert.Equal(t, numbers, gotNumbers)
	assert.Equal(t, texts, gotTexts)
	assert.Equal(t, times, gotTimes)
	assert.Equal(t, decimals, gotDecimals)
}

func TestLongTextsMakeSmallerParts(t *testing.T) {
	texts := make([]string, 5000)
	for i := range texts {
		texts[i] = strings.Repeat("x", 10_000)
	}
	texts[4321] = strings.Repeat("y", 2*maxBytes) // goes alone
	parts := split(&contractv1.Table{Columns: []*contractv1.Column{{Name: "t", Values: &contractv1.Column_Texts{Texts: &contractv1.Texts{Values: texts}}}}}, len(texts))
	var got []string
	for _, p := range parts {
		values := p.GetColumns()[0].GetTexts().GetValues()
		got = append(got, values...)
		if len(values) > 1 {
			assert.LessOrEqual(t, proto.Size(p), maxBytes)
		}
	}
	assert.Len(t, got, len(texts))
	assert.Equal(t, texts[4321], got[4321])
	assert.Greater(t, len(parts), 3)
}

func TestDeliveriesAreTold(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	id := delivery("acme", "costs", period{at, at.Add(time.Hour)}, 0)
	assert.Equal(t, id, delivery("acme", "costs", period{at.In(time.FixedZone("x", 3600)), at.Add(time.Hour)}, 0))
	for _, other := range []string{
		delivery("acm", "ecosts", period{at, at.Add(time.Hour)}, 0), delivery("acme", "costs", period{at.Add(time.Hour), at.Add(2 * time.Hour)}, 0),
		delivery("acme", "costs", period{at, at.Add(24 * time.Hour)}, 0), delivery("acme", "costs", period{at, at.Add(time.Hour)}, 1),
	} {
		assert.NotEqual(t, id, other)
	}
}
