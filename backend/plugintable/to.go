package plugintable

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// What a table of a plugin may have at most.
const (
	MaxColumns = contract.MaxColumns
	MaxRows    = contract.MaxRows
	maxName    = 200
	maxUnit    = 50
	maxLabels  = 20
	maxText    = 16 << 10
)

var (
	earliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	latest   = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
)

// ToResult makes an answer of a table, with times in a zone. The error says what is wrong with
// the table.
func ToResult(t *contractv1.Table, in *time.Location) (*query.Result, error) {
	columns := t.GetColumns()
	if len(columns) > MaxColumns {
		return nil, fmt.Errorf("the table has %d columns, %d are allowed", len(columns), MaxColumns)
	}
	res := &query.Result{Frame: data.NewFrame(""), Exact: map[string][]string{}}
	rows := -1
	seen := map[string]bool{}
	for i, c := range columns {
		name := c.GetName()
		if err := checkName(c); err != nil {
			return nil, fmt.Errorf("column %d of the table: %w", i+1, err)
		}
		if seen[name] {
			return nil, fmt.Errorf("the table has two columns %q", name)
		}
		seen[name] = true
		n := length(c)
		switch {
		case n > MaxRows:
			return nil, fmt.Errorf("the table has %d rows, %d are allowed", n, MaxRows)
		case rows >= 0 && n != rows:
			return nil, fmt.Errorf("column %q has %d values, those before it have %d", name, n, rows)
		}
		rows = n
		nulls, err := nullRows(c, n)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", name, err)
		}
		f, exact, err := field(c, nulls, in)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", name, err)
		}
		f.Name, f.Labels = name, c.GetLabels()
		f.Config = &data.FieldConfig{Unit: c.GetUnit()}
		res.Frame.Fields = append(res.Frame.Fields, f)
		if exact != nil {
			res.Exact[name] = exact
		}
	}
	return res, nil
}

// Word is an error where a text is no line of so many characters at most.
func Word(text string, most int) error {
	switch {
	case !utf8.ValidString(text):
		return errors.New("it is not valid UTF-8")
	case utf8.RuneCountInString(text) > most:
		return fmt.Errorf("it has %d characters, %d are allowed", utf8.RuneCountInString(text), most)
	case strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("it has control characters")
	}
	return nil
}

func checkName(c *contractv1.Column) error {
	if c.GetName() == "" {
		return errors.New("it has no name")
	}
	if err := Word(c.GetName(), maxName); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if err := Word(c.GetUnit(), maxUnit); err != nil {
		return fmt.Errorf("unit: %w", err)
	}
	if n := len(c.GetLabels()); n > maxLabels {
		return fmt.Errorf("it has %d labels, %d are allowed", n, maxLabels)
	}
	for name, value := range c.GetLabels() {
		for _, text := range []string{name, value} {
			if err := Word(text, maxName); err != nil {
				return fmt.Errorf("labels: %w", err)
			}
		}
	}
	return nil
}

func length(c *contractv1.Column) int {
	return max(len(c.GetNumbers().GetValues()), len(c.GetTexts().GetValues()), len(c.GetTimes().GetValues()), len(c.GetDecimals().GetValues()))
}

// nullRows tells of each row whether it has no value.
func nullRows(c *contractv1.Column, rows int) ([]bool, error) {
	nulls := make([]bool, rows)
	last := -1
	for _, row := range c.GetNulls() {
		if int64(row) >= int64(rows) {
			return nil, fmt.Errorf("row %d is said to have no value, and there are %d rows", row, rows)
		}
		if int(row) <= last {
			return nil, fmt.Errorf("rows without a value are not in order: %d after %d", row, last)
		}
		last, nulls[row] = int(row), true
	}
	return nulls, nil
}

// field makes a field of a column. Numbers may always be absent, as in Flowgauge's own
// answers; texts and times are of the type that has all their rows.
func field(c *contractv1.Column, nulls []bool, in *time.Location) (*data.Field, []string, error) {
	switch v := c.GetValues().(type) {
	case *contractv1.Column_Texts:
		f, err := filled(v.Texts.GetValues(), nulls, len(c.GetNulls()), checkText)
		return f, nil, err
	case *contractv1.Column_Times:
		f, err := filled(v.Times.GetValues(), nulls, len(c.GetNulls()), func(ms int64) (time.Time, error) {
			if ms < earliest || ms > latest {
				return time.Time{}, fmt.Errorf("%d does not lie between 1970 and 2100, in milliseconds", ms)
			}
			return time.UnixMilli(ms).In(in), nil
		})
		return f, nil, err
	case *contractv1.Column_Decimals:
		return decimals(v.Decimals.GetValues(), nulls)
	}
	values := c.GetNumbers().GetValues()
	out := make([]*float64, len(values))
	for row, v := range values {
		switch {
		case nulls[row]:
		case !finite(v):
			return nil, nil, fmt.Errorf("row %d has the number %v: name rows without a value in nulls", row, v)
		default:
			out[row] = &v
		}
	}
	return data.NewField("", nil, out), nil, nil
}

func checkText(text string) (string, error) {
	switch {
	case len(text) > maxText:
		return "", fmt.Errorf("a text has %d bytes, %d are allowed", len(text), maxText)
	case !utf8.ValidString(text):
		return "", errors.New("a text is not valid UTF-8")
	}
	return text, nil
}

// filled makes a field of values, of pointers where some are absent.
func filled[In, Out any](values []In, nulls []bool, absent int, as func(In) (Out, error)) (*data.Field, error) {
	all, some := make([]Out, len(values)), make([]*Out, len(values))
	for row, v := range values {
		if nulls[row] {
			continue
		}
		var err error
		if all[row], err = as(v); err != nil {
			return nil, fmt.Errorf("row %d: %w", row, err)
		}
		some[row] = &all[row]
	}
	if absent > 0 {
		return data.NewField("", nil, some), nil
	}
	return data.NewField("", nil, all), nil
}

func decimals(values []string, nulls []bool) (*data.Field, []string, error) {
	out, exact := make([]*float64, len(values)), make([]string, len(values))
	for row, text := range values {
		if nulls[row] {
			continue
		}
		d, err := event.ParseDecimal([]byte(text))
		if err != nil {
			return nil, nil, fmt.Errorf("row %d: %q is no amount: %w", row, query.Shortened(text), err)
		}
		v := d.Float64()
		out[row], exact[row] = &v, d.String()
	}
	return data.NewField("", nil, out), exact, nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
