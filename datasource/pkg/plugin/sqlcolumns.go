package plugin

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// A sqlColumn gathers the values of a column, block by block.
type sqlColumn interface {
	add(rows int)
	// field has the values of some rows; nil is all of them.
	field(name string, rows []int32) *data.Field
}

// gathered are values of a type that Grafana's frames have. more appends as many of the
// block's.
type gathered[T any] struct {
	values []T
	more   func(values []T, rows int) []T
}

func (g *gathered[T]) add(rows int) { g.values = g.more(slices.Grow(g.values, rows), rows) }

func (g *gathered[T]) field(name string, rows []int32) *data.Field {
	if rows == nil {
		return data.NewField(name, nil, g.values)
	}
	picked := make([]T, len(rows))
	for i, at := range rows {
		picked[i] = g.values[at]
	}
	return data.NewField(name, nil, picked)
}

// whole are values that the block has as they are wanted.
func whole[T any](of func() []T) sqlColumn {
	return &gathered[T]{more: func(values []T, rows int) []T { return append(values, of()[:rows]...) }}
}

// rowsOf is a column of the protocol's.
type rowsOf[T any] interface{ Row(i int) T }

// by are values that have to be made of the block's.
func by[T, V any](from rowsOf[T], makes func(T) V) sqlColumn {
	return &gathered[V]{more: func(values []V, rows int) []V {
		for i := range rows {
			values = append(values, makes(from.Row(i)))
		}
		return values
	}}
}

// nullable are values that may be null.
func nullable[T any](from rowsOf[proto.Nullable[T]]) sqlColumn {
	return &gathered[*T]{more: func(values []*T, rows int) []*T {
		block := make([]T, rows)
		for i := range rows {
			v := from.Row(i)
			if !v.Set {
				values = append(values, nil)
				continue
			}
			block[i] = v.Value
			values = append(values, &block[i])
		}
		return values
	}}
}

// texts are one text for a block, of which each value is a part.
func texts(c *proto.ColStr) sqlColumn {
	return &gathered[string]{more: func(values []string, rows int) []string {
		all := string(c.Buf)
		for _, at := range c.Pos[:rows] {
			values = append(values, all[at.Start:at.End])
		}
		return values
	}}
}

// milliseconds are times of DateTime64(3), which events have.
func milliseconds(c *proto.ColDateTime64) sqlColumn {
	return &gathered[time.Time]{more: func(values []time.Time, rows int) []time.Time {
		for _, at := range c.Data[:rows] {
			values = append(values, time.UnixMilli(int64(at)).UTC())
		}
		return values
	}}
}

// sqlColumnOf chooses how the values of a column are shown.
func sqlColumnOf(name string, kind proto.ColumnType, column proto.Column) (sqlColumn, error) {
	if kind.Base() == proto.ColumnTypeDecimal || kind.Base() == proto.ColumnTypeNullable && kind.Elem().Base() == proto.ColumnTypeDecimal {
		return decimals(name, kind, column)
	}
	switch c := column.(type) {
	case *proto.ColStr:
		return texts(c), nil
	case *proto.ColLowCardinality[string]:
		return whole(func() []string { return c.Values }), nil
	case *proto.ColDateTime64:
		if c.Precision == proto.PrecisionMilli {
			return milliseconds(c), nil
		}
		return by(c, time.Time.UTC), nil
	case *proto.ColUInt8:
		return whole(func() []uint8 { return *c }), nil
	case *proto.ColUInt16:
		return whole(func() []uint16 { return *c }), nil
	case *proto.ColUInt32:
		return whole(func() []uint32 { return *c }), nil
	case *proto.ColUInt64:
		return whole(func() []uint64 { return *c }), nil
	case *proto.ColInt8:
		return whole(func() []int8 { return *c }), nil
	case *proto.ColInt16:
		return whole(func() []int16 { return *c }), nil
	case *proto.ColInt32:
		return whole(func() []int32 { return *c }), nil
	case *proto.ColInt64:
		return whole(func() []int64 { return *c }), nil
	case *proto.ColFloat32:
		return whole(func() []float32 { return *c }), nil
	case *proto.ColFloat64:
		return whole(func() []float64 { return *c }), nil
	case *proto.ColBool:
		return whole(func() []bool { return *c }), nil
	case *proto.ColEnum:
		return whole(func() []string { return c.Values }), nil
	case rowsOf[time.Time]: // Date, Date32, DateTime
		return by(c, time.Time.UTC), nil
	case rowsOf[string]:
		return by(c, func(s string) string { return s }), nil
	case rowsOf[proto.Nullable[string]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[bool]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[time.Time]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[uint8]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[uint16]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[uint32]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[uint64]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[int8]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[int16]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[int32]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[int64]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[float32]]:
		return nullable(c), nil
	case rowsOf[proto.Nullable[float64]]:
		return nullable(c), nil
	}
	return written(name, kind, column)
}

// decimals are numbers with as many digits behind the point as their type says.
func decimals(name string, kind proto.ColumnType, column proto.Column) (sqlColumn, error) {
	of := kind
	if kind.Base() == proto.ColumnTypeNullable {
		of = kind.Elem()
	}
	_, text, _ := strings.Cut(string(of.Elem()), ",")
	digits, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return nil, cannotShow(name, kind)
	}
	scale := math.Pow10(digits)
	switch c := column.(type) {
	case rowsOf[proto.Decimal32]:
		return by(c, func(v proto.Decimal32) float64 { return float64(v) / scale }), nil
	case rowsOf[proto.Decimal64]:
		return by(c, func(v proto.Decimal64) float64 { return float64(v) / scale }), nil
	case rowsOf[proto.Decimal128]:
		return by(c, func(v proto.Decimal128) float64 { return wide(proto.Int128(v)) / scale }), nil
	case rowsOf[proto.Nullable[proto.Decimal32]]:
		return by(c, func(v proto.Nullable[proto.Decimal32]) *float64 { return pointer(float64(v.Value)/scale, v.Set) }), nil
	case rowsOf[proto.Nullable[proto.Decimal64]]:
		return by(c, func(v proto.Nullable[proto.Decimal64]) *float64 { return pointer(float64(v.Value)/scale, v.Set) }), nil
	case rowsOf[proto.Nullable[proto.Decimal128]]:
		return by(c, func(v proto.Nullable[proto.Decimal128]) *float64 {
			return pointer(wide(proto.Int128(v.Value))/scale, v.Set)
		}), nil
	}
	return nil, cannotShow(name, kind)
}

func pointer(f float64, set bool) *float64 {
	if !set {
		return nil
	}
	return &f
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
	return by[any, string](reflected{row}, func(v any) string {
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
