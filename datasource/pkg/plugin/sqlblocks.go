package plugin

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
)

// blockOf is what blocks of a type are decoded into. Those of types that are made of others
// are our own: the protocol's library has a Go type for some of the combinations only.
func blockOf(kind proto.ColumnType) (proto.ColResult, error) {
	inner := typesIn(kind)
	switch base := kind.Base(); base {
	case proto.ColumnTypeNullable:
		values, err := blockOf(kind.Elem())
		return &nullableBlock{values: values}, err
	case proto.ColumnTypeLowCardinality:
		if kind.Elem() == proto.ColumnTypeNullable.Sub(proto.ColumnTypeString) {
			return &lowNullableBlock{ColLowCardinality: proto.NewLowCardinality[proto.Nullable[string]](&dictionary{})}, nil
		}
	case proto.ColumnTypeArray:
		values, err := blockOf(kind.Elem())
		return &listBlock{values: tupleBlock{values}}, err
	case proto.ColumnTypeMap, proto.ColumnTypeTuple:
		values := make(tupleBlock, len(inner))
		for i, of := range inner {
			var err error
			if values[i], err = blockOf(of); err != nil {
				return nil, err
			}
		}
		if base == proto.ColumnTypeMap {
			return &listBlock{values: values}, nil
		}
		return values, nil
	case proto.ColumnTypeFixedString:
		size, err := strconv.Atoi(string(kind.Elem()))
		return &proto.ColFixedStr{Size: size}, err
	}
	var auto proto.ColAuto
	if err := auto.Infer(kind); err != nil {
		return nil, fmt.Errorf("type %s: %w", kind, err)
	}
	return auto.Data, nil
}

// typesIn are the types that a map or a tuple is made of, without the names that a tuple's may
// have. Values of enumerations may have any sign within their quotes.
func typesIn(kind proto.ColumnType) []proto.ColumnType {
	text := string(kind.Elem())
	var out []proto.ColumnType
	depth, from, quote := 0, 0, byte(0)
	take := func(to int) {
		one := strings.TrimSpace(text[from:to])
		if end := strings.IndexAny(one, " ('`"); end > 0 && one[end] == ' ' {
			one = one[end+1:]
		} else if strings.HasPrefix(one, "`") {
			one = one[strings.IndexByte(one[1:], '`')+2:]
		}
		out, from = append(out, proto.ColumnType(strings.TrimSpace(one))), to+1
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\':
			i++
		case c == quote:
			quote = 0
		case quote != 0:
		case c == '\'' || c == '`':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			take(i)
		}
	}
	take(len(text))
	return out
}

// stateOf reads what stands before the values of a column.
func stateOf(column proto.ColResult, r *proto.Reader) error {
	if s, ok := column.(proto.StateDecoder); ok {
		return s.DecodeState(r)
	}
	return nil
}

// A nullableBlock says of each value whether it is null.
type nullableBlock struct {
	nulls  proto.ColUInt8
	values proto.ColResult
}

func (b *nullableBlock) Type() proto.ColumnType {
	return proto.ColumnTypeNullable.Sub(b.values.Type())
}
func (b *nullableBlock) Rows() int                         { return len(b.nulls) }
func (b *nullableBlock) DecodeState(r *proto.Reader) error { return stateOf(b.values, r) }

func (b *nullableBlock) DecodeColumn(r *proto.Reader, rows int) error {
	if err := b.nulls.DecodeColumn(r, rows); err != nil {
		return err
	}
	return b.values.DecodeColumn(r, rows)
}

func (b *nullableBlock) Reset() {
	b.nulls.Reset()
	b.values.Reset()
}

// A listBlock says where each row's values end.
type listBlock struct {
	ends   proto.ColUInt64
	values tupleBlock // one of an array's, keys and values of a map's
}

func (b *listBlock) Type() proto.ColumnType            { return proto.ColumnTypeArray.Sub(b.values.Type()) }
func (b *listBlock) Rows() int                         { return len(b.ends) }
func (b *listBlock) DecodeState(r *proto.Reader) error { return b.values.DecodeState(r) }

func (b *listBlock) DecodeColumn(r *proto.Reader, rows int) error {
	if err := b.ends.DecodeColumn(r, rows); err != nil {
		return err
	}
	// What reads the values relies on it, where a panic would end the plugin.
	if !slices.IsSorted(b.ends) || rows > 0 && b.ends[rows-1] > math.MaxInt32 {
		return errors.New("the lists of a block do not end one after the other")
	}
	return b.values.DecodeColumn(r, b.until(rows))
}

// until is how many values the first rows have.
func (b *listBlock) until(rows int) int {
	if rows == 0 {
		return 0
	}
	return int(b.ends[rows-1]) // #nosec G115 -- DecodeColumn has seen to it
}

func (b *listBlock) Reset() {
	b.ends.Reset()
	b.values.Reset()
}

// A tupleBlock has columns of as many values each.
type tupleBlock []proto.ColResult

func (b tupleBlock) Type() proto.ColumnType { return proto.ColumnTypeTuple }

func (b tupleBlock) Rows() int { return b[0].Rows() }

func (b tupleBlock) DecodeState(r *proto.Reader) error {
	for _, column := range b {
		if err := stateOf(column, r); err != nil {
			return err
		}
	}
	return nil
}

func (b tupleBlock) DecodeColumn(r *proto.Reader, rows int) error {
	for _, column := range b {
		if err := column.DecodeColumn(r, rows); err != nil {
			return err
		}
	}
	return nil
}

func (b tupleBlock) Reset() {
	for _, column := range b {
		column.Reset()
	}
}

// A dictionary has the texts of a LowCardinality(Nullable(String)), the first of which is null.
type dictionary struct{ proto.ColStr }

// Row returns a text.
func (d *dictionary) Row(i int) proto.Nullable[string] {
	return proto.Nullable[string]{Set: i > 0, Value: d.ColStr.Row(i)}
}

// Append is of what is written, which nothing here is.
func (d *dictionary) Append(v proto.Nullable[string]) { d.ColStr.Append(v.Value) }

// AppendArr is the same of several.
func (d *dictionary) AppendArr(vs []proto.Nullable[string]) {
	for _, v := range vs {
		d.Append(v)
	}
}

type lowNullableBlock struct {
	*proto.ColLowCardinality[proto.Nullable[string]]

	nulls proto.ColUInt8
}

func (b *lowNullableBlock) DecodeColumn(r *proto.Reader, rows int) error {
	if err := b.ColLowCardinality.DecodeColumn(r, rows); err != nil {
		return err
	}
	b.nulls = b.nulls[:0]
	for _, v := range b.Values {
		null := uint8(0)
		if !v.Set {
			null = 1
		}
		b.nulls = append(b.nulls, null)
	}
	return nil
}
