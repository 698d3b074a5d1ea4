package query

import (
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/event"
)

// fields gathers the rows of a kind's frame. The columns are those that the kind
// describes, each of one type, in an empty answer too.
type fields struct {
	info  []FieldInfo
	types []any
	units map[string]string
	rows  [][]any
}

// newFields takes a value of each column's type: string, bool, int64, float64, *float64,
// time.Time, *time.Time or event.Decimal, which is an exact amount.
func newFields(info []FieldInfo, types ...any) *fields {
	return &fields{info: info, types: types, units: map[string]string{}}
}

// add appends a row with one value for each column.
func (f *fields) add(values ...any) { f.rows = append(f.rows, values) }

// unit replaces the unit of a column.
func (f *fields) unit(name, unit string) { f.units[name] = unit }

// result makes a Result without Meta.
func (f *fields) result() *Result {
	res := &Result{Exact: map[string][]string{}, Frame: data.NewFrame("")}
	for i, info := range f.info {
		field := f.column(i, info, res.Exact)
		field.Name = info.Name
		unit, ok := f.units[info.Name]
		if !ok {
			unit = info.Unit
		}
		field.Config = &data.FieldConfig{DisplayNameFromDS: titleOf(info.Name), Description: info.Description, Unit: unit}
		res.Frame.Fields = append(res.Frame.Fields, field)
	}
	return res
}

func (f *fields) column(i int, info FieldInfo, exact map[string][]string) *data.Field {
	switch f.types[i].(type) {
	case string:
		return typed[string](f.rows, i)
	case bool:
		return typed[bool](f.rows, i)
	case int64:
		return typed[int64](f.rows, i)
	case float64:
		return typed[float64](f.rows, i)
	case *float64:
		return typed[*float64](f.rows, i)
	case time.Time:
		return typed[time.Time](f.rows, i)
	case *time.Time:
		return typed[*time.Time](f.rows, i)
	}
	values := make([]*float64, len(f.rows))
	exact[info.Name] = make([]string, len(f.rows))
	for row := range f.rows {
		d := f.rows[row][i].(event.Decimal)
		v := d.Float64()
		values[row] = &v
		exact[info.Name][row] = d.String()
	}
	return data.NewField("", nil, values)
}

func typed[T any](rows [][]any, i int) *data.Field {
	out := make([]T, len(rows))
	for row := range rows {
		out[row] = rows[row][i].(T)
	}
	return data.NewField("", nil, out)
}

// indexOf finds a field of a frame.
func indexOf(frame *data.Frame, name string) int {
	return slices.IndexFunc(frame.Fields, func(f *data.Field) bool { return f.Name == name })
}
