package command

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// seriesFile is in the shape of the M4 competition's files: quoted names, a heading, empty
// fields at the ends.
const seriesFile = `"V1","V2","V3","V4","V5","V6","V7","V8","V9","V10","V11","V12","V13"
"W1","5","5","5","5","5","5","5","5","5","5","5","5"
"W2","1","2",,"4","5","6","7","8","9","10",,
`

func TestForecastCommand(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	series := file("series.csv", seriesFile)
	out := filepath.Join(dir, "out.csv")
	_, errs, code := flowgauge(t, "forecast", "--series", series, "--horizon", "3", "--intervals", "--output", out)
	require.Zero(t, code, errs)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3)
	require.Equal(t, []string{"id", "F1", "F2", "F3", "lower80_1"}, rows[0][:5])
	require.Len(t, rows[0], 1+5*3)
	require.Equal(t, []string{"W1", "5", "5", "5", "5", "5", "5"}, rows[1][:7])
	require.Equal(t, "W2", rows[2][0])
	next, err := strconv.ParseFloat(rows[2][1], 64)
	require.NoError(t, err)
	require.InDelta(t, 11, next, 1.5)

	t.Run("accuracy", func(t *testing.T) {
		actual := file("actual.csv", "\"V1\",\"V2\",\"V3\"\n\"W2\",\"11\",\"12\"\n\"W1\",\"5\",\"5\"\n")
		stdout, errs, code := flowgauge(t, "forecast", "--series", series, "--horizon", "2", "--actual", actual)
		require.Zero(t, code, errs)
		for _, part := range []string{"series            2\n", "sMAPE ", "MASE ", "OWA ", "coverage of 80 %  ", "Naive2            sMAPE "} {
			require.Contains(t, stdout, part)
		}
	})
	t.Run("a series too short is left out, and told", func(t *testing.T) {
		stdout, errs, code := flowgauge(t, "forecast", "--series", file("short.csv", "A,1\nB,1,2\n"), "--horizon", "1")
		require.Equal(t, 3, code)
		require.Contains(t, errs, `series "A" has fewer than two values`)
		require.True(t, strings.HasPrefix(stdout, "id,F1\nB,"), stdout)
	})
	for name, tc := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no series":  {[]string{"--horizon", "3"}, 2, "--series is missing"},
		"no horizon": {[]string{"--series", series}, 2, "--horizon is 0: give the number of steps to forecast, 1 to 10000, e.g. 30"},
		"period":     {[]string{"--series", series, "--horizon", "3", "--period", "x"}, 2, `--period is "x": give numbers of steps`},
		"no number":  {[]string{"--series", file("bad.csv", "A,1,2\nB,1,x\n"), "--horizon", "3"}, 1, `line 2: series "B", field 3 is "x": give a number such as 12.5`},
		"twice":      {[]string{"--series", file("twice.csv", "A,1,2\nA,1,3\n"), "--horizon", "3"}, 1, `line 2: the series "A" was already in line 1`},
		"empty":      {[]string{"--series", file("empty.csv", ""), "--horizon", "3"}, 1, "it has no series"},
		"no actual":  {[]string{"--series", series, "--horizon", "1", "--actual", file("one.csv", "W1,5\n")}, 1, `it has no row for the series "W2"`},
		"few actual": {[]string{"--series", series, "--horizon", "2", "--actual", file("few.csv", "W1,5\nW2,5\n")}, 1, `the series "W1" has 1 values, the horizon is 2`},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs, code := flowgauge(t, append([]string{"forecast"}, tc.args...)...)
			require.Equal(t, tc.code, code, errs)
			require.Contains(t, errs, tc.says)
		})
	}
}
