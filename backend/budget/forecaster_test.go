package budget

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// double expects twice what the last bucket had.
type double struct{ err error }

func (d *double) Forecast(_ context.Context, req *contractv1.ForecastRequest) (*contractv1.ForecastResponse, error) {
	values := req.GetSeries().GetValues()
	res := &contractv1.ForecastResponse{Method: "twice the last"}
	for range req.GetTimes() {
		res.Values = append(res.Values, 2*values[len(values)-1])
	}
	for _, level := range req.GetLevels() {
		res.Intervals = append(res.Intervals, &contractv1.Interval{Level: level, Lower: res.GetValues(), Upper: res.GetValues()})
	}
	return res, d.err
}

// A budget may name who forecasts it. One whose forecaster does not answer has no forecast, and
// takes none from others.
func TestABudgetNamesItsForecaster(t *testing.T) {
	s := querytest.New(t)
	by := &double{}
	now := time.Date(2026, 6, 11, 6, 0, 0, 0, time.UTC)
	service, err := NewService(Config{Store: NewStore(s.Client), Members: members, Forecasters: query.Fixed(map[string]query.Forecaster{"acme-double": by}), Now: func() time.Time { return now }})
	require.NoError(t, err)
	var events []event.Event
	for day := time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC); day.Before(now); day = day.AddDate(0, 0, 1) {
		events = append(events, event.Event{
			Kind: event.KindCost, Tenant: "acme", ID: strconv.Itoa(len(events)), Time: day.UnixMilli(), PreviousTime: event.NoTime,
			WorkflowID: "wf", UserID: "ann", ActionType: "llm", Dollars: decimal("4"), Credits: decimal("1"),
		})
	}
	s.Insert(t, events...)
	s.Settle(t)
	other, own := monthly("other"), monthly("own")
	other.Amount, own.Amount, other.Forecaster, own.Forecaster = decimal("100"), decimal("100"), "acme-double", query.Builtin
	for _, b := range []Budget{other, own} {
		_, err = service.Put(t.Context(), admin, "test", b, 0)
		require.NoError(t, err)
	}
	unknown := monthly("unknown")
	unknown.Forecaster = "acme-none"
	_, err = service.Put(t.Context(), admin, "test", unknown, 0)
	var invalid *InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, `forecaster: there is no forecaster "acme-none"; there are: builtin, acme-double`, err.Error())

	e, err := query.New(query.Config{Client: s.ReadOnly(t), Now: func() time.Time { return now }, Budgets: service, PendingTTL: -1})
	require.NoError(t, err)
	state, err := service.State(t.Context(), e.Do, admin, "other")
	require.NoError(t, err)
	require.Equal(t, "twice the last", state.Method)
	require.InDelta(t, 40+20*8, *state.Forecast, 1e-9)
	require.Equal(t, AtRisk, state.State)
	require.WithinDuration(t, time.Date(2026, 6, 18, 0, 0, 0, 0, time.UTC), *state.Crossing, 24*time.Hour, "40 and 8 days of 8 make 100")
	require.Empty(t, state.Problem)

	by.err = errors.New("plugin acme-double: its process has gone")
	state, err = service.State(t.Context(), e.Do, admin, "other")
	require.NoError(t, err)
	require.Nil(t, state.Forecast)
	require.Equal(t, "40", state.Spent.String())
	require.Equal(t, "forecast budget other: plugin acme-double: its process has gone", state.Problem)
	res, err := e.Do(t.Context(), admin, query.Request{Kind: query.KindBudgets, From: now.AddDate(0, 0, -1), To: now})
	require.NoError(t, err)
	require.Equal(t, []string{state.Problem}, res.Meta.Notices)
	forecasts, _ := res.Frame.FieldByName("forecast")
	require.Nil(t, forecasts.At(0))
	require.InDelta(t, 120, *forecasts.At(1).(*float64), 1)

	// Where no plugins can be asked it says so.
	elsewhere, err := NewService(Config{Store: NewStore(s.Client), Members: members, Now: service.cfg.Now})
	require.NoError(t, err)
	state, err = elsewhere.State(t.Context(), e.Do, admin, "other")
	require.NoError(t, err)
	require.Nil(t, state.Forecast)
	require.True(t, strings.HasPrefix(state.Problem, `forecast budget other: forecaster "acme-double": the process that answers has no such forecaster`), state.Problem)
}
