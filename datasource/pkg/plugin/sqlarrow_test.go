package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fixedTypes are those of a fixed size, and that size.
var fixedTypes = map[string]int{
	"UInt8": 1, "UInt16": 2, "UInt32": 4, "UInt64": 8, "Int8": 1, "Int16": 2, "Int32": 4, "Int64": 8, "Float32": 4, "Float64": 8,
	"Date": 2, "Date32": 4, "DateTime": 4, "DateTime('Asia/Tokyo')": 4,
	"DateTime64(0)": 8, "DateTime64(3, 'UTC')": 8, "DateTime64(6, 'Europe/Vienna')": 8, "DateTime64(9)": 8,
	"Decimal(9, 2)": 4, "Decimal(18, 3)": 8, "Decimal(38, 15)": 16,
}

// wired are the rows of a column's block as ClickHouse sends them.
func wired(t *rapid.T, b *proto.Buffer, kind string, rows int) {
	switch inner, nullable := strings.CutPrefix(kind, "Nullable("); {
	case nullable:
		wired(t, b, "Bool", rows) // which rows are null; those have values too
		wired(t, b, strings.TrimSuffix(inner, ")"), rows)
	case kind == "Date32", strings.HasPrefix(kind, "DateTime64"):
		// Those that Grafana can show: a year's nanoseconds are a number of 64 bits until 2262.
		scale, _ := strconv.Atoi(strings.TrimPrefix(kind, "DateTime64(")[:1])
		for range rows {
			if kind == "Date32" {
				b.PutInt32(rapid.Int32Range(-100_000, 100_000).Draw(t, kind))
				continue
			}
			most := int64(9_000_000_000_000_000_000 / math.Pow10(9-scale))
			b.PutInt64(rapid.Int64Range(-most, most).Draw(t, kind))
		}
	case fixedTypes[kind] > 0:
		n := fixedTypes[kind] * rows
		b.PutRaw(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, kind))
	case kind == "Bool":
		b.PutRaw(rapid.SliceOfN(rapid.ByteRange(0, 1), rows, rows).Draw(t, kind))
	case strings.HasPrefix(kind, "Enum8"):
		b.PutRaw(rapid.SliceOfN(rapid.ByteRange(1, 2), rows, rows).Draw(t, kind))
	case kind == "String":
		for range rows {
			b.PutString(rapid.StringN(0, 3, -1).Draw(t, kind))
		}
	case kind == "UUID":
		b.PutRaw(rapid.SliceOfN(rapid.Byte(), 16*rows, 16*rows).Draw(t, kind))
	case kind == "LowCardinality(String)":
		c := new(proto.ColStr).LowCardinality()
		for range rows {
			c.Append(rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, kind))
		}
		if err := c.Prepare(); err != nil {
			t.Fatal(err)
		}
		if rows > 0 {
			c.EncodeState(b)
			c.EncodeColumn(b)
		}
	case kind == "Array(UInt16)":
		for i := range rows {
			b.PutUInt64(uint64(2 * (i + 1)))
		}
		b.PutRaw(rapid.SliceOfN(rapid.Byte(), 4*rows, 4*rows).Draw(t, kind))
	default:
		t.Fatal(kind)
	}
}

func anyType() *rapid.Generator[string] {
	all := append(slices.Sorted(maps.Keys(fixedTypes)), "Bool", "String")
	for _, kind := range all {
		all = append(all, "Nullable("+kind+")")
	}
	return rapid.SampledFrom(append(all, "LowCardinality(String)", "Enum8('a' = 1, 'b' = 2)", "UUID", "Array(UInt16)"))
}

// A test's answer is what came of a statement, and beside it the fields that Grafana's
// SDK makes Arrow of.
type testAnswer struct {
	answer *sqlAnswer
	fields []*data.Field
}

func answered(t *rapid.T, kinds []string) testAnswer {
	out := testAnswer{answer: &sqlAnswer{statement: "SELECT 'ü'", read: 7}}
	blocks := rapid.SliceOfN(rapid.IntRange(0, 12), 1, 3).Draw(t, "blocks")
	for _, rows := range blocks {
		var b proto.Buffer
		for i, kind := range kinds {
			b.PutString(fmt.Sprint("c", i))
			b.PutString(kind)
			var column proto.Buffer
			wired(t, &column, kind, rows)
			b.PutRaw(column.Buf)
			if len(out.fields) == i {
				out.fields = append(out.fields, nil)
			}
			out.fields[i] = appended(t, out.fields[i], fmt.Sprint("c", i), kind, column.Buf, rows)
		}
		if err := out.answer.DecodeResult(proto.NewReader(bytes.NewReader(b.Buf)), 0, proto.Block{Columns: len(kinds), Rows: rows}); err != nil {
			t.Fatal(err)
		}
		if err := out.answer.add(rows); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// appended has the block's values too, each on its own.
func appended(t *rapid.T, f *data.Field, name, kind string, wire []byte, rows int) *data.Field {
	var c proto.ColAuto
	r := proto.NewReader(bytes.NewReader(wire))
	if err := c.Infer(proto.ColumnType(kind)); err != nil {
		t.Fatal(err)
	}
	if s, ok := c.Data.(proto.StateDecoder); ok && rows > 0 {
		if err := s.DecodeState(r); err != nil {
			t.Fatal(err)
		}
	}
	if rows > 0 {
		if err := c.DecodeColumn(r, rows); err != nil {
			t.Fatal(err)
		}
	}
	row := reflect.ValueOf(c.Data).MethodByName("Row")
	nullable := strings.HasPrefix(kind, "Nullable(")
	if f == nil {
		zero := reflect.Zero(row.Type().Out(0))
		if nullable {
			zero = zero.FieldByName("Value")
		}
		of := data.FieldTypeFor(shown(zero.Interface(), kind))
		if nullable {
			of = of.NullableType()
		}
		f = data.NewFieldFromFieldType(of, 0)
		f.Name = name
	}
	for i := range rows {
		f.Extend(1)
		v := row.Call([]reflect.Value{reflect.ValueOf(i)})[0]
		if nullable {
			if !v.FieldByName("Set").Bool() {
				continue
			}
			v = v.FieldByName("Value")
		}
		f.SetConcrete(f.Len()-1, shown(v.Interface(), kind))
	}
	return f
}

// shown is what Grafana shows of a value.
func shown(v any, kind string) any {
	digits := func() float64 {
		_, text, _ := strings.Cut(strings.TrimRight(kind, ")"), ", ")
		n, _ := strconv.Atoi(text)
		return math.Pow10(n)
	}
	switch v := v.(type) {
	case time.Time:
		return v.UTC()
	case proto.Decimal32:
		return float64(v) / digits()
	case proto.Decimal64:
		return float64(v) / digits()
	case proto.Decimal128:
		n := new(big.Int).Lsh(big.NewInt(int64(v.High)), 64)
		n.Add(n, new(big.Int).SetUint64(v.Low))
		size := new(big.Int).Abs(n)
		low := new(big.Int).And(size, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
		return float64(n.Sign()) * (float64(size.Rsh(size, 64).Uint64())*0x1p64 + float64(low)) / digits()
	case fmt.Stringer:
		return v.String()
	}
	if data.FieldTypeFor(v) == data.FieldTypeUnknown || reflect.TypeOf(v).Kind() == reflect.Slice {
		text, _ := json.Marshal(v)
		return string(text)
	}
	return v
}

// sameFrames wants frames in Arrow to be what the SDK makes of others. Both are read and written
// once more by the SDK: bytes of one writer compare, not-a-numbers and nulls too.
func sameFrames(t *rapid.T, want []*data.Frame, got [][]byte) {
	require.Len(t, got, len(want))
	for i, frame := range want {
		wire, err := frame.MarshalArrow()
		require.NoError(t, err)
		require.Equal(t, again(t, wire), again(t, got[i]), "frame %d: %s", i, frame.Name)
	}
}

func again(t *rapid.T, wire []byte) string {
	frame, err := data.UnmarshalArrowFrame(wire)
	require.NoError(t, err)
	out, err := frame.MarshalArrow()
	require.NoError(t, err)
	return string(out)
}

func made(t *rapid.T, a *sqlAnswer, m model) [][]byte {
	frames, err := a.frames(m)
	require.NoError(t, err)
	got, err := marshal(frames)
	require.NoError(t, err)
	a.spare()
	return got
}

func described(frames []*data.Frame) {
	frames[0].Meta.ExecutedQueryString = "SELECT 'ü'"
	frames[0].Meta.Stats = []data.QueryStat{stat("Rows read", "short", 7)}
}

// Whatever a table's columns are, Grafana reads of it what the SDK would have made.
func TestArrowIsTheSDKs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := answered(t, rapid.SliceOfN(anyType(), 0, 6).Draw(t, "types"))
		table := data.NewFrame("", a.fields...)
		shape(table, tableType(table), data.VisTypeTable)
		described([]*data.Frame{table})
		sameFrames(t, []*data.Frame{table}, made(t, a.answer, model{Format: formatTable}))
	})
}

func TestArrowSeriesAreTheSDKs(t *testing.T) {
	labelTypes := rapid.SampledFrom([]string{"String", "Nullable(String)", "LowCardinality(String)", "Enum8('a' = 1, 'b' = 2)"})
	numberTypes := rapid.SampledFrom([]string{"UInt8", "Int64", "UInt64", "Float32", "Nullable(Float64)", "Nullable(UInt16)", "Nullable(Decimal(9, 2))"})
	rapid.Check(t, func(t *rapid.T) {
		labels := rapid.SliceOfN(labelTypes, 0, 2).Draw(t, "labels")
		numbers := rapid.SliceOfN(numberTypes, 0, 3).Draw(t, "numbers")
		a := answered(t, append(append([]string{"DateTime64(3, 'UTC')", "Bool"}, labels...), numbers...))
		// The times have to be in their order.
		times := a.answer.columns[0].values.(*fixed[int64])
		for i := range times.values {
			times.values[i] = int64(i/3) * 60_000_000_000
			a.fields[0].Set(i, time.Unix(0, times.values[i]).UTC())
		}

		var frames []*data.Frame
		n := namer{metrics: len(numbers)}
		for _, f := range a.fields[2 : 2+len(labels)] {
			n.groupBy = append(n.groupBy, f.Name)
		}
		for _, number := range a.fields[2+len(labels):] {
			series := map[string]*data.Frame{}
			for row := range number.Len() {
				of := data.Labels{}
				if len(labels) == 0 {
					of = nil
				}
				for _, f := range a.fields[2 : 2+len(labels)] {
					text, _ := f.ConcreteAt(row)
					of[f.Name] = text.(string)
				}
				frame := series[fmt.Sprintf("%q", of)]
				if frame == nil {
					value := data.NewFieldFromFieldType(number.Type(), 0)
					value.Name, value.Labels, value.Config = number.Name, of, &data.FieldConfig{DisplayNameFromDS: n.series(number.Name, of)}
					frame = data.NewFrame(number.Name, data.NewField("time", nil, []time.Time{}), value)
					series[fmt.Sprintf("%q", of)], frames = frame, append(frames, frame)
				}
				frame.AppendRow(a.fields[0].At(row), number.At(row))
			}
		}
		if len(frames) == 0 {
			frames = []*data.Frame{data.NewFrame("")}
		}
		for _, f := range frames {
			shape(f, data.FrameTypeTimeSeriesMulti, data.VisTypeGraph)
		}
		described(frames)
		sameFrames(t, frames, made(t, a.answer, model{Format: formatTimeSeries}))
	})
}

// A frame that is parked comes out where its ticket is, once, and not after its call.
func TestParkedFrames(t *testing.T) {
	call, end := context.WithCancel(t.Context())
	res := backend.NewQueryDataResponse()
	res.Responses["A"] = backend.DataResponse{Frames: data.Frames{park(call, [][]byte{{1}, {2}})}}
	res.Responses["B"] = backend.DataResponse{Frames: data.Frames{data.NewFrame("", data.NewField("x", nil, []string{ticketPrefix + "x"}))}}
	encode := func() (*pluginv2.QueryDataResponse, error) {
		out, err := backend.ToProto().QueryDataResponse(backend.DataFrameFormat_ARROW, res)
		require.NoError(t, err)
		return out, Redeem(out)
	}
	out, err := encode()
	require.NoError(t, err)
	require.Equal(t, [][]byte{{1}, {2}}, out.Responses["A"].Frames)
	require.Len(t, out.Responses["B"].Frames, 1, "it is no ticket, whatever is written in it")
	_, err = encode()
	require.ErrorContains(t, err, "are gone")

	res.Responses["A"].Frames[0] = park(call, [][]byte{{1}})
	end()
	require.Eventually(t, func() bool {
		_, kept := parked.Load(res.Responses["A"].Frames[0].Name)
		return !kept
	}, 10*time.Second, time.Millisecond)
}
