package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// executionsByHour makes as many executions in each hour as it is told, each of ann or bob.
func executionsByHour(from time.Time, hours int, count func(hour int) int) []event.Event {
	var out []event.Event
	for h := range hours {
		for n := range count(h) {
			e := event.Event{
				Kind: event.KindExecution, Tenant: "acme", ID: fmt.Sprintf("%d-%d", h, n), Time: from.Add(time.Duration(h)*time.Hour + time.Duration(n)*time.Second).UnixMilli(),
				PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
				Status: event.StatusCompleted, WorkflowID: "wf", UserID: []string{"ann", "bob"}[n%2], Duration: int64(1000 + 10*(n%7)),
			}
			out = append(out, e)
		}
	}
	return out
}

func floatsOf(res *Result, name string) []float64 {
	field, _ := res.Frame.FieldByName(name)
	out := make([]float64, field.Len())
	for row := range out {
		out[row] = math.NaN()
		if v := field.At(row).(*float64); v != nil {
			out[row] = *v
		}
	}
	return out
}

// told keeps what a detector is asked, and says that one bucket is unusual.
type told struct {
	req *contractv1.DetectRequest
	err error
}

func (d *told) Detect(_ context.Context, req *contractv1.DetectRequest) (*contractv1.DetectResponse, error) {
	d.req = req
	return &contractv1.DetectResponse{Method: "told", Anomalies: []*contractv1.Anomaly{{Index: req.GetFrom() + 2, Expected: 1, Lower: 0, Upper: 2, Score: 7, Reason: "so"}}}, d.err
}

type refused string

func (r refused) Error() string   { return "plugin: " + string(r) }
func (r refused) Refusal() string { return string(r) }

func TestAnomalies(t *testing.T) {
	start := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC) // a Monday
	const hours = 70 * 24
	const spike, drop, fewer = 65*24 + 3, 66*24 + 13, 67*24 + 10
	count := func(h int) int {
		switch {
		case h == spike:
			return 40
		case h == drop:
			return 0
		case h == fewer:
			return 7
		case h%24 >= 8 && h%24 < 18:
			return 14 + h*7919%5
		}
		return 1 + h*104729%2
	}
	s := querytest.New(t)
	s.Insert(t, executionsByHour(start, hours, count)...)
	s.Settle(t)
	at := func(hour int) time.Time { return start.Add(time.Duration(hour) * time.Hour) }
	now := at(hours).Add(-20 * time.Minute) // in the last hour
	e := newEngine(t, s, now, Limits{})
	base := Request{Kind: KindAnomalies, From: at(63 * 24).Add(10 * time.Minute), To: now.AddDate(0, 0, 1), Params: map[string]string{"metric": "executions"}}

	t.Run("what is unusual and what is not", func(t *testing.T) {
		res, err := e.Do(t.Context(), admin, base)
		require.NoError(t, err)
		// The first hour of the period is cut, the last is not over.
		require.Equal(t, 7*24-2, res.Frame.Rows())
		for i, f := range anomaliesFields {
			require.Equal(t, f.Name, res.Frame.Fields[i].Name)
		}
		values, lower, upper, anomaly, score := floatsOf(res, "value"), floatsOf(res, "lower"), floatsOf(res, "upper"), floatsOf(res, "anomaly"), floatsOf(res, "score")
		reasons, _ := res.Frame.FieldByName("reason")
		for row := range res.Frame.Rows() {
			h := 63*24 + 1 + row
			require.Equal(t, at(h), res.Frame.Fields[0].At(row).(time.Time))
			require.InDelta(t, count(h), values[row], 0, h)
			if h == spike || h == drop {
				require.InDelta(t, values[row], anomaly[row], 0)
				require.GreaterOrEqual(t, score[row], 1.0)
				continue
			}
			require.True(t, math.IsNaN(anomaly[row]), "hour %d: %v is not within %v to %v", h, values[row], lower[row], upper[row])
			require.Less(t, score[row], 1.0)
			require.True(t, lower[row] <= values[row] && values[row] <= upper[row])
			require.Empty(t, reasons.At(row))
		}
		require.Contains(t, reasons.At(spike-63*24-1), "40 is more than the usual")
		require.Contains(t, reasons.At(drop-63*24-1), "0 is less than the usual")
		require.Equal(t, &AnomaliesMeta{
			Metric: "executions", Detector: "builtin", Method: "medians by phase of a pattern of 24 buckets", FalseAlarms: 0.001,
			History: 1344, Judged: 166, Found: 2,
		}, res.Meta.Anomalies)
		require.Equal(t, base.From, res.Meta.From)
		require.Empty(t, res.Meta.Notices)
	})
	t.Run("within the caller's scope", func(t *testing.T) {
		res, err := e.Do(t.Context(), access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}, base)
		require.NoError(t, err)
		require.InDelta(t, 20, floatsOf(res, "anomaly")[spike-63*24-1], 0)
	})
	t.Run("fewer are found of which fewer may be false", func(t *testing.T) {
		found := func(share string) int {
			r := base
			r.Params = map[string]string{"metric": "executions", "false_alarms": share}
			res, err := e.Do(t.Context(), admin, r)
			require.NoError(t, err)
			return res.Meta.Anomalies.Found
		}
		require.Greater(t, found("0.2"), found("0.001"))
		require.Equal(t, 2, found("0.00001"))
	})
	t.Run("every granularity and sort of metric", func(t *testing.T) {
		for _, g := range granularities {
			for _, m := range []string{"executions", "duration_p95", "success_rate", "executions_running", "dollars"} {
				r := base
				r.From, r.Granularity, r.Params = at(68*24), Granularity(g), map[string]string{"metric": m}
				if g == "week" || g == "month" {
					r.From = at(14 * 24)
				}
				if g == "minute" {
					r.From = now.Add(-2 * time.Hour)
				}
				res, err := e.Do(t.Context(), admin, r)
				require.NoError(t, err, "%s by %s", m, g)
				if m == "dollars" { // of which there are none
					require.Len(t, res.Meta.Notices, 1)
					require.Zero(t, res.Frame.Rows())
				}
			}
		}
	})
	t.Run("groups of too few are not known", func(t *testing.T) {
		guarded := newEngine(t, s, now, Limits{})
		guarded.policies = rolePolicies{access.RoleAdmin: {Minimum: 2}}
		res, err := guarded.Do(t.Context(), admin, base)
		require.NoError(t, err)
		values := floatsOf(res, "value")
		for row, v := range values {
			// An hour with one execution has one user, and looks like one of which nothing is known.
			require.Equal(t, count(63*24+1+row) < 2, math.IsNaN(v), row)
		}
	})
	t.Run("another detector", func(t *testing.T) {
		d := &told{}
		other := newEngine(t, s, now, Limits{})
		other.detectors = Fixed(map[string]Detector{"acme-told": d})
		r := base
		r.Params = map[string]string{"metric": "executions", "detector": "acme-told", "false_alarms": "0.01"}
		res, err := other.Do(t.Context(), admin, r)
		require.NoError(t, err)
		require.Equal(t, "so", res.Frame.Fields[7].At(2))
		require.Equal(t, 1, res.Meta.Anomalies.Found)
		require.Equal(t, "acme-told", res.Meta.Anomalies.Detector)
		require.EqualValues(t, 1344, d.req.GetFrom())
		require.InDelta(t, 0.01, d.req.GetFalseAlarms(), 0)
		require.Equal(t, []uint32{24, 168}, d.req.GetSeasons())
		series := d.req.GetSeries()
		require.Len(t, series.GetTimes(), len(series.GetValues()))
		require.Equal(t, at(63*24+1).UnixMilli(), series.GetTimes()[1344])
		require.Equal(t, []string{"executions", "short", "hour", "UTC"}, []string{series.GetMetric(), series.GetUnit(), series.GetGranularity(), series.GetTimeZone()})
		require.False(t, series.GetNegative())

		d.err = refused("it wants days")
		_, err = other.Do(t.Context(), admin, r)
		var wrong *RequestError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, "params.detector", wrong.Param)
		require.Contains(t, wrong.Message, "it wants days")
		d.err = errors.New("it has crashed")
		_, err = other.Do(t.Context(), admin, r)
		require.ErrorIs(t, err, d.err)
		require.Equal(t, []string{"builtin", "acme-told"}, allowedOf(other, KindAnomalies, "detector"))
		require.Equal(t, []string{"builtin"}, allowedOf(e, KindAnomalies, "detector"))
	})
	t.Run("what cannot be asked", func(t *testing.T) {
		for param, change := range map[string]func(r *Request){
			"to":                  func(r *Request) { r.From = now.Add(-time.Minute) },
			"params.metric":       func(r *Request) { r.Params = map[string]string{"metric": "nonsense"} },
			"params.detector":     func(r *Request) { r.Params = map[string]string{"detector": "acme-none"} },
			"params.false_alarms": func(r *Request) { r.Params = map[string]string{"false_alarms": "0"} },
			"granularity":         func(r *Request) { r.From, r.Granularity = at(0), Minute },
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

func allowedOf(e *Engine, kind Kind, param string) []string {
	for _, k := range e.Kinds(context.Background()) {
		for _, p := range k.Params {
			if k.Kind == kind && p.Name == param {
				return p.Allowed
			}
		}
	}
	return nil
}
