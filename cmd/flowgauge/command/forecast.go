package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/stats/forecast"
	"github.com/flowgauge/flowgauge/collector/client/progress"
)

func newForecast() *cobra.Command {
	var file, actual, output, period string
	var horizon int
	var intervals bool
	cmd := &cobra.Command{
		Use:   "forecast",
		Short: "Forecast series of a CSV file, or measure how right forecasts of them are",
		Long: `Forecasts each series of a CSV file: a row is its name and its values, oldest first; an empty field is a
missing value, and empty fields at the end are none. A first row whose values are no numbers is a heading. Written is
CSV too, a row for each series: its name and the forecasts of the next steps.

For each series several methods forecast its own past; those that were right there are combined. With --actual,
a file of the same shape that has what came after, the accuracy is written instead, as the M4
competition measures it.`,
		Example: `  flowgauge forecast --series daily.csv --horizon 30 --period 7 --output forecasts.csv
  flowgauge forecast --series hourly.csv --horizon 48 --period 24,168 --intervals
  flowgauge forecast --series weekly-train.csv --horizon 13 --period 52 --actual weekly-test.csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			o := forecast.Options{Horizon: horizon}
			if o.Periods, err = parsePeriods(period); err != nil {
				return err
			}
			o.Find = len(o.Periods) == 1
			if file == "" {
				return usageError{errors.New("--series is missing: name the CSV file with the series, e.g. --series daily.csv")}
			}
			if horizon < 1 || horizon > forecast.MaxHorizon {
				return usageError{fmt.Errorf("--horizon is %d: give the number of steps to forecast, 1 to %d, e.g. 30", horizon, forecast.MaxHorizon)}
			}
			series, err := readSeries(file)
			if err != nil {
				return err
			}
			var truth map[string][]float64
			if actual != "" {
				if truth, err = readActual(actual, horizon, series); err != nil {
					return err
				}
			}
			models, err := forecastAll(cmd.Context(), cmd.ErrOrStderr(), series, o)
			if err != nil {
				return err
			}
			err = toOutput(cmd, output, func(w io.Writer) error {
				if truth != nil {
					return writeAccuracy(w, series, models, truth, o)
				}
				return writeForecasts(w, series, models, horizon, intervals)
			})
			if err != nil {
				return err
			}
			return reportUnforecast(cmd.ErrOrStderr(), series, models)
		},
	}
	cmd.Flags().StringVar(&file, "series", "", "CSV file with one series a row")
	cmd.Flags().IntVar(&horizon, "horizon", 0, "how many steps to forecast")
	cmd.Flags().StringVar(&period, "period", "1", "steps after which the pattern repeats, e.g. 7 for days with a week's; several with commas; 1 for none")
	cmd.Flags().BoolVar(&intervals, "intervals", false, "also write the bounds of the 80 % and the 95 % interval, behind the forecasts")
	cmd.Flags().StringVar(&actual, "actual", "", "CSV file with what came after: write the accuracy instead of the forecasts")
	cmd.Flags().StringVarP(&output, "output", "o", "-", "file; '-' is standard output")
	return cmd
}

func parsePeriods(text string) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		p, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || p < 1 || p > forecast.MaxPeriod {
			return nil, usageError{fmt.Errorf("--period is %q: give numbers of steps, 1 to %d, e.g. 7 or 24,168", text, forecast.MaxPeriod)}
		}
		out = append(out, p)
	}
	return out, nil
}

// forecastAll forecasts on all processors. A series that is too short has no model.
func forecastAll(ctx context.Context, w io.Writer, series []namedSeries, o forecast.Options) ([]*forecast.Model, error) {
	meter := progress.New(w, "forecast", 0, int64(len(series)))
	defer meter.Close()
	models := make([]*forecast.Model, len(series))
	var done atomic.Int64
	work, inner := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i := range series {
		if inner.Err() != nil {
			break
		}
		work.Go(func() error {
			if err := inner.Err(); err != nil {
				return err
			}
			m, err := forecast.New(series[i].values, o)
			if err != nil && !errors.Is(err, forecast.ErrTooShort) {
				return fmt.Errorf("forecast series %q: %w", series[i].name, err)
			}
			models[i] = m
			meter.Set(done.Add(1), 1)
			return nil
		})
	}
	err := work.Wait()
	if err == nil {
		err = ctx.Err()
	}
	if errors.Is(err, context.Canceled) {
		return nil, fmt.Errorf("interrupted after %d of %d series: nothing was written", done.Load(), len(series))
	}
	return models, err
}

// toOutput writes to a file or, for "-", to standard output.
func toOutput(cmd *cobra.Command, path string, write func(io.Writer) error) (err error) {
	if path == "" || path == "-" {
		return write(cmd.OutOrStdout())
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	return write(f)
}

// reportUnforecast names the series that have no forecast, and fails if there are any.
func reportUnforecast(w io.Writer, series []namedSeries, models []*forecast.Model) error {
	missing := 0
	for i, m := range models {
		if m == nil {
			missing++
			fmt.Fprintf(w, "flowgauge: series %q has fewer than two values and was left out\n", series[i].name)
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d series: %w", missing, len(series), errRejected)
	}
	return nil
}
