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
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// A sqlColumn gathers the values of a column, block by block.
type sqlColumn interface {
	add(rows int)
	field(name string) *data.Field
}

// rowsOf is a column of the protocol's.
type rowsOf[T any] interface{ Row(i int) T }

// gathered are values that Grafana's frames have as they are.
type gathered[T any] struct {
	from   rowsOf[T]
	values []T
}

func (g *gathered[T]) add(rows int) {
	for i := range rows {
		g.values = append(g.values, g.from.Row(i))
	}
}

func (g *gathered[T]) field(name string) *data.Field { return data.NewField(name, nil, g.values) }

func as[T any](from rowsOf[T]) sqlColumn { return &gathered[T]{from: from} }

// made are values of another type.
type made[T, V any] struct {
	from rowsOf[T]
	make func(T) V
	to   []V
}

func (m *made[T, V]) add(rows int) {
	for i := range rows {
		m.to = append(m.to, m.make(m.from.Row(i)))
	}
}

func (m *made[T, V]) field(name string) *data.Field { return data.NewField(name, nil, m.to) }

func by[T, V any](from rowsOf[T], makes func(T) V) sqlColumn {
	return &made[T, V]{from: from, make: makes}
}

// nullable are values that may be null.
func nullable[T any](from rowsOf[proto.Nullable[T]]) sqlColumn {
	return by(from, func(v proto.Nullable[T]) *T {
		if !v.Set {
			return nil
		}
		return &v.Value
	})
}

// sqlColumnOf chooses how the values of a column are shown.
func sqlColumnOf(name string, kind proto.ColumnType, column proto.Column) (sqlColumn, error) {
	if kind.Base() == proto.ColumnTypeDecimal {
		return decimals(column, scaleOf(kind)), nil
	}
	if kind.Base() == proto.ColumnTypeNullable && kind.Elem().Base() == proto.ColumnTypeDecimal {
		return optionalDecimals(column, scaleOf(kind.Elem())), nil
	}
	switch c := column.(type) {
	case rowsOf[string]: // String, LowCardinality(String), Enum
		return as(c), nil
	case rowsOf[bool]:
		return as(c), nil
	case rowsOf[time.Time]: // Date, Date32, DateTime, DateTime64
		return by(c, time.Time.UTC), nil
	case rowsOf[uint8]:
		return as(c), nil
	case rowsOf[uint16]:
		return as(c), nil
	case rowsOf[uint32]:
		return as(c), nil
	case rowsOf[uint64]:
		return as(c), nil
	case rowsOf[int8]:
		return as(c), nil
	case rowsOf[int16]:
		return as(c), nil
	case rowsOf[int32]:
		return as(c), nil
	case rowsOf[int64]:
		return as(c), nil
	case rowsOf[float32]:
		return as(c), nil
	case rowsOf[float64]:
		return as(c), nil
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

// scaleOf is how many digits of Decimal(precision, scale) are behind the point.
func scaleOf(kind proto.ColumnType) float64 {
	_, text, _ := strings.Cut(string(kind.Elem()), ",")
	scale, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 1
	}
	return math.Pow10(scale)
}

func decimals(column proto.Column, scale float64) sqlColumn {
	switch c := column.(type) {
	case rowsOf[proto.Decimal32]:
		return by(c, func(v proto.Decimal32) float64 { return float64(v) / scale })
	case rowsOf[proto.Decimal64]:
		return by(c, func(v proto.Decimal64) float64 { return float64(v) / scale })
	case rowsOf[proto.Decimal128]:
		return by(c, func(v proto.Decimal128) float64 { return wide(proto.Int128(v)) / scale })
	}
	return nil
}

func optionalDecimals(column proto.Column, scale float64) sqlColumn {
	switch c := column.(type) {
	case rowsOf[proto.Nullable[proto.Decimal64]]:
		return by(c, func(v proto.Nullable[proto.Decimal64]) *float64 {
			f := float64(v.Value) / scale
			return pointer(f, v.Set)
		})
	case rowsOf[proto.Nullable[proto.Decimal128]]:
		return by(c, func(v proto.Nullable[proto.Decimal128]) *float64 {
			return pointer(wide(proto.Int128(v.Value))/scale, v.Set)
		})
	}
	return nil
}

func pointer(f float64, set bool) *float64 {
	if !set {
		return nil
	}
	return &f
}

func wide(v proto.Int128) float64 { return float64(int64(v.High))*0x1p64 + float64(v.Low) }

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
