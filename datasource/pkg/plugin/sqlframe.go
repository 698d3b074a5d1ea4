package plugin

import (
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// sqlAnswer is what a statement gave. It is a proto.Result, which knows its columns when
// they come.
type sqlAnswer struct {
	statement string
	columns   []answerColumn
	rows      int
	read      uint64 // rows, by the server
	truncated bool
}

// answerColumn is where a column's blocks are decoded, and where their values go.
type answerColumn struct {
	name   string
	block  proto.Column
	values sqlColumn
}

// DecodeResult reads a block.
func (a *sqlAnswer) DecodeResult(r *proto.Reader, version int, b proto.Block) error {
	for i := range b.Columns {
		name, kind, err := columnHead(r, version)
		if err != nil {
			return err
		}
		if i == len(a.columns) {
			var auto proto.ColAuto
			if err := auto.Infer(kind); err != nil {
				return cannotShow(name, kind)
			}
			values, err := sqlColumnOf(name, kind, auto.Data)
			if err != nil {
				return err
			}
			a.columns = append(a.columns, answerColumn{name, auto.Data, values})
		}
		column := a.columns[i].block
		column.Reset()
		if b.Rows == 0 {
			continue
		}
		if stateful, ok := column.(proto.StateDecoder); ok {
			if err := stateful.DecodeState(r); err != nil {
				return fmt.Errorf("read column %s: %w", name, err)
			}
		}
		if err := column.DecodeColumn(r, b.Rows); err != nil {
			return fmt.Errorf("read column %s: %w", name, err)
		}
	}
	return nil
}

// columnHead reads what stands before a column's values.
func columnHead(r *proto.Reader, version int) (name string, kind proto.ColumnType, err error) {
	if name, err = r.Str(); err != nil {
		return "", "", fmt.Errorf("read a column's name: %w", err)
	}
	text, err := r.Str()
	if err != nil {
		return "", "", fmt.Errorf("read the type of column %s: %w", name, err)
	}
	if proto.FeatureCustomSerialization.In(version) {
		switch custom, err := r.Bool(); {
		case err != nil:
			return "", "", fmt.Errorf("read the serialization of column %s: %w", name, err)
		case custom:
			return "", "", fmt.Errorf("column %s comes in a serialization that is not known here", name)
		}
	}
	return name, proto.ColumnType(text), nil
}

// add keeps a block's rows, as many as may be shown.
func (a *sqlAnswer) add(rows int) error {
	n := min(rows, mostSQLRows-a.rows)
	for _, c := range a.columns {
		c.values.add(n)
	}
	a.rows += n
	if n < rows {
		return errEnough
	}
	return nil
}

func (a *sqlAnswer) frames(m model) (data.Frames, error) {
	table := data.NewFrame("")
	for _, c := range a.columns {
		table.Fields = append(table.Fields, c.values.field(c.name))
	}
	frames := data.Frames{table}
	if m.Format == formatTimeSeries {
		var err error
		if frames, err = sqlSeries(table, m.Alias); err != nil {
			return nil, err
		}
	} else {
		shape(table, tableType(table), data.VisTypeTable)
	}
	meta := frames[0].Meta
	meta.ExecutedQueryString = a.statement
	meta.Stats = []data.QueryStat{stat("Rows read", "short", float64(a.read))}
	if a.truncated {
		meta.Notices = append(meta.Notices, data.Notice{Severity: data.NoticeSeverityWarning, Text: fmt.Sprintf("The statement has more rows than the %d that are shown: group them, or narrow the period.", mostSQLRows)})
	}
	return frames, nil
}

// sqlSeries makes series of a table: of its first column of times, a series for each
// column of numbers and each combination of its texts.
func sqlSeries(table *data.Frame, alias string) (data.Frames, error) {
	series := data.NewFrame("")
	n := namer{alias: alias}
	for _, f := range table.Fields {
		switch {
		case f.Type().Time() && len(series.Fields) == 0:
			times, err := timesOf(f)
			if err != nil {
				return nil, err
			}
			series.Fields = append(series.Fields, times)
		case f.Type().Numeric():
			n.metrics++
		case f.Type() == data.FieldTypeString || f.Type() == data.FieldTypeNullableString:
			n.groupBy = append(n.groupBy, f.Name)
		}
	}
	if len(series.Fields) == 0 && len(table.Fields) > 0 {
		return nil, &query.RequestError{Param: "expr", Message: "the statement gives no column of times, which a time series needs: select one, or choose the format table", Example: "SELECT $__timeInterval(time) AS time, count() AS executions FROM executions WHERE $__timeFilter(time) GROUP BY time ORDER BY time"}
	}
	for _, f := range table.Fields {
		switch {
		case f.Type().Numeric():
			series.Fields = append(series.Fields, numbersOf(f))
		case f.Type() == data.FieldTypeString || f.Type() == data.FieldTypeNullableString:
			series.Fields = append(series.Fields, textsOf(f))
		}
	}
	frames := query.TimeSeries(&query.Result{Frame: series})
	if len(frames) == 0 {
		frames = data.Frames{data.NewFrame("")}
	}
	for _, f := range frames {
		for _, field := range f.Fields {
			if !field.Type().Time() {
				config(field).DisplayNameFromDS = n.series(field.Name, field.Labels)
			}
		}
		shape(f, data.FrameTypeTimeSeriesMulti, data.VisTypeGraph)
	}
	return frames, nil
}

// timesOf wants times in their order: a graph of others is a tangle.
func timesOf(f *data.Field) (*data.Field, error) {
	values := make([]time.Time, f.Len())
	for i := range values {
		at, known := f.ConcreteAt(i)
		if !known {
			return nil, &query.RequestError{Param: "expr", Value: f.Name, Message: "a row of the answer has no time: leave such rows out", Example: "WHERE " + f.Name + " IS NOT NULL"}
		}
		values[i] = at.(time.Time)
		if i > 0 && values[i].Before(values[i-1]) {
			return nil, &query.RequestError{Param: "expr", Value: f.Name, Message: "the rows of the answer are not in the order of their times", Example: "ORDER BY " + f.Name}
		}
	}
	return data.NewField("time", nil, values), nil
}

func numbersOf(f *data.Field) *data.Field {
	values := make([]*float64, f.Len())
	for i := range values {
		if v, err := f.NullableFloatAt(i); err == nil {
			values[i] = v
		}
	}
	return data.NewField(f.Name, nil, values)
}

func textsOf(f *data.Field) *data.Field {
	if f.Type() == data.FieldTypeString {
		return f
	}
	values := make([]string, f.Len())
	for i := range values {
		if v, known := f.ConcreteAt(i); known {
			values[i] = v.(string)
		}
	}
	return data.NewField(f.Name, nil, values)
}
