package api

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// answer writes a result as {"data": [rows], "meta": {…}}: one object for each
// row, its members in the order of the frame's fields. Exact amounts are strings.
func (a *API) answer(c *gin.Context, r *query.Result) {
	body, err := r.Encoded("rows", func() ([]byte, error) {
		meta, err := json.Marshal(r.Meta)
		if err != nil {
			return nil, err
		}
		body := appendRows(append(make([]byte, 0, 1<<12), `{"data":`...), r)
		body = append(body, `,"meta":`...)
		return append(append(body, meta...), '}'), nil
	})
	if err != nil {
		a.fail(c, err)
		return
	}
	c.Data(http.StatusOK, "application/json; charset=utf-8", body)
}

// appendRows appends the rows of a result as a JSON array.
func appendRows(dst []byte, r *query.Result) []byte {
	columns := make([]func([]byte, int) []byte, len(r.Frame.Fields))
	for i, f := range r.Frame.Fields {
		columns[i] = column(f, r.Exact[f.Name])
	}
	dst = append(dst, '[')
	for row := range r.Frame.Rows() {
		if row > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		for i, f := range r.Frame.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, f.Name), ':')
			dst = columns[i](dst, row)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// column returns what appends a field's values.
func column(f *data.Field, exact []string) func([]byte, int) []byte {
	if exact != nil {
		return func(dst []byte, row int) []byte {
			if exact[row] == "" {
				return append(dst, "null"...)
			}
			return appendString(dst, exact[row])
		}
	}
	switch f.Type() {
	case data.FieldTypeTime:
		return func(dst []byte, row int) []byte {
			dst = append(dst, '"')
			dst = f.At(row).(time.Time).AppendFormat(dst, time.RFC3339Nano)
			return append(dst, '"')
		}
	case data.FieldTypeNullableTime:
		return func(dst []byte, row int) []byte {
			t, _ := f.At(row).(*time.Time)
			if t == nil {
				return append(dst, "null"...)
			}
			return append(t.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
		}
	case data.FieldTypeBool:
		return func(dst []byte, row int) []byte { return strconv.AppendBool(dst, f.At(row).(bool)) }
	case data.FieldTypeString:
		return func(dst []byte, row int) []byte { return appendString(dst, f.At(row).(string)) }
	case data.FieldTypeInt64:
		return func(dst []byte, row int) []byte { return strconv.AppendInt(dst, f.At(row).(int64), 10) }
	}
	return func(dst []byte, row int) []byte {
		v, err := f.NullableFloatAt(row)
		if err != nil || v == nil {
			return append(dst, "null"...)
		}
		return appendFloat(dst, *v)
	}
}

func appendFloat(dst []byte, v float64) []byte {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, v, format, -1, 64)
}

func appendString(dst []byte, s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return append(dst, `""`...) // Unreachable: a string always marshals.
	}
	return append(dst, b...)
}
