package conformance

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// tables are answers to questions, with so many rows each.
func tables(questions []query.Request, rows int, mark string) []*contractv1.Table {
	all := make([]*contractv1.Table, len(questions))
	for i, r := range questions {
		all[i] = table(r, rows, mark)
	}
	return all
}

// empty are answers without columns.
func empty(questions []query.Request) []*contractv1.Table {
	all := make([]*contractv1.Table, len(questions))
	for i := range all {
		all[i] = &contractv1.Table{}
	}
	return all
}

// blank takes the values out of every nth row.
func blank(of []*contractv1.Table, nth int) []*contractv1.Table {
	all := make([]*contractv1.Table, len(of))
	for i, t := range of {
		all[i] = proto.Clone(t).(*contractv1.Table)
		for _, c := range all[i].GetColumns() {
			if c.GetTimes() != nil || c.GetTexts() != nil {
				continue // answers have these in all rows
			}
			for row := 0; row < length(c); row += nth {
				c.Nulls = append(c.Nulls, uint32(row))
			}
		}
	}
	return all
}

func length(c *contractv1.Column) int {
	return max(len(c.GetNumbers().GetValues()), len(c.GetDecimals().GetValues()))
}

func table(r query.Request, rows int, mark string) *contractv1.Table {
	t := &contractv1.Table{}
	if r.Kind != "" && r.Kind != query.KindMetrics {
		at := slices.IndexFunc(query.Kinds(), func(k query.KindInfo) bool { return k.Kind == r.Kind })
		for _, f := range query.Kinds()[at].Fields {
			t.Columns = append(t.Columns, described(f, rows, mark))
		}
		return t
	}
	if r.Granularity != query.Whole {
		t.Columns = append(t.Columns, timesOf("time", rows))
	}
	for _, name := range r.GroupBy {
		t.Columns = append(t.Columns, textsOf(name, rows, mark))
	}
	suffixes := []string{""}
	if r.Compare != query.NoCompare {
		suffixes = append(suffixes, "_previous")
	}
	for _, suffix := range suffixes {
		for _, name := range r.Metrics {
			m, _ := metric.Lookup(name)
			if m != nil && m.Exact {
				t.Columns = append(t.Columns, decimalsOf(name+suffix, rows))
				continue
			}
			c := numbersOf(name+suffix, rows)
			if m != nil {
				c.Unit = m.Unit
			}
			t.Columns = append(t.Columns, c)
		}
	}
	return t
}

// described is a field of a kind. What has a unit is a number; of times the name says so.
func described(f query.FieldInfo, rows int, mark string) *contractv1.Column {
	c := textsOf(f.Name, rows, mark)
	switch {
	case f.Name == "time" || f.Name == "start" || f.Name == "end":
		c = timesOf(f.Name, rows)
	case f.Unit != "":
		c = numbersOf(f.Name, rows)
	}
	c.Unit = f.Unit
	return c
}

func timesOf(name string, rows int) *contractv1.Column {
	values := make([]int64, rows)
	for row := range values {
		values[row] = 1_767_225_600_000 + int64(row)*1000
	}
	return &contractv1.Column{Name: name, Values: &contractv1.Column_Times{Times: &contractv1.Times{Values: values}}}
}

func textsOf(name string, rows int, mark string) *contractv1.Column {
	values := make([]string, rows)
	for row := range values {
		values[row] = fmt.Sprintf("%s %d", mark, row)
	}
	if rows > 0 {
		values[0] = "" // of what has none
	}
	return &contractv1.Column{Name: name, Values: &contractv1.Column_Texts{Texts: &contractv1.Texts{Values: values}}}
}

func numbersOf(name string, rows int) *contractv1.Column {
	values := make([]float64, rows)
	for row := range values {
		values[row] = float64(row * row % 1000)
	}
	return &contractv1.Column{Name: name, Values: &contractv1.Column_Numbers{Numbers: &contractv1.Numbers{Values: values}}}
}

func decimalsOf(name string, rows int) *contractv1.Column {
	values := make([]string, rows)
	for row := range values {
		values[row] = fmt.Sprintf("%d.%03d", row%1000, row%997)
	}
	return &contractv1.Column{Name: name, Values: &contractv1.Column_Decimals{Decimals: &contractv1.Decimals{Values: values}}}
}
