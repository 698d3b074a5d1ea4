// Package sound says whether answers about series keep the contract. It needs no plugins, so
// that the Grafana plugin can look at what a server tells it.
package sound

import (
	"errors"
	"fmt"
	"math"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// The longest texts of an answer, in bytes.
const (
	maxMethod = 200
	maxReason = 500
)

// Forecast wants a value for each bucket, and an interval about it for each level.
func Forecast(req *contractv1.ForecastRequest, res *contractv1.ForecastResponse) error {
	values, least := res.GetValues(), math.Inf(-1)
	if !req.GetSeries().GetNegative() {
		least = 0
	}
	if len(values) != len(req.GetTimes()) {
		return fmt.Errorf("values: there are %d, for %d buckets", len(values), len(req.GetTimes()))
	}
	sum := 0.0
	for i, v := range values {
		if err := sound(v, least); err != nil {
			return fmt.Errorf("values[%d]: %w", i, err)
		}
		sum += v
	}
	if err := checkIntervals(req.GetLevels(), res.GetIntervals(), values, least); err != nil {
		return fmt.Errorf("intervals: %w", err)
	}
	if len(res.GetTotal()) > 0 {
		if err := checkIntervals(req.GetLevels(), res.GetTotal(), []float64{sum}, least); err != nil {
			return fmt.Errorf("total: %w", err)
		}
	}
	return checkText("method", res.GetMethod(), maxMethod)
}

func checkIntervals(levels []float64, got []*contractv1.Interval, about []float64, least float64) error {
	if len(got) != len(levels) {
		return fmt.Errorf("there are %d, for the levels %v", len(got), levels)
	}
	for _, level := range levels {
		i, err := ofLevel(got, level)
		if err != nil {
			return err
		}
		if len(i.GetLower()) != len(about) || len(i.GetUpper()) != len(about) {
			return fmt.Errorf("that of level %v has %d lower and %d upper bounds, want %d", level, len(i.GetLower()), len(i.GetUpper()), len(about))
		}
		for n, value := range about {
			lower, upper := i.GetLower()[n], i.GetUpper()[n]
			if err := errors.Join(sound(lower, least), sound(upper, least)); err != nil {
				return fmt.Errorf("that of level %v, at %d: %w", level, n, err)
			}
			if !between(lower, value, upper) {
				return fmt.Errorf("that of level %v, at %d, is %v to %v, and %v is expected", level, n, lower, upper, value)
			}
		}
	}
	return nil
}

func ofLevel(all []*contractv1.Interval, level float64) (*contractv1.Interval, error) {
	for _, i := range all {
		if i.GetLevel() == level { // it comes back as it was sent
			return i, nil
		}
	}
	return nil, fmt.Errorf("there is none of level %v", level)
}

// between leaves room for what adding up in another order makes of a sum.
func between(lower, value, upper float64) bool {
	room := 1e-9 * math.Abs(value)
	return lower <= upper && lower-room <= value && value <= upper+room
}

func sound(v, least float64) error {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return fmt.Errorf("%v is no finite number", v)
	case v < least:
		return fmt.Errorf("%v is less than 0, which the series never was", v)
	}
	return nil
}

func checkText(name, text string, most int) error {
	if len(text) > most {
		return fmt.Errorf("%s: it has %d bytes, at most %d are allowed", name, len(text), most)
	}
	return nil
}

// Anomalies wants judgements of buckets that were to be judged, each once and in order.
func Anomalies(req *contractv1.DetectRequest, res *contractv1.DetectResponse) error {
	values, next := req.GetSeries().GetValues(), req.GetFrom()
	for i, a := range res.GetAnomalies() {
		index := a.GetIndex()
		switch {
		case uint64(index) >= uint64(len(values)):
			return fmt.Errorf("anomalies[%d]: there is no bucket %d, the last is %d", i, index, len(values)-1)
		case index < req.GetFrom():
			return fmt.Errorf("anomalies[%d]: bucket %d is there to learn from, those from %d on are to be judged", i, index, req.GetFrom())
		case index < next:
			return fmt.Errorf("anomalies[%d]: bucket %d is out of order, or named twice", i, index)
		case math.IsNaN(values[index]):
			return fmt.Errorf("anomalies[%d]: bucket %d has no value that could be judged", i, index)
		}
		next = index + 1
		for _, n := range []struct {
			name string
			v    float64
		}{{"expected", a.GetExpected()}, {"lower", a.GetLower()}, {"upper", a.GetUpper()}, {"score", a.GetScore()}} {
			if err := sound(n.v, math.Inf(-1)); err != nil {
				return fmt.Errorf("anomalies[%d].%s: %w", i, n.name, err)
			}
		}
		if a.GetLower() > a.GetUpper() {
			return fmt.Errorf("anomalies[%d]: what is usual is %v to %v", i, a.GetLower(), a.GetUpper())
		}
		if a.GetScore() < 0 {
			return fmt.Errorf("anomalies[%d].score: %v is less than 0", i, a.GetScore())
		}
		if err := checkText(fmt.Sprintf("anomalies[%d].reason", i), a.GetReason(), maxReason); err != nil {
			return err
		}
	}
	return checkText("method", res.GetMethod(), maxMethod)
}
