package api

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// column returns what appends a field's values as JSON. Exact amounts are strings.
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
		return func(dst []byte, row int) []byte { return appendTime(dst, f.At(row).(time.Time)) }
	case data.FieldTypeNullableTime:
		return func(dst []byte, row int) []byte {
			if t := f.At(row).(*time.Time); t != nil {
				return appendTime(dst, *t)
			}
			return append(dst, "null"...)
		}
	case data.FieldTypeBool:
		return func(dst []byte, row int) []byte { return strconv.AppendBool(dst, f.At(row).(bool)) }
	case data.FieldTypeString:
		return func(dst []byte, row int) []byte { return appendString(dst, f.At(row).(string)) }
	case data.FieldTypeNullableString:
		return func(dst []byte, row int) []byte {
			if s := f.At(row).(*string); s != nil {
				return appendString(dst, *s)
			}
			return append(dst, "null"...)
		}
	case data.FieldTypeNullableBool:
		return func(dst []byte, row int) []byte {
			if v := f.At(row).(*bool); v != nil {
				return strconv.AppendBool(dst, *v)
			}
			return append(dst, "null"...)
		}
	case data.FieldTypeInt64:
		return func(dst []byte, row int) []byte { return strconv.AppendInt(dst, f.At(row).(int64), 10) }
	}
	return func(dst []byte, row int) []byte {
		v, err := f.NullableFloatAt(row)
		if err != nil || v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
			return append(dst, "null"...)
		}
		return appendFloat(dst, *v)
	}
}

func appendTime(dst []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
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
