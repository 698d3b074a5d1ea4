package command

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/stats/forecast"
)

// namedSeries is a row of a file of series.
type namedSeries struct {
	name   string
	values []float64 // NaN where one is missing
}

// readSeries reads a file with a series a row.
func readSeries(path string) ([]namedSeries, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows := csv.NewReader(f)
	rows.FieldsPerRecord = -1
	rows.ReuseRecord = true
	rows.TrimLeadingSpace = true
	var out []namedSeries
	seen := map[string]int{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		line, _ := rows.FieldPos(0)
		if len(out) == 0 && len(seen) == 0 && heading(row) {
			seen[""] = line
			continue
		}
		s, err := parseSeries(row)
		if err != nil {
			return nil, fmt.Errorf("read %s: line %d: %w", path, line, err)
		}
		if before, ok := seen[s.name]; ok {
			return nil, fmt.Errorf("read %s: line %d: the series %q was already in line %d", path, line, s.name, before)
		}
		seen[s.name] = line
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("read %s: it has no series: a row is a name and its values, e.g. \"S1\",3,5,4", path)
	}
	return out, nil
}

// heading says whether a first row names columns: it has values, and none is a number.
func heading(row []string) bool {
	for _, field := range row[1:] {
		if v, err := parseValue(field); err == nil && !math.IsNaN(v) {
			return false
		}
	}
	return len(row) > 1
}

func parseSeries(row []string) (namedSeries, error) {
	s := namedSeries{name: strings.TrimSpace(row[0])}
	if s.name == "" {
		return s, errors.New("the first field is empty: it is the series' name, e.g. S1")
	}
	for i, field := range row[1:] {
		v, err := parseValue(field)
		if err != nil {
			return s, fmt.Errorf("series %q, field %d is %q: give a number such as 12.5, or nothing where a value is missing", s.name, i+2, field)
		}
		s.values = append(s.values, v)
	}
	end := len(s.values)
	for end > 0 && math.IsNaN(s.values[end-1]) {
		end--
	}
	s.values = s.values[:end]
	return s, nil
}

func parseValue(field string) (float64, error) {
	field = strings.TrimSpace(field)
	if field == "" || strings.EqualFold(field, "NA") || strings.EqualFold(field, "NaN") {
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(field, 64)
	if err == nil && math.IsInf(v, 0) {
		err = strconv.ErrRange
	}
	return v, err
}

// readActual reads what came after each of the series.
func readActual(path string, horizon int, series []namedSeries) (map[string][]float64, error) {
	rows, err := readSeries(path)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]float64, len(rows))
	for _, r := range rows {
		out[r.name] = r.values
	}
	for _, s := range series {
		values, ok := out[s.name]
		if !ok {
			return nil, fmt.Errorf("read %s: it has no row for the series %q", path, s.name)
		}
		if len(values) != horizon {
			return nil, fmt.Errorf("read %s: the series %q has %d values, the horizon is %d: give as many as are forecast, e.g. --horizon %d", path, s.name, len(values), horizon, len(values))
		}
		for i, v := range values {
			if math.IsNaN(v) {
				return nil, fmt.Errorf("read %s: value %d of the series %q is missing: accuracy needs all that came after", path, i+1, s.name)
			}
		}
	}
	return out, nil
}

// writeForecasts writes name, forecasts and, if asked for, the bounds of each step.
func writeForecasts(w io.Writer, series []namedSeries, models []*forecast.Model, horizon int, intervals bool) error {
	out := csv.NewWriter(w)
	parts := []string{"F"}
	if intervals {
		parts = append(parts, "lower80_", "upper80_", "lower95_", "upper95_")
	}
	row := []string{"id"}
	for _, part := range parts {
		for h := range horizon {
			row = append(row, part+strconv.Itoa(h+1))
		}
	}
	if err := out.Write(row); err != nil {
		return err
	}
	for i, m := range models {
		if m == nil {
			continue
		}
		f := m.Forecast(horizon)
		row = append(row[:0], series[i].name)
		for _, values := range [][]float64{f.Point, f.Lower80, f.Upper80, f.Lower95, f.Upper95}[:len(parts)] {
			for _, v := range values {
				row = append(row, strconv.FormatFloat(v, 'g', 10, 64))
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
