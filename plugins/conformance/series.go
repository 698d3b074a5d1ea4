package conformance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/series"
)

// maxBuckets is the most of a series that is sent.
const maxBuckets = 10_000

// A sample is a series of one sort.
type sample struct {
	name   string
	series *contract.Series
}

// sorts are series of every sort: short and long, with a pattern and without, of no values, and
// of the largest and the smallest.
func sorts() []sample {
	of := func(name string, n int, value func(t int) float64) sample {
		const hour, begin = 3_600_000, 1_767_225_600_000
		s := &contract.Series{Metric: "executions", Unit: "short", Granularity: "hour", TimeZone: "Europe/Berlin"}
		for t := range n {
			s.Times, s.Values = append(s.Times, begin+int64(t)*hour), append(s.Values, value(t))
			s.Negative = s.GetNegative() || value(t) < 0
		}
		return sample{name, s}
	}
	day := func(t int) float64 {
		return math.Round(100 - 80*math.Cos(2*math.Pi*float64(t%24)/24) + float64(t*7919%13))
	}
	always := func(v float64) func(int) float64 { return func(int) float64 { return v } }
	return []sample{
		of("with a pattern", 1000, day),
		of("of "+strconv.Itoa(maxBuckets)+" buckets", maxBuckets, day),
		of("of two buckets", 2, day),
		of("of one bucket", 1, day),
		of("of zeros", 500, always(0)),
		of("that is constant", 500, always(7)),
		of("with gaps", 500, func(t int) float64 {
			if t%5 == 1 || t > 200 && t < 260 {
				return math.NaN()
			}
			return day(t)
		}),
		of("without any value", 100, always(math.NaN())),
		of("below zero", 500, func(t int) float64 { return 50 - day(t) }),
		of("of huge values", 500, func(t int) float64 { return 1e305 * day(t) }),
		of("of tiny values", 500, func(t int) float64 { return 1e-300 * day(t) }),
		of("that jumps", 500, func(t int) float64 { return float64(t/250) * 1e6 }),
	}
}

// forecaster makes the checks of a forecaster.
func (t *tester) forecaster(ctx context.Context, p *host.Plugin) {
	t.series("forecaster", func(s *contract.Series, n int) (proto.Message, error) {
		req := &contractv1.ForecastRequest{Series: s, Seasons: []uint32{24, 168}, Levels: []float64{0.8, 0.95}}
		last := s.GetTimes()[len(s.GetTimes())-1]
		for i := range 1 + n*100 {
			req.Times = append(req.Times, last+int64(i+1)*3_600_000)
		}
		return series.Forecaster{Plugin: p}.Forecast(ctx, req)
	})
}

// detector makes the checks of a detector.
func (t *tester) detector(ctx context.Context, p *host.Plugin) {
	t.series("detector", func(s *contract.Series, n int) (proto.Message, error) {
		from := uint32(len(s.GetValues()) * (2 - n) / 2)
		return series.Detector{Plugin: p}.Detect(ctx, &contractv1.DetectRequest{Series: s, From: from, Seasons: []uint32{24, 168}, FalseAlarms: 0.01})
	})
}

// series asks about series of every sort, each in several ways: the next bucket or the next
// two hundred, none that is judged, the second half, or all.
func (t *tester) series(extension string, ask func(s *contract.Series, n int) (proto.Message, error)) {
	const ways = 3
	all := sorts()
	first := map[string]proto.Message{}
	t.check(extension+": it answers about series of every sort, or refuses those that it cannot", func() error {
		var errs []error
		for _, s := range all {
			for n := range ways {
				answer, err := ask(s.series, n)
				var refused *host.RefusedError
				if errors.As(err, &refused) && !refused.Unimplemented {
					continue
				}
				if err != nil {
					errs = append(errs, fmt.Errorf("a series %s: %w", s.name, err))
					break
				}
				first[fmt.Sprint(s.name, n)] = answer
			}
		}
		return errors.Join(errs...)
	})
	t.check(extension+": it does not refuse all of them", func() error {
		if len(first) == 0 {
			return errors.New("it has answered none")
		}
		return nil
	})
	t.check(extension+": it says the same of a series when it is asked again, four times at the same time", func() error {
		errs := make([]error, 4)
		var asking sync.WaitGroup
		for i := range errs {
			asking.Go(func() {
				for _, s := range all {
					for n := range ways {
						before, answered := first[fmt.Sprint(s.name, n)]
						if !answered {
							continue
						}
						again, err := ask(s.series, n)
						if err == nil && !proto.Equal(before, again) {
							err = errors.New("it says once one thing and once another")
						}
						if err != nil {
							errs[i] = fmt.Errorf("a series %s: %w", s.name, err)
							return
						}
					}
				}
			})
		}
		asking.Wait()
		return errors.Join(errs...)
	})
}
