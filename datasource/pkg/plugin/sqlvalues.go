package plugin

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// A sqlColumn gathers the values of a column, block by block, as Arrow lays them out.
type sqlColumn interface {
	// kind is the field's in a frame.
	kind() data.FieldType
	add(rows int) error
	// arrow has the values' buffers, the first of which says which are not null, and how many are.
	arrow() (buffers []*memory.Buffer, nulls int)
	// json appends a value as JSON has it.
	json(to []byte, row int) []byte
	// mask says where the block's nulls are.
	mask(nulls *proto.ColUInt8)
	// reset forgets the values, and keeps their memory.
	reset()
}

// A series is made of columns of which it can have some rows.
type seriesColumn interface {
	sqlColumn
	pick(rows []int32) sqlColumn
}

// masked are the nulls of a column: a byte a row, which is 1 where there is no value, or
// nothing where the column has no nulls.
type masked struct {
	block *proto.ColUInt8
	nulls []uint8
}

func (m *masked) mask(nulls *proto.ColUInt8) { m.block = nulls }

func (m *masked) null(row int32) bool { return m.block != nil && m.nulls[row] != 0 }

func (m *masked) add(rows int) {
	if m.block != nil {
		m.nulls = append(m.nulls, (*m.block)[:rows]...)
	}
}

func (m *masked) reset() { m.nulls = m.nulls[:0] }

func (m *masked) kindOf(values data.FieldType) data.FieldType {
	if m.block != nil {
		return values.NullableType()
	}
	return values
}

func (m *masked) valid() (bitmap *memory.Buffer, nulls int) {
	if m.block == nil {
		return nil, 0
	}
	for _, null := range m.nulls {
		if null != 0 {
			nulls++
		}
	}
	if nulls == 0 {
		return nil, 0
	}
	return bits(m.nulls, 0), nulls
}

// bits has a bit for each byte, which is set where the byte is as wanted.
func bits(bytes []uint8, wanted uint8) *memory.Buffer {
	packed := make([]byte, (len(bytes)+7)/8)
	for i, b := range bytes {
		if b == wanted {
			packed[i/8] |= 1 << (i % 8)
		}
	}
	return memory.NewBufferBytes(packed)
}

// fixed are numbers, and times as nanoseconds. more appends as many of the block's.
type fixed[T arrow.FixedWidthType] struct {
	masked
	of     data.FieldType
	values []T
	more   func(values []T, rows int) ([]T, error)
}

func (f *fixed[T]) kind() data.FieldType { return f.kindOf(f.of) }

func (f *fixed[T]) add(rows int) error {
	f.masked.add(rows)
	var err error
	f.values, err = f.more(slices.Grow(f.values, rows), rows)
	return err
}

func (f *fixed[T]) json(to []byte, row int) []byte {
	if f.null(int32(row)) {
		return append(to, "null"...)
	}
	v := f.values[row]
	if at, ok := any(v).(int64); ok && f.of == data.FieldTypeTime {
		return time.Unix(0, at).UTC().AppendFormat(to, `"`+time.RFC3339Nano+`"`)
	}
	text, err := json.Marshal(v)
	if err != nil { // JSON has no NaN and no Inf
		text = []byte("null")
	}
	return append(to, text...)
}

func (f *fixed[T]) arrow() ([]*memory.Buffer, int) {
	valid, nulls := f.valid()
	return []*memory.Buffer{valid, memory.NewBufferBytes(arrow.GetBytes(f.values))}, nulls
}

func (f *fixed[T]) reset() {
	f.masked.reset()
	f.values = f.values[:0]
}

func (f *fixed[T]) pick(rows []int32) sqlColumn {
	picked := &fixed[T]{masked: masked{block: f.block}, of: f.of, values: make([]T, len(rows))}
	for i, at := range rows {
		picked.values[i] = f.values[at]
	}
	if f.block != nil {
		picked.nulls = make([]uint8, len(rows))
		for i, at := range rows {
			picked.nulls[i] = f.nulls[at]
		}
	}
	return picked
}

// bools are a byte each, of which Arrow has a bit.
type bools struct {
	masked
	from   *proto.ColBool
	values []uint8
}

func (b *bools) kind() data.FieldType { return b.kindOf(data.FieldTypeBool) }

func (b *bools) add(rows int) error {
	b.masked.add(rows)
	for _, v := range (*b.from)[:rows] {
		value := uint8(0)
		if v {
			value = 1
		}
		b.values = append(b.values, value)
	}
	return nil
}

func (b *bools) arrow() ([]*memory.Buffer, int) {
	valid, nulls := b.valid()
	return []*memory.Buffer{valid, bits(b.values, 1)}, nulls
}

func (b *bools) json(to []byte, row int) []byte {
	if b.null(int32(row)) {
		return append(to, "null"...)
	}
	return strconv.AppendBool(to, b.values[row] == 1)
}

func (b *bools) reset() {
	b.masked.reset()
	b.values = b.values[:0]
}

// texts are one text, and where each ends. more appends as many of the block's.
type texts struct {
	masked
	all  []byte
	ends []int32 // and a nought before them
	more func(t *texts, rows int) error
	made bool // they are JSON
}

func (t *texts) kind() data.FieldType { return t.kindOf(data.FieldTypeString) }

func (t *texts) add(rows int) error {
	t.masked.add(rows)
	t.ends = slices.Grow(t.ends, rows+1)
	if len(t.ends) == 0 {
		t.ends = append(t.ends, 0)
	}
	if err := t.more(t, rows); err != nil {
		return err
	}
	if len(t.all) > math.MaxInt32 {
		return &query.RequestError{Param: "expr", Message: "a column of the answer has more than 2 GB of text: select less of it"}
	}
	return nil
}

func (t *texts) arrow() ([]*memory.Buffer, int) {
	valid, nulls := t.valid()
	return []*memory.Buffer{valid, memory.NewBufferBytes(arrow.GetBytes(t.ends)), memory.NewBufferBytes(t.all)}, nulls
}

func (t *texts) json(to []byte, row int) []byte {
	text := t.all[t.ends[row]:t.ends[row+1]]
	switch {
	case t.null(int32(row)):
		return append(to, "null"...)
	case t.made:
		return append(to, text...)
	}
	var quoted bytes.Buffer
	w := json.NewEncoder(&quoted)
	w.SetEscapeHTML(false) // people read it
	_ = w.Encode(string(text))
	return append(to, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
}

func (t *texts) reset() {
	t.masked.reset()
	t.all, t.ends = t.all[:0], t.ends[:0]
}

// row is a value; null is the empty text.
func (t *texts) row(i int32) []byte {
	if t.null(i) {
		return nil
	}
	return t.all[t.ends[i]:t.ends[i+1]]
}
