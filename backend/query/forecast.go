package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/stats/forecast"
)

// KindForecast is how a metric goes on.
const KindForecast Kind = "forecast"

// MaxForecast is the most buckets that are forecast at once.
const MaxForecast = 1000

// maxBefore is as much history as a forecast rests on.
const maxBefore = 1500

var forecastParams = []ParamInfo{
	{Name: "metric", Description: "The metric of the catalogue that is forecast.", Default: "dollars", Example: "executions"},
	{Name: "history", Description: "How many buckets before the period are history too, up to 1500. The period may lie in the future then: a panel shows what is to come only as far as its period goes.", Default: "0", Example: "90"},
	{Name: "horizon", Description: "How many buckets are forecast, 1 to 1000.", Default: "30", Example: "14"},
	{Name: "forecaster", Description: "Who forecasts: builtin is Flowgauge itself, another a plugin.", Default: Builtin, Example: Builtin},
}

var forecastFields = []FieldInfo{
	{"time", "", "The bucket's start."},
	{"value", "", "What was; none in the buckets to come."},
	{"forecast", "", "What is expected; none in the buckets that were."},
	{"lower_80", "", "With the upper bound, where the value lies four times in five."},
	{"upper_80", "", "With the lower bound, where the value lies four times in five."},
	{"lower_95", "", "With the upper bound, where the value lies 19 times in 20."},
	{"upper_95", "", "With the lower bound, where the value lies 19 times in 20."},
}

var forecastShape = shape{
	KindInfo: KindInfo{
		Kind: KindForecast, Title: "Forecast",
		Description: "How a metric goes on behind the period, or from now on if that is earlier, by day or another granularity. The methods were chosen by how right they were on the period itself, unless a plugin forecasts; meta.forecast tells which, how wrong they were there, and the sum of what is to come. A bucket that is not over, or not wholly in the period, is not part of the history, nor are those before the first that has data; else a bucket without data is 0 where the metric is a sum.",
		Uses:        []string{"granularity", "filters"},
		Params:      forecastParams,
		Fields:      forecastFields,
	},
	answer: (*Engine).forecast,
}

// ForecastMeta says what a forecast rests on.
type ForecastMeta struct {
	Metric string `json:"metric"`
	// Forecaster is who was asked: builtin, or the id of a plugin.
	Forecaster string `json:"forecaster"`
	Method     string `json:"method"`
	History    int    `json:"history"` // buckets that were looked at
	Seasons    []int  `json:"seasons"` // lengths in buckets of the patterns that were reckoned with
	// Accuracy is how right the method was on the history; its windows are how often it was tried.
	Accuracy forecast.Accuracy `json:"accuracy"`
	// Total is the sum of all buckets forecast, of a metric that sums up. Its intervals come
	// from past errors of such sums and are narrower than the sums of the bounds.
	Total *ForecastTotal `json:"total,omitempty"`
}

// ForecastTotal is the sum of what is to come.
type ForecastTotal struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Expected float64   `json:"expected"`
	Lower80  float64   `json:"lower80"`
	Upper80  float64   `json:"upper80"`
	Lower95  float64   `json:"lower95"`
	Upper95  float64   `json:"upper95"`
}

// forecastSeasons are the patterns to be expected at a granularity. Longer ones are found
// where the history shows them.
var forecastSeasons = map[Granularity][]int{
	Minute: {60}, Quarter: {96, 672}, Hour: {24, 168}, Day: {7}, Week: {52}, Month: {12},
}

func (e *Engine) forecast(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	horizon, err := wholeParam(forecastParams, &r, "horizon", 1, MaxForecast)
	if err != nil {
		return nil, err
	}
	before, err := wholeParam(forecastParams, &r, "history", 0, maxBefore)
	if err != nil {
		return nil, err
	}
	ask := r
	name := paramOf(forecastParams, &r, "metric")
	m, ok := metric.Lookup(name)
	if !ok {
		return nil, requestError("params.metric", name, "no such metric", "dollars", metric.Names()...)
	}
	ask.Kind, ask.Params, ask.Metrics = KindMetrics, nil, []string{name}
	if ask.Granularity == Whole {
		ask.Granularity = Day
	}
	q, err := e.check(p, ask)
	if err != nil {
		return nil, err
	}
	by := cmp.Or(paramOf(forecastParams, &r, "forecaster"), Builtin)
	if _, err := e.forecasters.named(ctx, "params.forecaster", by); err != nil {
		return nil, err
	}
	h := q.history(before, horizon, e.limits)
	if len(h.past) == 0 {
		return nil, requestError("to", r.To.Format(time.RFC3339), "the period has no whole "+string(ask.Granularity)+" that is over: begin earlier", "")
	}
	ask.From, ask.To = h.at(h.past[0]), h.at(h.future[0])
	figures, err := e.figures(ctx, p, ask)
	if err != nil {
		return nil, err
	}
	h.fill(figures, m)
	model, err := e.forecasters.Model(ctx, "params.forecaster", by, h.series(m), h.times(h.future), forecast.Options{
		Horizon: horizon, Periods: forecastSeasons[ask.Granularity], Find: ask.Granularity == Day,
	})
	if errors.Is(err, forecast.ErrTooShort) {
		return nil, &RequestError{
			Param: "from", Value: r.From.Format(time.RFC3339), Cause: err,
			Message: "the period has data of fewer than two buckets, too few to forecast from: begin earlier, or take a finer granularity",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("forecast %s: %w", name, err)
	}
	res := h.frame(m, model)
	res.Meta = figures.Meta
	res.Meta.Forecast = h.meta(m, model)
	res.Meta.Forecast.Forecaster = by
	if model.Accuracy().Windows < forecast.Fewest {
		res.Meta.Notices = append(res.Meta.Notices, "the history is too short for the method and its intervals to have been tried on it: they are guesses")
	}
	return res, nil
}
