package plugin

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// whole are values that the block has as they are wanted.
func whole[C ~[]T, T arrow.FixedWidthType](c *C) sqlColumn {
	return &fixed[T]{of: data.FieldTypeFor(*new(T)), more: func(values []T, rows int) []T { return append(values, (*c)[:rows]...) }}
}

// rowsOf is a column of the protocol's.
type rowsOf[T any] interface{ Row(i int) T }

// by are values that have to be made of the block's.
func by[T any, V arrow.FixedWidthType](of data.FieldType, from rowsOf[T], makes func(T) V) sqlColumn {
	return &fixed[V]{of: of, more: func(values []V, rows int) []V {
		for i := range rows {
			values = append(values, makes(from.Row(i)))
		}
		return values
	}}
}

// timesOf are nanoseconds to Arrow.
func timesOf(from rowsOf[time.Time]) sqlColumn {
	return by(data.FieldTypeTime, from, time.Time.UnixNano)
}

// ticks are times that are a number of parts of a second.
func ticks(c *proto.ColDateTime64) sqlColumn {
	scale := c.Precision.Scale()
	return &fixed[int64]{of: data.FieldTypeTime, more: func(values []int64, rows int) []int64 {
		for _, at := range c.Data[:rows] {
			values = append(values, int64(at)*scale)
		}
		return values
	}}
}

// strung are texts of a block that has them one after the other.
func strung(c *proto.ColStr) sqlColumn {
	return &texts{more: func(t *texts, rows int) {
		before := len(t.all)
		t.all = append(t.all, c.Buf[:c.Pos[rows-1].End]...)
		for _, at := range c.Pos[:rows] {
			t.ends = append(t.ends, int32(before+at.End))
		}
	}}
}

// textsOf are texts that have to be made of the block's values.
func textsOf[T any](from rowsOf[T], makes func(T) string) sqlColumn {
	return &texts{more: func(t *texts, rows int) {
		for i := range rows {
			t.all = append(t.all, makes(from.Row(i))...)
			t.ends = append(t.ends, int32(len(t.all)))
		}
	}}
}

// nullable are values that may be null.
func nullable[T any](name string, kind proto.ColumnType, c *proto.ColNullable[T]) (sqlColumn, error) {
	values, err := sqlColumnOf(name, kind.Elem(), c.Values)
	if err == nil {
		values.mask(&c.Nulls)
	}
	return values, err
}

// sqlColumnOf chooses how the values of a column are shown.
func sqlColumnOf(name string, kind proto.ColumnType, column proto.Column) (sqlColumn, error) {
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
	case *proto.ColNullable[string]:
		return nullable(name, kind, c)
	case *proto.ColNullable[bool]:
		return nullable(name, kind, c)
	case *proto.ColNullable[time.Time]:
		return nullable(name, kind, c)
	case *proto.ColNullable[uint8]:
		return nullable(name, kind, c)
	case *proto.ColNullable[uint16]:
		return nullable(name, kind, c)
	case *proto.ColNullable[uint32]:
		return nullable(name, kind, c)
	case *proto.ColNullable[uint64]:
		return nullable(name, kind, c)
	case *proto.ColNullable[int8]:
		return nullable(name, kind, c)
	case *proto.ColNullable[int16]:
		return nullable(name, kind, c)
	case *proto.ColNullable[int32]:
		return nullable(name, kind, c)
	case *proto.ColNullable[int64]:
		return nullable(name, kind, c)
	case *proto.ColNullable[float32]:
		return nullable(name, kind, c)
	case *proto.ColNullable[float64]:
		return nullable(name, kind, c)
	case *proto.ColNullable[proto.Decimal32]:
		return nullable(name, kind, c)
	case *proto.ColNullable[proto.Decimal64]:
		return nullable(name, kind, c)
	case *proto.ColNullable[proto.Decimal128]:
		return nullable(name, kind, c)
	}
	return written(name, kind, column)
}

// decimals are numbers with as many digits behind the point as their type says.
func decimals(name string, kind proto.ColumnType, column proto.Column) (sqlColumn, error) {
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
	}
	return nil, cannotShow(name, kind)
}

func wide(v proto.Int128) float64 {
	return float64(int64(v.High))*0x1p64 + float64(v.Low) // #nosec G115 -- the upper half has the sign
}

// written are values that Grafana has no type for, as JSON or as they write themselves:
// lists, maps, identifiers, addresses. A type that cannot be read is its author's to cast.
func written(name string, kind proto.ColumnType, column proto.Column) (sqlColumn, error) {
	row := reflect.ValueOf(column).MethodByName("Row")
	if !row.IsValid() || row.Type().NumIn() != 1 || row.Type().NumOut() != 1 {
		return nil, cannotShow(name, kind)
	}
	return textsOf[any](reflected{row}, func(v any) string {
		if s, ok := v.(fmt.Stringer); ok {
			return s.String()
		}
		if b, ok := v.([]byte); ok { // FixedString
			return strings.TrimRight(string(b), "\x00")
		}
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(text)
	}), nil
}

func cannotShow(name string, kind proto.ColumnType) error {
	return &query.RequestError{Param: "expr", Value: name, Message: fmt.Sprintf("a column of type %s cannot be shown: cast it", kind), Example: "toString(" + name + ")"}
}

type reflected struct{ row reflect.Value }

// Row returns a value of any type.
func (r reflected) Row(i int) any {
	return r.row.Call([]reflect.Value{reflect.ValueOf(i)})[0].Interface()
}
