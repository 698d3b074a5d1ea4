package export

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// What a part may have at most. Texts may be long: 10,000 rows of them would be more than a
// message may have.
const (
	MaxRows  = 10_000
	maxBytes = 16 << 20
)

// split cuts a table into parts; one without rows is one.
func split(t *contractv1.Table, rows int) []*contractv1.Table {
	if rows == 0 {
		return []*contractv1.Table{t}
	}
	var parts []*contractv1.Table
	for from := 0; from < rows; from += MaxRows {
		parts = append(parts, halved(t, from, min(from+MaxRows, rows))...)
	}
	return parts
}

// halved cuts rows out of a table, in halves of halves until each is small enough.
func halved(t *contractv1.Table, from, to int) []*contractv1.Table {
	part := cut(t, from, to)
	if to-from == 1 || proto.Size(part) <= maxBytes {
		return []*contractv1.Table{part}
	}
	middle := (from + to) / 2
	return append(halved(t, from, middle), halved(t, middle, to)...)
}

// cut is a part of a table's rows, which are not copied.
func cut(t *contractv1.Table, from, to int) *contractv1.Table {
	out := &contractv1.Table{Columns: make([]*contractv1.Column, len(t.GetColumns()))}
	for i, c := range t.GetColumns() {
		part := &contractv1.Column{Name: c.GetName(), Unit: c.GetUnit(), Labels: c.GetLabels()}
		switch v := c.GetValues().(type) {
		case *contractv1.Column_Numbers:
			part.Values = &contractv1.Column_Numbers{Numbers: &contractv1.Numbers{Values: v.Numbers.GetValues()[from:to]}}
		case *contractv1.Column_Texts:
			part.Values = &contractv1.Column_Texts{Texts: &contractv1.Texts{Values: v.Texts.GetValues()[from:to]}}
		case *contractv1.Column_Times:
			part.Values = &contractv1.Column_Times{Times: &contractv1.Times{Values: v.Times.GetValues()[from:to]}}
		case *contractv1.Column_Decimals:
			part.Values = &contractv1.Column_Decimals{Decimals: &contractv1.Decimals{Values: v.Decimals.GetValues()[from:to]}}
		}
		first, _ := slices.BinarySearch(c.GetNulls(), uint32(from))
		end, _ := slices.BinarySearch(c.GetNulls(), uint32(to))
		for _, row := range c.GetNulls()[first:end] {
			part.Nulls = append(part.Nulls, row-uint32(from))
		}
		out.Columns[i] = part
	}
	return out
}

// delivery tells a part from all others, and is the same whenever it is delivered.
func delivery(tenant, name string, p period, part int) string {
	text, err := json.Marshal([]any{tenant, name, p.from.UnixMilli(), p.to.UnixMilli(), part})
	if err != nil {
		panic("export: " + err.Error()) // texts and numbers cannot fail
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// digestOf tells an answer from others.
func digestOf(parts []*contractv1.Table) (string, error) {
	sum := sha256.New()
	for _, part := range parts {
		text, err := proto.MarshalOptions{Deterministic: true}.Marshal(part)
		if err != nil {
			return "", fmt.Errorf("digest the answer: %w", err)
		}
		sum.Write(binary.AppendUvarint(nil, uint64(len(text))))
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
