package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/big"
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/gin-gonic/gin"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// format is a way to write an answer. The figures are the same in each: exact
// amounts are decimal strings in text, and decimals in Arrow.
type format struct {
	name, media string
	write       func(*page) ([]byte, error)
}

const mediaNDJSON = "application/x-ndjson"

// formats are all there are; the first is the default.
var formats = []format{
	{"json", "application/json", (*page).json},
	{"csv", "text/csv", (*page).csv},
	{"ndjson", mediaNDJSON, (*page).ndjson},
	{"arrow", "application/vnd.apache.arrow.stream", (*page).arrow},
}

// negotiate picks a format by the parameter that a browser can send, else by Accept.
func negotiate(c *gin.Context) (*format, error) {
	if name := c.Request.URL.Query().Get("format"); name != "" {
		return &formats[slices.IndexFunc(formats, func(f format) bool { return f.name == name })], nil // checked
	}
	accept := strings.Join(c.Request.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return &formats[0], nil
	}
	best, quality := -1, 0.0
	for i, f := range formats {
		if q := wanted(accept, f.media); q > quality {
			best, quality = i, q
		}
	}
	if best < 0 {
		p := Refused(406, "not-acceptable", "there is no such format of an answer; Accept must name one that there is")
		p.Param, p.Value, p.Example = "Accept", accept, formats[0].media
		for _, f := range formats {
			p.Allowed = append(p.Allowed, f.media)
		}
		return nil, p
	}
	return &formats[best], nil
}

// wanted returns the quality that an Accept header gives to a media type: that of
// the most specific range that it lies in.
func wanted(accept, media string) float64 {
	kind, _, _ := strings.Cut(media, "/")
	best, quality := 0, 0.0
	for _, part := range strings.Split(accept, ",") {
		name, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		rank := 1 + slices.Index([]string{"*/*", kind + "/*", media}, name)
		if rank <= best {
			continue
		}
		best, quality = rank, 1
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil {
			quality = q
		}
	}
	return quality
}

// json is {"data": [rows], "next": cursor, "meta": {…}}.
func (p *page) json() ([]byte, error) {
	meta, err := json.Marshal(p.meta)
	if err != nil {
		return nil, err
	}
	body := append(make([]byte, 0, 1<<12), `{"data":[`...)
	for row := p.from; row < p.to; row++ {
		if row > p.from {
			body = append(body, ',')
		}
		body = p.object(body, row)
	}
	body = append(body, ']')
	if p.next != "" {
		body = appendString(append(body, `,"next":`...), p.next)
	}
	return append(append(append(body, `,"meta":`...), meta...), '}'), nil
}

// ndjson is a row a line.
func (p *page) ndjson() ([]byte, error) {
	var body []byte
	for row := p.from; row < p.to; row++ {
		body = append(p.object(body, row), '\n')
	}
	return body, nil
}

// object appends a row as an object whose members are in the order of the fields.
func (p *page) object(dst []byte, row int) []byte {
	dst = append(dst, '{')
	for i, f := range p.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, f.Name), ':')
		dst = p.columns[i](dst, row)
	}
	return append(dst, '}')
}

// csv has a line of names, then a row a line. What is not there is empty.
func (p *page) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	record := make([]string, len(p.fields))
	for i, f := range p.fields {
		record[i] = f.Name
	}
	if err := w.Write(record); err != nil {
		return nil, err
	}
	var cell []byte
	for row := p.from; row < p.to; row++ {
		for i := range p.fields {
			if text, ok := textAt(p.fields[i], row); ok && p.exact[i] == nil {
				record[i] = text
				continue
			}
			cell = p.columns[i](cell[:0], row)
			record[i] = strings.Trim(string(cell), `"`)
			if record[i] == "null" {
				record[i] = ""
			}
		}
		if err := w.Write(record); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

func textAt(f *data.Field, row int) (string, bool) {
	switch v := f.At(row).(type) {
	case string:
		return v, true
	case *string:
		if v == nil {
			return "", true
		}
		return *v, true
	}
	return "", false
}

// amounts is the type of exact amounts in Arrow: that of the database.
var amounts = &arrow.Decimal128Type{Precision: 38, Scale: 15}

// arrow is a stream of Arrow's IPC format.
func (p *page) arrow() ([]byte, error) {
	table, err := data.FrameToArrowTable(data.NewFrame("", p.fields...))
	if err != nil {
		return nil, err
	}
	defer table.Release()
	meta, err := json.Marshal(p.meta)
	if err != nil {
		return nil, err
	}
	fields, columns := slices.Clone(table.Schema().Fields()), make([]arrow.Column, len(p.fields))
	for i := range fields {
		if p.exact[i] == nil {
			columns[i] = *array.NewColumnSlice(table.Column(i), int64(p.from), int64(p.to))
			continue
		}
		fields[i].Type, fields[i].Nullable = amounts, true
		values, err := decimals(p.exact[i][p.from:p.to])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fields[i].Name, err)
		}
		columns[i] = arrow.NewColumnFromArr(fields[i], values)
		values.Release()
	}
	info := arrow.NewMetadata([]string{"flowgauge"}, []string{string(meta)})
	schema := arrow.NewSchema(fields, &info)
	out := array.NewTable(schema, columns, int64(p.to-p.from))
	defer out.Release()
	for i := range columns {
		columns[i].Release()
	}
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(schema))
	r := array.NewTableReader(out, -1)
	defer r.Release()
	for r.Next() {
		if err := w.Write(r.RecordBatch()); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// decimals makes a column of decimal strings; empty is null.
func decimals(in []string) (arrow.Array, error) {
	b := array.NewDecimal128Builder(memory.DefaultAllocator, amounts)
	defer b.Release()
	for _, text := range in {
		if text == "" {
			b.AppendNull()
			continue
		}
		whole, fraction, _ := strings.Cut(text, ".")
		if len(fraction) > int(amounts.Scale) {
			return nil, fmt.Errorf("%q has more than %d decimal places", text, amounts.Scale)
		}
		n, ok := new(big.Int).SetString(whole+fraction+strings.Repeat("0", int(amounts.Scale)-len(fraction)), 10)
		if !ok {
			return nil, fmt.Errorf("%q is no decimal", text)
		}
		b.Append(decimal128.FromBigInt(n))
	}
	return b.NewArray(), nil
}
