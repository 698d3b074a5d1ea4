package plugintable

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

func numbers(name string, values ...float64) *contractv1.Column {
	return &contractv1.Column{Name: name, Values: &contractv1.Column_Numbers{Numbers: &contractv1.Numbers{Values: values}}}
}

func texts(name string, values ...string) *contractv1.Column {
	return &contractv1.Column{Name: name, Values: &contractv1.Column_Texts{Texts: &contractv1.Texts{Values: values}}}
}

// What becomes a table becomes the same answer again: times, absent values and exact amounts.
func TestThereAndBack(t *testing.T) {
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	one, amount, text := 1.5, 0.1, "a"
	flag := true
	frame := data.NewFrame("",
		data.NewField("time", nil, []time.Time{at, at.Add(time.Hour)}),
		data.NewField("workflow", nil, []string{"w", "broken \xff"}),
		data.NewField("p95", data.Labels{"version": "2"}, []*float64{&one, nil}),
		data.NewField("dollars", nil, []*float64{&amount, nil}),
		data.NewField("count", nil, []int64{3, 4}),
		data.NewField("flag", nil, []*bool{&flag, nil}),
		data.NewField("note", nil, []*string{nil, &text}),
		data.NewField("ended", nil, []*time.Time{nil, &at}),
	)
	frame.Fields[2].Config = &data.FieldConfig{Unit: "ms"}
	table, err := FromResult(&query.Result{Frame: frame, Exact: map[string][]string{"dollars": {"0.100000000000001", ""}}})
	require.NoError(t, err)
	res, err := ToResult(table, time.UTC)
	require.NoError(t, err)
	rows := func(name string) []any {
		f, _ := res.Frame.FieldByName(name)
		require.NotNil(t, f, name)
		var out []any
		for i := range f.Len() {
			v, ok := f.ConcreteAt(i)
			if !ok {
				v = nil
			}
			out = append(out, v)
		}
		return out
	}
	assert.Equal(t, []any{at, at.Add(time.Hour)}, rows("time"))
	assert.Equal(t, []any{"w", "broken \uFFFD"}, rows("workflow"))
	assert.Equal(t, []any{1.5, nil}, rows("p95"))
	assert.Equal(t, []any{3.0, 4.0}, rows("count"))
	assert.Equal(t, []any{1.0, nil}, rows("flag"))
	assert.Equal(t, []any{nil, "a"}, rows("note"))
	assert.Equal(t, []any{nil, at}, rows("ended"))
	f, _ := res.Frame.FieldByName("p95")
	assert.Equal(t, "ms", f.Config.Unit)
	assert.Equal(t, data.Labels{"version": "2"}, f.Labels)
	assert.Equal(t, data.FieldTypeTime, res.Frame.Fields[0].Type(), "a panel draws by times that are all there")
	require.Len(t, res.Exact["dollars"], 2)
	assert.Equal(t, "0.100000000000001", res.Exact["dollars"][0])
	assert.Empty(t, res.Exact["dollars"][1])
}

func TestAnEmptyTableIsAnAnswer(t *testing.T) {
	for _, table := range []*contractv1.Table{nil, {}, {Columns: []*contractv1.Column{{Name: "a"}, texts("b")}}} {
		res, err := ToResult(table, time.UTC)
		require.NoError(t, err)
		assert.Zero(t, res.Frame.Rows())
	}
}

func TestWhatIsNoTableIsRefused(t *testing.T) {
	with := func(c *contractv1.Column, nulls ...uint32) *contractv1.Column {
		c.Nulls = nulls
		return c
	}
	at := func(ms int64) *contractv1.Column {
		return &contractv1.Column{Name: "at", Values: &contractv1.Column_Times{Times: &contractv1.Times{Values: []int64{ms}}}}
	}
	decimal := func(text string) *contractv1.Column {
		return &contractv1.Column{Name: "d", Values: &contractv1.Column_Decimals{Decimals: &contractv1.Decimals{Values: []string{text}}}}
	}
	many := make([]*contractv1.Column, MaxColumns+1)
	for i := range many {
		many[i] = numbers(strings.Repeat("x", i+1))
	}
	for want, columns := range map[string][]*contractv1.Column{
		"101 columns":               many,
		"200001 rows":               {numbers("a", make([]float64, MaxRows+1)...)},
		`"b" has 1 values`:          {numbers("a", 1, 2), numbers("b", 1)},
		`two columns "a"`:           {numbers("a"), texts("a")},
		"has no name":               {numbers("")},
		"control characters":        {numbers("a\nb")},
		"name: it is not valid":     {numbers("a\xff")},
		"name: it has 201":          {numbers(strings.Repeat("語", 201))},
		"unit":                      {{Name: "a", Unit: strings.Repeat("u", 51)}},
		"labels":                    {{Name: "a", Labels: map[string]string{"x": "\xff"}}},
		"row 1 has the number NaN":  {numbers("a", 1, math.NaN())},
		"row 0 has the number +Inf": {numbers("a", math.Inf(1))},
		"a text is not valid UTF-8": {texts("a", "\xff")},
		"a text has 16385 bytes":    {texts("a", strings.Repeat("x", maxText+1))},
		"between 1970 and 2100":     {at(-1)},
		"is no amount":              {decimal("cheap")},
		"there are 1 rows":          {with(numbers("a", 1), 1)},
		"not in order":              {with(numbers("a", 1, 2), 1, 0)},
		"not in order: 1 after 1":   {with(numbers("a", 1, 2), 1, 1)},
	} {
		_, err := ToResult(&contractv1.Table{Columns: columns}, time.UTC)
		require.ErrorContains(t, err, want)
	}
	_, err := ToResult(&contractv1.Table{Columns: []*contractv1.Column{with(numbers("a", math.NaN(), 1), 0)}}, time.UTC)
	require.NoError(t, err, "what stands where there is no value means nothing")
}
