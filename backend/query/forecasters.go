package query

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/stats/forecast"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// Builtin is the name of Flowgauge's own forecaster and detector.
const Builtin = "builtin"

const (
	// MaxSeries is the most buckets that a plugin is given. The oldest are left out.
	MaxSeries = 10_000
	// atOnce is how many questions a plugin gets at the same time for one answer.
	atOnce = 4
)

// Forecaster says how series go on: the contract's extension of that name. Its answers are
// known to be sound.
type Forecaster interface {
	Forecast(ctx context.Context, req *contractv1.ForecastRequest) (*contractv1.ForecastResponse, error)
}

// Forecasters tells which there are now beside Flowgauge's own, by the names that questions and
// budgets call them by; nil: there are none.
type Forecasters func(ctx context.Context) (map[string]Forecaster, error)

// Fixed are Forecasters or Detectors that stay the same.
func Fixed[T any](all map[string]T) func(context.Context) (map[string]T, error) {
	return func(context.Context) (map[string]T, error) { return all, nil }
}

// Names are all that may be asked for, as far as that is known now.
func (f Forecasters) Names(ctx context.Context) []string { return names(ctx, f) }

// names lists Flowgauge's own first, which is there even when others cannot be known.
func names[T any](ctx context.Context, others func(context.Context) (map[string]T, error)) []string {
	var known map[string]T
	if others != nil {
		known, _ = others(ctx) // why there may be more is told to who names one
	}
	return append([]string{Builtin}, slices.Sorted(maps.Keys(known))...)
}

// lookup finds what is not Flowgauge's own. Param says where the name was given.
func lookup[T any](ctx context.Context, others func(context.Context) (map[string]T, error), what, param, name string) (by T, err error) {
	var known map[string]T
	if others != nil {
		if known, err = others(ctx); err != nil {
			return by, err
		}
	}
	by, ok := known[name]
	if !ok {
		return by, requestError(param, name, "the process that answers has no such "+what, Builtin, names(ctx, Fixed(known))...)
	}
	return by, nil
}

// refusal is an answer to a question that cannot be asked so, as plugins/host has it.
type refusal interface{ Refusal() string }

// Model asks how a series goes on in the buckets that begin at the times to come. An empty
// name is Flowgauge's own. Param says where the name was given.
func (f Forecasters) Model(ctx context.Context, param, name string, s *contractv1.Series, future []int64, o forecast.Options) (*forecast.Model, error) {
	by, err := f.named(ctx, param, name)
	if err != nil {
		return nil, err
	}
	m, err := by.model(ctx, s, future, o)
	var no refusal
	if errors.As(err, &no) {
		return nil, requestError(param, name, "the forecaster cannot forecast this: "+Shortened(no.Refusal()), "", f.Names(ctx)...)
	}
	return m, err
}

// modeller makes the models of forecasts.
type modeller interface {
	model(ctx context.Context, s *contractv1.Series, future []int64, o forecast.Options) (*forecast.Model, error)
}

func (f Forecasters) named(ctx context.Context, param, name string) (modeller, error) {
	if name == "" || name == Builtin {
		return ownForecaster{}, nil
	}
	by, err := lookup(ctx, f, "forecaster", param, name)
	if err != nil {
		return nil, err
	}
	return tried{by}, nil
}

// ownForecaster is Flowgauge's, which tries its methods on the past to choose among them.
type ownForecaster struct{}

func (ownForecaster) model(_ context.Context, s *contractv1.Series, _ []int64, o forecast.Options) (*forecast.Model, error) {
	return forecast.New(s.GetValues(), o)
}

// tried is another's, which is asked about the past as well.
type tried struct{ of Forecaster }

// levels are those of the intervals.
var levels = []float64{0.8, 0.95}

func (t tried) model(ctx context.Context, s *contractv1.Series, future []int64, o forecast.Options) (*forecast.Model, error) {
	if known := slices.DeleteFunc(slices.Clone(s.GetValues()), math.IsNaN); len(known) < 2 {
		return nil, forecast.ErrTooShort
	}
	begin := slices.IndexFunc(s.GetValues(), func(v float64) bool { return !math.IsNaN(v) })
	begin = max(begin, len(s.GetValues())-MaxSeries)
	values, times := s.GetValues()[begin:], slices.Concat(s.GetTimes()[begin:], future)
	ask := func(ctx context.Context, known, steps int) (*contractv1.ForecastResponse, error) {
		req := &contractv1.ForecastRequest{
			Series: &contractv1.Series{
				Metric: s.GetMetric(), Unit: s.GetUnit(), Granularity: s.GetGranularity(), TimeZone: s.GetTimeZone(), Negative: s.GetNegative(),
				Times: times[:known], Values: values[:known],
			},
			Times: times[known : known+steps], Levels: levels,
		}
		for _, period := range o.Periods {
			req.Seasons = append(req.Seasons, uint32(period))
		}
		return t.of.Forecast(ctx, req)
	}
	now, err := ask(ctx, len(values), o.Horizon)
	if err != nil {
		return nil, err
	}
	another := forecast.Another{Method: now.GetMethod(), Forecast: laid(now.GetValues(), now.GetIntervals())}
	if len(now.GetTotal()) > 0 {
		total := laid(nil, now.GetTotal())
		another.Total = &total
	}
	another.Past = func(known []int, steps int) ([]forecast.Forecast, error) {
		out := make([]forecast.Forecast, len(known))
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(atOnce)
		for i, n := range known {
			group.Go(func() error {
				past, err := ask(ctx, n, steps)
				var no refusal
				if errors.As(err, &no) { // so little was known that it could not have said
					return nil
				}
				if err == nil {
					out[i] = laid(past.GetValues(), past.GetIntervals())
				}
				return err
			})
		}
		return out, group.Wait()
	}
	return forecast.Try(values, o, another)
}

// laid puts intervals in their places.
func laid(values []float64, intervals []*contractv1.Interval) forecast.Forecast {
	f := forecast.Forecast{Point: values}
	for _, i := range intervals {
		switch i.GetLevel() {
		case levels[0]:
			f.Lower80, f.Upper80 = i.GetLower(), i.GetUpper()
		case levels[1]:
			f.Lower95, f.Upper95 = i.GetLower(), i.GetUpper()
		}
	}
	return f
}
