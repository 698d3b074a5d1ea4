package plugin

import (
	"encoding/binary"
	"fmt"
	"slices"
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
	var frames data.Frames
	if m.Format == formatTimeSeries && len(a.columns) > 0 {
		var err error
		if frames, err = a.series(m.Alias); err != nil {
			return nil, err
		}
	} else {
		table := data.NewFrame("")
		for _, c := range a.columns {
			table.Fields = append(table.Fields, c.values.field(c.name, nil))
		}
		shape(table, tableType(table), data.VisTypeTable)
		frames = data.Frames{table}
	}
	meta := frames[0].Meta
	meta.ExecutedQueryString = a.statement
	meta.Stats = []data.QueryStat{stat("Rows read", "short", float64(a.read))}
	if a.truncated {
		meta.Notices = append(meta.Notices, data.Notice{Severity: data.NoticeSeverityWarning, Text: fmt.Sprintf("The statement has more rows than the %d that are shown: group them, or narrow the period.", mostSQLRows)})
	}
	return frames, nil
}

// series are of the first column of times: one for each column of numbers and each
// combination of texts.
func (a *sqlAnswer) series(alias string) (data.Frames, error) {
	var times *answerColumn
	var labels, numbers []*answerColumn
	n := namer{alias: alias}
	for i := range a.columns {
		c := &a.columns[i]
		switch kind := c.values.field(c.name, []int32{}).Type(); {
		case kind.Time() && times == nil:
			times = c
		case kind.Numeric():
			numbers = append(numbers, c)
		case kind == data.FieldTypeString || kind == data.FieldTypeNullableString:
			labels, n.groupBy = append(labels, c), append(n.groupBy, c.name)
		}
	}
	n.metrics = len(numbers)
	if times == nil {
		return nil, &query.RequestError{Param: "expr", Message: "the statement gives no column of times, which a time series needs: select one, or choose the format table", Example: "SELECT $__timeInterval(time) AS time, count() AS executions FROM executions WHERE $__timeFilter(time) GROUP BY time ORDER BY time"}
	}
	if err := inOrder(times); err != nil {
		return nil, err
	}
	groups := a.groups(labels)
	if len(groups)*len(numbers) > mostSQLSeries {
		return nil, &query.RequestError{Param: "expr", Message: fmt.Sprintf("the statement gives %d series, and a panel shows %d at most: group by less", len(groups)*len(numbers), mostSQLSeries)}
	}
	var frames data.Frames
	for _, number := range numbers {
		for _, g := range groups {
			at, value := times.values.field("time", g.rows), number.values.field(number.name, g.rows)
			value.Labels = g.labels
			value.Config = &data.FieldConfig{DisplayNameFromDS: n.series(value.Name, value.Labels)}
			frames = append(frames, data.NewFrame(number.name, at, value))
		}
	}
	if len(frames) == 0 {
		frames = data.Frames{data.NewFrame("")}
	}
	for _, f := range frames {
		shape(f, data.FrameTypeTimeSeriesMulti, data.VisTypeGraph)
	}
	return frames, nil
}

// mostSQLSeries is how many series a panel may have.
const mostSQLSeries = 10_000

// A sqlGroup is the rows of one combination of texts; nil are all rows.
type sqlGroup struct {
	labels data.Labels
	rows   []int32
}

func (a *sqlAnswer) groups(of []*answerColumn) []*sqlGroup {
	switch {
	case a.rows == 0:
		return nil
	case len(of) == 0:
		return []*sqlGroup{{}}
	}
	values := make([]func(row int32) string, len(of))
	for i, c := range of {
		values[i] = textOf(c.values)
	}
	var out []*sqlGroup
	known := map[string]*sqlGroup{}
	var key []byte
	for row := range int32(a.rows) { // #nosec G115 -- mostSQLRows at most
		key = key[:0]
		for _, value := range values {
			text := value(row)
			key = append(binary.AppendUvarint(key, uint64(len(text))), text...)
		}
		g, ok := known[string(key)]
		if !ok {
			g = &sqlGroup{labels: make(data.Labels, len(of))}
			for i, c := range of {
				g.labels[c.name] = values[i](row)
			}
			known[string(key)] = g
			out = append(out, g)
		}
		g.rows = append(g.rows, row)
	}
	return out
}

// textOf reads a column of texts, of which null is the empty one.
func textOf(c sqlColumn) func(row int32) string {
	switch c := c.(type) {
	case *gathered[string]:
		return func(row int32) string { return c.values[row] }
	case *gathered[*string]:
		return func(row int32) string {
			if v := c.values[row]; v != nil {
				return *v
			}
			return ""
		}
	}
	return func(int32) string { return "" } // no field of texts is anything else
}

// inOrder wants times in their order: a graph of others is a tangle.
func inOrder(c *answerColumn) error {
	switch values := c.values.(type) {
	case *gathered[time.Time]:
		if slices.IsSortedFunc(values.values, time.Time.Compare) {
			return nil
		}
	case *gathered[*time.Time]:
		if slices.Contains(values.values, nil) {
			return &query.RequestError{Param: "expr", Value: c.name, Message: "a row of the answer has no time: leave such rows out", Example: "WHERE " + c.name + " IS NOT NULL"}
		}
		if slices.IsSortedFunc(values.values, func(a, b *time.Time) int { return a.Compare(*b) }) {
			return nil
		}
	}
	return &query.RequestError{Param: "expr", Value: c.name, Message: "the rows of the answer are not in the order of their times", Example: "ORDER BY " + c.name}
}
