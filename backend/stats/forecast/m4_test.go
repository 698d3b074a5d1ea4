package forecast

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

const m4 = "../../../../shared/data/m4"

// m4Series reads a file of the M4 competition. The other files are there where one is.
func m4Series(t *testing.T, name string) [][]float64 {
	t.Helper()
	f, err := os.Open(filepath.Join(m4, name))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the series of the M4 competition are not here: %v", err)
		}
		t.Skipf("the series of the M4 competition are not here: %v", err)
	}
	defer f.Close()
	rows := csv.NewReader(f)
	rows.FieldsPerRecord = -1
	all, err := rows.ReadAll()
	require.NoError(t, err)
	var out [][]float64
	for _, row := range all[1:] {
		var values []float64
		for _, field := range row[1:] {
			if field == "" {
				break
			}
			v, err := strconv.ParseFloat(field, 64)
			require.NoError(t, err)
			values = append(values, v)
		}
		out = append(out, values)
	}
	return out
}

// What is measured is what the competition measured: its Naive2 has the published figures,
// over all series. Of every seventh a forecast is made, which is to be better than the
// published figures of Theta and Comb, and to cover what it promises.
func TestAccuracyOnM4(t *testing.T) {
	for _, tc := range []struct {
		set                      string
		horizon, period          int
		naiveSMAPE, naiveMASE    float64
		theta, comb, aim, withIn float64
	}{
		{"Weekly", 13, 1, 9.161, 2.777, 9.093, 8.944, 8.0, 5},
		{"Hourly", 48, 24, 18.383, 2.395, 18.138, 22.053, 12.0, 5},
	} {
		t.Run(tc.set, func(t *testing.T) {
			train, test := m4Series(t, tc.set+"-train.csv"), m4Series(t, tc.set+"-test.csv")
			naive, naiveMASE := 0.0, 0.0
			for i, history := range train {
				f := Naive2(history, tc.period, tc.horizon)
				naive += SMAPE(f, test[i]) / float64(len(train))
				naiveMASE += MASE(f, test[i], history, tc.period) / float64(len(train))
			}
			require.InDelta(t, tc.naiveSMAPE, naive, 0.0005)
			require.InDelta(t, tc.naiveMASE, naiveMASE, 0.0005)

			const every = 7
			models := make([]*Model, len(train))
			var work errgroup.Group
			work.SetLimit(2)
			for i := 0; i < len(train); i += every {
				work.Go(func() (err error) {
					models[i], err = New(train[i], Options{Horizon: tc.horizon, Periods: []int{tc.period}, Find: true})
					return err
				})
			}
			require.NoError(t, work.Wait())
			smape, within80, within95, series, values := 0.0, 0.0, 0.0, 0.0, 0.0
			for i := 0; i < len(train); i += every {
				f := models[i].Forecast(tc.horizon)
				smape += SMAPE(f.Point, test[i])
				series++
				for h, v := range test[i] {
					values++
					if f.Lower80[h] <= v && v <= f.Upper80[h] {
						within80++
					}
					if f.Lower95[h] <= v && v <= f.Upper95[h] {
						within95++
					}
				}
			}
			t.Logf("%s: %.0f series, sMAPE %.3f, within 80 %%: %.1f, within 95 %%: %.1f", tc.set, series, smape/series, 100*within80/values, 100*within95/values)
			require.Less(t, smape/series, tc.theta)
			require.Less(t, smape/series, tc.comb)
			require.Less(t, smape/series, tc.aim)
			require.InDelta(t, 80, 100*within80/values, tc.withIn)
			require.InDelta(t, 95, 100*within95/values, tc.withIn)
		})
	}
}
