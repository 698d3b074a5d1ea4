package plugin

import (
	"errors"
	"fmt"
	"math"
	bits64 "math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// whole are values that the block has as they are wanted.
func whole[C ~[]T, T arrow.FixedWidthType](c *C) sqlColumn {
	return &fixed[T]{of: data.FieldTypeFor(*new(T)), more: func(values []T, rows int) ([]T, error) { return append(values, (*c)[:rows]...), nil }}
}

// rowsOf is a column of the protocol's.
type rowsOf[T any] interface{ Row(i int) T }

// by are values that have to be made of the block's.
func by[T any, V arrow.FixedWidthType](of data.FieldType, from rowsOf[T], makes func(T) V) sqlColumn {
	return &fixed[V]{of: of, more: func(values []V, rows int) ([]V, error) {
		for i := range rows {
			values = append(values, makes(from.Row(i)))
		}
		return values, nil
	}}
}

// Grafana has times as nanoseconds, which end at these seconds of 1677 and 2262.
const firstSecond, lastSecond = math.MinInt64/1_000_000_000 + 1, math.MaxInt64/1_000_000_000 - 1

// errOutside is a time beyond them. Columns serve one answer after another: whose it is knows what
// the column is called there.
var errOutside = errors.New("a time is not between 1678 and 2261")

// timesOf are nanoseconds to Arrow.
func timesOf(from rowsOf[time.Time]) sqlColumn {
	return &fixed[int64]{of: data.FieldTypeTime, more: func(values []int64, rows int) ([]int64, error) {
		for i := range rows {
			at := from.Row(i)
			if s := at.Unix(); s < firstSecond || s > lastSecond {
				return nil, errOutside
			}
			values = append(values, at.UnixNano())
		}
		return values, nil
	}}
}

// ticks are times that are a number of parts of a second.
func ticks(c *proto.ColDateTime64) sqlColumn {
	scale := c.Precision.Scale()
	first, last := firstSecond*(1_000_000_000/scale), lastSecond*(1_000_000_000/scale)
	return &fixed[int64]{of: data.FieldTypeTime, more: func(values []int64, rows int) ([]int64, error) {
		for _, at := range c.Data[:rows] {
			if int64(at) < first || int64(at) > last {
				return nil, errOutside
			}
			values = append(values, int64(at)*scale)
		}
		return values, nil
	}}
}

// strung are texts of a block that has them one after the other.
func strung(c *proto.ColStr) sqlColumn {
	return &texts{more: func(t *texts, rows int) error {
		before := len(t.all)
		t.all = append(t.all, c.Buf[:c.Pos[rows-1].End]...)
		for _, at := range c.Pos[:rows] {
			t.ends = append(t.ends, int32(before+at.End))
		}
		return nil
	}}
}

// textsOf are texts that have to be made of the block's values.
func textsOf[T any](from rowsOf[T], makes func(T) string) sqlColumn {
	return &texts{more: func(t *texts, rows int) error {
		for i := range rows {
			t.all = append(t.all, makes(from.Row(i))...)
			t.ends = append(t.ends, int32(len(t.all)))
		}
		return nil
	}}
}

// nullable are values that may be null.
func nullable(name string, kind proto.ColumnType, c *nullableBlock) (sqlColumn, error) {
	values, err := sqlColumnOf(name, kind.Elem(), c.values)
	if err == nil {
		values.mask(&c.nulls)
	}
	return values, err
}

// listed are arrays, and maps, as JSON: Grafana has no type for them.
func listed(name string, kind proto.ColumnType, c *listBlock) (sqlColumn, error) {
	of := []proto.ColumnType{kind.Elem()}
	if kind.Base() == proto.ColumnTypeMap {
		of = typesIn(kind)
	}
	inner, err := sqlColumnsOf(name, of, c.values)
	if err != nil {
		return nil, err
	}
	begin, end := byte('['), byte(']')
	if kind.Base() == proto.ColumnTypeMap {
		begin, end = '{', '}'
	}
	return &texts{made: true, more: func(t *texts, rows int) error {
		if err := refill(inner, c.until(rows)); err != nil {
			return err
		}
		at := 0
		for row := range rows {
			t.all = append(t.all, begin)
			for first := at; at < c.until(row+1); at++ {
				if at > first {
					t.all = append(t.all, ',')
				}
				if begin == '{' {
					t.all = append(asKey(t.all, inner[0].json(nil, at)), ':')
				}
				t.all = inner[len(inner)-1].json(t.all, at)
			}
			t.all = append(t.all, end)
			t.ends = append(t.ends, int32(len(t.all)))
		}
		return nil
	}}, nil
}

// asKey puts what is no text within quotes, as JSON wants its keys.
func asKey(to, key []byte) []byte {
	if key[0] == '"' {
		return append(to, key...)
	}
	return strconv.AppendQuote(to, string(key))
}

// tupled are tuples, as JSON.
func tupled(name string, kind proto.ColumnType, c tupleBlock) (sqlColumn, error) {
	inner, err := sqlColumnsOf(name, typesIn(kind), c)
	if err != nil {
		return nil, err
	}
	return &texts{made: true, more: func(t *texts, rows int) error {
		if err := refill(inner, rows); err != nil {
			return err
		}
		for row := range rows {
			t.all = append(t.all, '[')
			for i, values := range inner {
				if i > 0 {
					t.all = append(t.all, ',')
				}
				t.all = values.json(t.all, row)
			}
			t.all = append(t.all, ']')
			t.ends = append(t.ends, int32(len(t.all)))
		}
		return nil
	}}, nil
}

func sqlColumnsOf(name string, kinds []proto.ColumnType, columns []proto.ColResult) ([]sqlColumn, error) {
	out := make([]sqlColumn, len(columns))
	for i, c := range columns {
		var err error
		if out[i], err = sqlColumnOf(name, kinds[i], c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// refill has columns hold a block's values alone.
func refill(columns []sqlColumn, rows int) error {
	for _, c := range columns {
		c.reset()
		if rows == 0 {
			continue
		}
		if err := c.add(rows); err != nil {
			return err
		}
	}
	return nil
}

// sqlColumnOf chooses how the values of a column are shown.
func sqlColumnOf(name string, kind proto.ColumnType, column proto.ColResult) (sqlColumn, error) {
	if kind.Base() == proto.ColumnTypeDecimal {
		return decimals(name, kind, column)
	}
	switch c := column.(type) {
	case *proto.ColStr:
		return strung(c), nil
	case *proto.ColDateTime64:
		return ticks(c), nil
	case *proto.ColUInt8:
		return whole(c), nil
	case *proto.ColUInt16:
		return whole(c), nil
	case *proto.ColUInt32:
		return whole(c), nil
	case *proto.ColUInt64:
		return whole(c), nil
	case *proto.ColInt8:
		return whole(c), nil
	case *proto.ColInt16:
		return whole(c), nil
	case *proto.ColInt32:
		return whole(c), nil
	case *proto.ColInt64:
		return whole(c), nil
	case *proto.ColFloat32:
		return whole(c), nil
	case *proto.ColFloat64:
		return whole(c), nil
	case *proto.ColBool:
		return &bools{from: c}, nil
	case rowsOf[time.Time]: // Date, Date32, DateTime
		return timesOf(c), nil
	case rowsOf[string]: // Enum, LowCardinality(String)
		return textsOf(c, func(s string) string { return s }), nil
	case rowsOf[[]byte]: // FixedString
		return textsOf(c, func(b []byte) string { return strings.TrimRight(string(b), "\x00") }), nil
	case rowsOf[uuid.UUID]:
		return textsOf(c, uuid.UUID.String), nil
	case rowsOf[proto.IPv4]:
		return textsOf(c, proto.IPv4.String), nil
	case rowsOf[proto.IPv6]:
		return textsOf(c, proto.IPv6.String), nil
	case rowsOf[proto.Interval]:
		return textsOf(c, proto.Interval.String), nil
	case rowsOf[proto.Nothing]:
		return textsOf(c, func(proto.Nothing) string { return "" }), nil
	case rowsOf[proto.Int128]:
		return by(data.FieldTypeFloat64, c, wide), nil
	case rowsOf[proto.UInt128]:
		return by(data.FieldTypeFloat64, c, unsigned), nil
	case rowsOf[proto.Int256]:
		return by(data.FieldTypeFloat64, c, widest), nil
	case rowsOf[proto.UInt256]:
		return by(data.FieldTypeFloat64, c, unsignedWidest), nil
	case *nullableBlock:
		return nullable(name, kind, c)
	case *lowNullableBlock:
		values := textsOf(c, func(v proto.Nullable[string]) string { return v.Value })
		values.mask(&c.nulls)
		return values, nil
	case *listBlock:
		return listed(name, kind, c)
	case tupleBlock:
		return tupled(name, kind, c)
	}
	return nil, cannotShow(name, kind)
}

// decimals are numbers with as many digits behind the point as their type says.
func decimals(name string, kind proto.ColumnType, column proto.ColResult) (sqlColumn, error) {
	_, text, _ := strings.Cut(string(kind.Elem()), ",")
	digits, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return nil, cannotShow(name, kind)
	}
	scale := math.Pow10(digits)
	switch c := column.(type) {
	case rowsOf[proto.Decimal32]:
		return by(data.FieldTypeFloat64, c, func(v proto.Decimal32) float64 { return float64(v) / scale }), nil
	case rowsOf[proto.Decimal64]:
		return by(data.FieldTypeFloat64, c, func(v proto.Decimal64) float64 { return float64(v) / scale }), nil
	case rowsOf[proto.Decimal128]:
		return by(data.FieldTypeFloat64, c, func(v proto.Decimal128) float64 { return wide(proto.Int128(v)) / scale }), nil
	case rowsOf[proto.Decimal256]:
		return by(data.FieldTypeFloat64, c, func(v proto.Decimal256) float64 { return widest(proto.Int256(v)) / scale }), nil
	}
	return nil, cannotShow(name, kind)
}

// wide is exact as far as a float is. A small number below nought has all bits of the upper half
// set: it would be lost in a sum of both halves.
func wide(v proto.Int128) float64 {
	if v.High>>63 == 0 {
		return unsigned(proto.UInt128(v))
	}
	return -unsigned(negated(proto.UInt128(v)))
}

func widest(v proto.Int256) float64 {
	if v.High.High>>63 == 0 {
		return unsignedWidest(proto.UInt256(v))
	}
	low, high := negated(v.Low), proto.UInt128{Low: ^v.High.Low, High: ^v.High.High}
	if low == (proto.UInt128{}) {
		high = negated(v.High)
	}
	return -unsignedWidest(proto.UInt256{Low: low, High: high})
}

func unsigned(v proto.UInt128) float64 { return float64(v.High)*0x1p64 + float64(v.Low) }

func unsignedWidest(v proto.UInt256) float64 { return unsigned(v.High)*0x1p128 + unsigned(v.Low) }

// negated is what makes nought of v.
func negated(v proto.UInt128) proto.UInt128 {
	low, borrow := bits64.Sub64(0, v.Low, 0)
	high, _ := bits64.Sub64(0, v.High, borrow)
	return proto.UInt128{Low: low, High: high}
}

func cannotShow(name string, kind proto.ColumnType) error {
	cast := "toString"
	if kind.Base() == "AggregateFunction" {
		cast = "finalizeAggregation"
	}
	return &query.RequestError{Param: "expr", Value: name, Message: fmt.Sprintf("a column of type %s cannot be shown: cast it", kind), Example: cast + "(" + name + ")"}
}
