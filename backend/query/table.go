package query

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// scan runs a statement and calls row for each of its rows, by the place in the
// block that results hold.
func (e *Engine) scan(ctx context.Context, what string, st statement, results proto.Results, row func(i int) error) (rowsRead uint64, err error) {
	err = e.client.Do(ctx, clickhouse.Query{
		SQL: st.sql, Params: st.params, Settings: e.settings(), Result: results,
		OnResult: func(_ context.Context, block proto.Block) error {
			for i := range block.Rows {
				if err := row(i); err != nil {
					return err
				}
			}
			return nil
		},
		OnProgress: func(_ context.Context, p proto.Progress) error {
			rowsRead += p.Rows
			return nil
		},
	})
	if err != nil {
		return rowsRead, fmt.Errorf("read %s: %w", what, err)
	}
	return rowsRead, nil
}

// frameOf makes a frame of columns, slices in the order of the fields.
func frameOf(fields []FieldInfo, columns ...any) *data.Frame {
	frame := data.NewFrame("")
	for i, info := range fields {
		field := data.NewField(info.Name, nil, columns[i])
		field.Config = &data.FieldConfig{DisplayNameFromDS: titleOf(info.Name), Unit: info.Unit, Description: info.Description}
		frame.Fields = append(frame.Fields, field)
	}
	return frame
}

// titleOf reads a field's name aloud. The unit is shown with the values.
func titleOf(name string) string {
	words := []rune(strings.ReplaceAll(strings.TrimSuffix(name, "_ms"), "_", " "))
	words[0] = unicode.ToUpper(words[0])
	return string(words)
}

// instant returns a moment in milliseconds as a nullable time; 0 and before is none.
func instant(ms int64, loc *time.Location) *time.Time {
	if ms <= 0 {
		return nil
	}
	t := time.UnixMilli(ms).In(loc)
	return &t
}
