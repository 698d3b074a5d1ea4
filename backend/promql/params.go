package promql

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// invalid says which parameter is wrong.
func invalid(parameter string, err error) error {
	return fmt.Errorf("invalid parameter %q: %w", parameter, err)
}

// parseTime takes Unix seconds or RFC 3339. What is not within the years that
// events have is cut to them: samples there are none beyond.
func parseTime(r *http.Request, parameter string, otherwise time.Time) (time.Time, error) {
	s := r.FormValue(parameter)
	if s == "" && !otherwise.IsZero() {
		return otherwise, nil
	}
	if seconds, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(seconds) {
		seconds = max(min(seconds, float64(latest.Unix())), float64(earliest.Unix()))
		whole, fraction := math.Modf(seconds)
		return time.Unix(int64(whole), int64(math.Round(fraction*1000))*int64(time.Millisecond)).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	return time.Time{}, invalid(parameter, fmt.Errorf("cannot parse %q to a valid timestamp", s))
}

// The times of a request about series that names none.
var (
	earliest = time.Date(-9000, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// parseDuration takes seconds or a duration such as 5m.
func parseDuration(parameter, s string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		d := seconds * float64(time.Second)
		if math.IsNaN(d) || d > math.MaxInt64/2 || d < math.MinInt64/2 {
			return 0, invalid(parameter, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", s))
		}
		return time.Duration(d), nil
	}
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, invalid(parameter, fmt.Errorf("cannot parse %q to a valid duration", s))
	}
	return time.Duration(d), nil
}

func parseLimit(r *http.Request) (int, error) {
	s := r.FormValue("limit")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err == nil && n < 0 {
		err = errors.New("limit must be non-negative")
	}
	if err != nil {
		return 0, invalid("limit", err)
	}
	return n, nil
}

// errTruncated warns of an answer that the parameter limit has cut.
var errTruncated = errors.New("results truncated due to limit")

// parseMatchers reads the match[] parameters.
func (a *API) parseMatchers(r *http.Request) ([][]*labels.Matcher, error) {
	given := r.Form["match[]"]
	for _, s := range given {
		if err := a.checkText(s); err != nil {
			return nil, err
		}
	}
	sets, err := a.parser.ParseMetricSelectors(given)
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if !selective(set) {
			return nil, errors.New("match[] must contain at least one non-empty matcher")
		}
	}
	return sets, nil
}

func selective(set []*labels.Matcher) bool {
	for _, m := range set {
		if !m.Matches("") {
			return true
		}
	}
	return false
}
