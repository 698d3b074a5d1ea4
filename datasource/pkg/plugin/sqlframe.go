package plugin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

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
	kind   proto.ColumnType
	block  proto.ColResult
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
			c, err := columnOf(name, kind)
			if err != nil {
				return err
			}
			a.columns = append(a.columns, c)
		}
		column := a.columns[i].block
		column.Reset()
		if b.Rows == 0 {
			continue
		}
		if err := stateOf(column, r); err != nil {
			return fmt.Errorf("read column %s: %w", name, err)
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
	if n > 0 {
		for _, c := range a.columns {
			switch err := c.values.add(n); {
			case errors.Is(err, errOutside):
				return &query.RequestError{Param: "expr", Value: c.name, Message: "the column has a time that is not between 1678 and 2261, which cannot be shown: leave it out, or cast it", Example: "toString(" + c.name + ")"}
			case err != nil:
				return err
			}
		}
	}
	a.rows += n
	if n < rows {
		return errEnough
	}
	return nil
}

func (a *sqlAnswer) frames(m model) ([]*arrowFrame, error) {
	var frames []*arrowFrame
	if m.Format == formatTimeSeries && len(a.columns) > 0 {
		var err error
		if frames, err = a.series(m.Alias); err != nil {
			return nil, err
		}
	} else {
		table := &arrowFrame{head: data.NewFrame(""), length: a.rows}
		for _, c := range a.columns {
			table.head.Fields = append(table.head.Fields, fieldOf(c.name, c.values))
			table.columns = append(table.columns, c.values)
		}
		shape(table.head, tableType(table.head), data.VisTypeTable)
		frames = []*arrowFrame{table}
	}
	meta := frames[0].head.Meta
	meta.ExecutedQueryString = a.statement
	meta.Stats = []data.QueryStat{stat("Rows read", "short", float64(a.read))}
	if a.truncated {
		meta.Notices = append(meta.Notices, data.Notice{Severity: data.NoticeSeverityWarning, Text: fmt.Sprintf("The statement has more rows than the %d that are shown: group them, or narrow the period.", mostSQLRows)})
	}
	return frames, nil
}

func fieldOf(name string, values sqlColumn) *data.Field {
	f := data.NewFieldFromFieldType(values.kind(), 0)
	f.Name = name
	return f
}

// series are of the first column of times: one for each column of numbers and each
// combination of texts.
func (a *sqlAnswer) series(alias string) ([]*arrowFrame, error) {
	var times *fixed[int64]
	var timesName string
	var labels []label
	var numbers []*answerColumn
	n := namer{alias: alias}
	for i := range a.columns {
		c := &a.columns[i]
		switch kind := c.values.kind(); {
		case kind.Time() && times == nil:
			times, timesName = c.values.(*fixed[int64]), c.name
		case kind.Numeric():
			numbers = append(numbers, c)
		case kind == data.FieldTypeString || kind == data.FieldTypeNullableString:
			labels, n.groupBy = append(labels, label{c.name, c.values.(*texts)}), append(n.groupBy, c.name)
		}
	}
	n.metrics = len(numbers)
	if times == nil {
		return nil, &query.RequestError{Param: "expr", Message: "the statement gives no column of times, which a time series needs: select one, or choose the format table", Example: "SELECT $__timeInterval(time) AS time, count() AS executions FROM executions WHERE $__timeFilter(time) GROUP BY time ORDER BY time"}
	}
	if err := inOrder(timesName, times); err != nil {
		return nil, err
	}
	groups := a.groups(labels)
	if len(groups)*len(numbers) > mostSQLSeries {
		return nil, &query.RequestError{Param: "expr", Message: fmt.Sprintf("the statement gives %d series, and a panel shows %d at most: group by less", len(groups)*len(numbers), mostSQLSeries)}
	}
	var frames []*arrowFrame
	for _, number := range numbers {
		for _, g := range groups {
			value := fieldOf(number.name, number.values)
			value.Labels = g.labels
			value.Config = &data.FieldConfig{DisplayNameFromDS: n.series(value.Name, value.Labels)}
			frames = append(frames, &arrowFrame{
				head:    data.NewFrame(number.name, fieldOf("time", times), value),
				columns: []sqlColumn{times, number.values}, rows: g.rows, length: len(g.rows),
			})
			if g.rows == nil {
				frames[len(frames)-1].length = a.rows
			}
		}
	}
	if len(frames) == 0 {
		frames = []*arrowFrame{{head: data.NewFrame("")}}
	}
	for _, f := range frames {
		shape(f.head, data.FrameTypeTimeSeriesMulti, data.VisTypeGraph)
	}
	return frames, nil
}

// mostSQLSeries is how many series a panel may have.
const mostSQLSeries = 10_000

// A label is a column of texts that tell series apart.
type label struct {
	name   string
	values *texts
}

// A sqlGroup is the rows of one combination of texts; nil are all rows.
type sqlGroup struct {
	labels data.Labels
	rows   []int32
	first  int32
	size   int
	next   *sqlGroup // of the row after the last one here
}

func (a *sqlAnswer) groups(of []label) []*sqlGroup {
	switch {
	case a.rows == 0:
		return nil
	case len(of) == 0:
		return []*sqlGroup{{}}
	}
	var out []*sqlGroup
	known := map[string]*sqlGroup{}
	member := make([]*sqlGroup, a.rows)
	var key []byte
	last := &sqlGroup{}
	for row := range int32(a.rows) {
		// At each time there are the same series, mostly in the same order.
		g := last.next
		if g == nil || !sameTexts(of, row, g.first) {
			key = key[:0]
			for _, l := range of {
				text := l.values.row(row)
				key = append(binary.AppendUvarint(key, uint64(len(text))), text...)
			}
			if g = known[string(key)]; g == nil {
				g = &sqlGroup{labels: make(data.Labels, len(of)), first: row}
				for _, l := range of {
					g.labels[l.name] = string(l.values.row(row))
				}
				known[string(key)] = g
				out = append(out, g)
			}
			last.next = g
		}
		g.size++
		member[row], last = g, g
	}
	all := make([]int32, a.rows)
	for _, g := range out {
		g.rows, all = all[:0:g.size], all[g.size:]
	}
	for row, g := range member {
		g.rows = append(g.rows, int32(row))
	}
	return out
}

func sameTexts(of []label, row, other int32) bool {
	for _, l := range of {
		if !bytes.Equal(l.values.row(row), l.values.row(other)) {
			return false
		}
	}
	return true
}

// inOrder wants times in their order: a graph of others is a tangle.
func inOrder(name string, times *fixed[int64]) error {
	switch {
	case slices.Contains(times.nulls, 1):
		return &query.RequestError{Param: "expr", Value: name, Message: "a row of the answer has no time: leave such rows out", Example: "WHERE " + name + " IS NOT NULL"}
	case !slices.IsSorted(times.values):
		return &query.RequestError{Param: "expr", Value: name, Message: "the rows of the answer are not in the order of their times", Example: "ORDER BY " + name}
	}
	return nil
}
