// Package plugintable turns answers into the tables of the plugins' contract, and what plugins
// say into answers. A table from a plugin is hostile input: it is bounded and checked before
// anything is made of it.
package plugintable

import (
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// FromResult makes a table of an answer. Exact amounts stay exact, and texts are valid UTF-8:
// ids and messages come from elsewhere, and protobuf takes no others.
func FromResult(res *query.Result) (*contractv1.Table, error) {
	t := &contractv1.Table{}
	if res.Frame == nil {
		return t, nil
	}
	for _, f := range res.Frame.Fields {
		c := &contractv1.Column{Name: valid(f.Name)}
		if f.Config != nil {
			c.Unit = f.Config.Unit
		}
		for name, value := range f.Labels {
			if c.Labels == nil {
				c.Labels = map[string]string{}
			}
			c.Labels[valid(name)] = valid(value)
		}
		if err := fill(c, f, res.Exact[f.Name]); err != nil {
			return nil, err
		}
		t.Columns = append(t.Columns, c)
	}
	return t, nil
}

func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// fill puts a field's values into a column.
func fill(c *contractv1.Column, f *data.Field, exact []string) error {
	rows := f.Len()
	null := func(row int) { c.Nulls = append(c.Nulls, uint32(row)) }
	if exact != nil {
		for row, text := range exact {
			if text == "" {
				null(row)
			}
		}
		c.Values = &contractv1.Column_Decimals{Decimals: &contractv1.Decimals{Values: exact}}
		return nil
	}
	switch f.Type() {
	case data.FieldTypeTime, data.FieldTypeNullableTime:
		values := make([]int64, rows)
		for row := range rows {
			if at, ok := f.ConcreteAt(row); ok {
				values[row] = at.(time.Time).UnixMilli()
			} else {
				null(row)
			}
		}
		c.Values = &contractv1.Column_Times{Times: &contractv1.Times{Values: values}}
	case data.FieldTypeString, data.FieldTypeNullableString:
		values := make([]string, rows)
		for row := range rows {
			if text, ok := f.ConcreteAt(row); ok {
				values[row] = valid(text.(string))
			} else {
				null(row)
			}
		}
		c.Values = &contractv1.Column_Texts{Texts: &contractv1.Texts{Values: values}}
	default:
		values := make([]float64, rows)
		for row := range rows {
			v, err := f.NullableFloatAt(row)
			switch {
			case err != nil:
				return fmt.Errorf("column %s: %w", f.Name, err)
			case v == nil || !finite(*v):
				null(row)
			default:
				values[row] = *v
			}
		}
		c.Values = &contractv1.Column_Numbers{Numbers: &contractv1.Numbers{Values: values}}
	}
	return nil
}
