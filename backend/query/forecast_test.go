package query

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
	"github.com/flowgauge/flowgauge/backend/stats/forecast"
)

// costsByDay makes costs of ann and bob with a week's pattern, none on some days, and the cents
// that each of them spent by day in a zone.
func costsByDay(from time.Time, days int, loc *time.Location) ([]event.Event, map[string]map[string]int64) {
	r := rand.New(rand.NewPCG(5, 6))
	var out []event.Event
	cents := map[string]map[string]int64{"ann": {}, "bob": {}}
	for d := range days {
		for i, user := range []string{"ann", "bob"} {
			day := from.AddDate(0, 0, d)
			if d%17 == 3 {
				continue
			}
			base := int64(100 * (10 + 5*i))
			if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
				base /= 10
			}
			for n := range 3 {
				at := day.Add(time.Duration(r.Int64N(int64(24 * time.Hour))))
				amount := base + r.Int64N(100)
				dollars, _ := event.ParseDecimal(fmt.Appendf(nil, "%d.%02d", amount/100, amount%100))
				out = append(out, event.Event{
					Kind: event.KindCost, Tenant: "acme", ID: fmt.Sprintf("%d-%s-%d", d, user, n), Time: at.UnixMilli(), PreviousTime: event.NoTime,
					UserID: user, WorkflowID: "wf", ActionType: "api", Dollars: dollars,
				})
				cents[user][at.In(loc).Format(time.DateOnly)] += amount
			}
		}
	}
	return out, cents
}

func TestForecast(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	from := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	const days = 100
	events, cents := costsByDay(from, days, loc)
	s := querytest.New(t)
	s.Insert(t, events...)
	s.Settle(t)
	now := from.AddDate(0, 0, days).Add(-5 * time.Hour) // in the last day
	e := newEngine(t, s, now, Limits{})
	base := Request{Kind: KindForecast, From: from.AddDate(0, 0, -50), To: now.AddDate(0, 0, 9), TimeZone: "Europe/Berlin"}
	viewer := access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}
	ann := base
	ann.Filters = []Filter{{"user", In, []string{"ann"}}}
	for name, tc := range map[string]struct {
		r     Request
		p     access.Principal
		users []string
	}{
		"all": {base, admin, []string{"ann", "bob"}}, "filter": {ann, admin, []string{"ann"}}, "scope": {base, viewer, []string{"ann"}},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := e.Do(t.Context(), tc.p, tc.r)
			require.NoError(t, err)
			const past = days - 1 // the day that is still running is no history, nor is what was before the first event
			require.Equal(t, past+30, res.Frame.Rows())
			for i, f := range forecastFields {
				require.Equal(t, f.Name, res.Frame.Fields[i].Name)
			}
			at := func(field, row int) float64 {
				v := res.Frame.Fields[field].At(row).(*float64)
				if v == nil {
					return math.NaN()
				}
				return *v
			}
			sum := 0.0
			for row := range res.Frame.Rows() {
				start := res.Frame.Fields[0].At(row).(time.Time)
				require.Equal(t, time.Date(2026, 1, 5+row, 0, 0, 0, 0, loc), start)
				if row >= past {
					require.True(t, math.IsNaN(at(1, row)))
					require.Empty(t, res.Exact["value"][row])
					require.True(t, at(5, row) <= at(3, row) && at(3, row) <= at(2, row) && at(2, row) <= at(4, row) && at(4, row) <= at(6, row))
					sum += at(2, row)
					continue
				}
				want := int64(0)
				for _, user := range tc.users {
					want += cents[user][start.Format(time.DateOnly)]
				}
				require.InDelta(t, float64(want)/100, at(1, row), 1e-9, start)
				require.True(t, math.IsNaN(at(2, row)))
			}
			meta := res.Meta.Forecast
			require.Equal(t, "dollars", meta.Metric)
			require.Equal(t, past, meta.History)
			require.Equal(t, []int{7}, meta.Seasons)
			require.NotEmpty(t, meta.Method)
			require.Positive(t, meta.Accuracy.Windows)
			require.InDelta(t, sum, meta.Total.Expected, 1e-6)
			require.Less(t, meta.Total.Lower95, meta.Total.Lower80)
			require.Less(t, meta.Total.Upper80, meta.Total.Upper95)
			require.Equal(t, time.Date(2026, 4, 14, 0, 0, 0, 0, loc), meta.Total.From)
			require.Equal(t, time.Date(2026, 5, 14, 0, 0, 0, 0, loc), meta.Total.To)
			require.Empty(t, res.Meta.Notices)
			// What the pattern goes on with is within reach: weekdays and weekends apart.
			weekday, weekend := at(2, past), at(2, past+4)
			require.Greater(t, weekday, 3*weekend, "Tuesday %v, Saturday %v", weekday, weekend)
		})
	}

	t.Run("other granularities and metrics", func(t *testing.T) {
		for _, g := range granularities {
			for _, m := range []string{"cost_records", "dollars_per_execution", "executions"} {
				r := base
				r.From, r.To = now.AddDate(0, 0, -60), now
				if g == "minute" || g == "15m" {
					r.From = now.AddDate(0, 0, -2)
				}
				r.Granularity, r.Params = Granularity(g), map[string]string{"metric": m, "horizon": "5"}
				res, err := e.Do(t.Context(), admin, r)
				if m != "cost_records" || g == "month" { // nothing happened, or in one whole bucket
					var wrong *RequestError
					require.ErrorAs(t, err, &wrong, g)
					require.Equal(t, "from", wrong.Param)
					require.ErrorIs(t, err, forecast.ErrTooShort)
					continue
				}
				require.NoError(t, err, g)
				rows := res.Frame.Rows()
				require.Greater(t, rows, 5, g)
				for row := range rows {
					require.Equal(t, row >= rows-5, res.Frame.Fields[2].At(row).(*float64) != nil, g)
				}
			}
		}
	})

	t.Run("history before the period", func(t *testing.T) {
		whole, err := e.Do(t.Context(), admin, base)
		require.NoError(t, err)
		for name, tc := range map[string]struct {
			from, to    time.Time
			withHistory int // of 20 days before
		}{
			"of days to come":  {now, now.AddDate(0, 0, 30), 20 - 1}, // today is not over
			"of days that are": {now.AddDate(0, 0, -20), now, 20 + 19},
			"of days far off":  {now.AddDate(0, 0, 15), now.AddDate(0, 0, 30), 20 - 1 - 15},
		} {
			r := base
			r.From, r.To, r.Params = tc.from, tc.to, map[string]string{"history": "400"}
			got, err := e.Do(t.Context(), admin, r)
			require.NoError(t, err, name)
			require.Equal(t, whole.Frame, got.Frame, name)
			r.Params["history"] = "20"
			got, err = e.Do(t.Context(), admin, r)
			require.NoError(t, err, name)
			require.Equal(t, tc.withHistory, got.Meta.Forecast.History, name)
			require.Equal(t, whole.Meta.Forecast.Total.From, got.Meta.Forecast.Total.From, name)
		}
		r := base
		r.From, r.To, r.Granularity, r.Params = now, now.AddDate(1, 0, 0), Month, map[string]string{"history": "1500", "horizon": "3"}
		got, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err, "as far back as a period may be long")
		require.Equal(t, 3, got.Meta.Forecast.History)
	})

	t.Run("too little", func(t *testing.T) {
		r := base
		r.From, r.To = from.AddDate(0, 0, 20), from.AddDate(0, 0, 25)
		res, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		require.Len(t, res.Meta.Notices, 1)
		for param, change := range map[string]func(r *Request){
			"to":             func(r *Request) { r.From, r.To = now.Add(-time.Hour), now },
			"params.history": func(r *Request) { r.Params = map[string]string{"history": "1501"} },
			"params.horizon": func(r *Request) { r.Params = map[string]string{"horizon": "0"} },
			"params.metric":  func(r *Request) { r.Params = map[string]string{"metric": "nonsense"} },
			"granularity":    func(r *Request) { r.Granularity = "fortnight" },
		} {
			r := base
			change(&r)
			_, err := e.Do(t.Context(), admin, r)
			var wrong *RequestError
			require.ErrorAs(t, err, &wrong, param)
			require.Equal(t, param, wrong.Param)
		}
	})
}
