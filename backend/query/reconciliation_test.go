package query

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// sides is what an execution's steps and cost records say within a group.
type sides struct {
	used, charged  event.Decimal
	steps, records int64
}

// reconciled counts the events of a period by group and execution.
func reconciled(events []event.Event, users []string, from, to time.Time, group func(*event.Event) string) map[string]map[string]*sides {
	out := map[string]map[string]*sides{}
	for i := range events {
		e := &events[i]
		if (e.Kind != event.KindStep && e.Kind != event.KindCost) || e.Time < from.UnixMilli() || e.Time >= to.UnixMilli() ||
			(users != nil && !slices.Contains(users, e.UserID)) {
			continue
		}
		g := group(e)
		if out[g] == nil {
			out[g] = map[string]*sides{}
		}
		s := out[g][e.ExecutionID]
		if s == nil {
			s = &sides{}
			out[g][e.ExecutionID] = s
		}
		has := int64(1)
		if e.Credits.IsZero() {
			has = 0
		}
		if e.Kind == event.KindStep {
			s.used, s.steps = s.used.Add(e.Credits), s.steps+has
		} else {
			s.charged, s.records = s.charged.Add(e.Credits), s.records+has
		}
	}
	return out
}

func TestReconciliation(t *testing.T) {
	from := time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC) // with the change of the clock in Berlin
	to := from.Add(96 * time.Hour)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	s := querytest.New(t)
	events := sampleEvents(from, 96*time.Hour, 150, 21)
	for i := range events { // Some executions agree, some have nothing to say.
		e := &events[i]
		switch {
		case e.Kind == event.KindCost && i%3 == 0:
			e.Credits = events[i-1].Credits // of the step just before
			e.UserID = "ann"
			events[i-1].UserID, e.Time, events[i-1].ExecutionID = "ann", events[i-1].Time, e.ExecutionID
		case e.Kind == event.KindStep && i%5 == 0:
			e.Credits = event.Decimal{}
		}
	}
	s.Insert(t, events...)
	s.Settle(t)
	e := newSettled(t, s, to.Add(time.Hour), Limits{})
	standing := newOracle(to, events).events
	groups := map[string]func(*event.Event) string{
		"execution": func(e *event.Event) string { return e.ExecutionID },
		"workflow":  func(e *event.Event) string { return e.WorkflowID },
		"type":      func(e *event.Event) string { return e.StepType + e.ActionType },
		"day":       func(e *event.Event) string { return time.UnixMilli(e.Time).In(berlin).Format(time.DateOnly) },
		"total":     func(*event.Event) string { return "" },
	}
	zero := event.Decimal{}
	for by, group := range groups {
		for _, who := range []access.Principal{admin, {Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}} {
			var users []string
			if who.UserID != "" {
				users = []string{who.UserID}
			}
			for _, show := range []string{"all", "differences"} {
				res, err := e.Do(t.Context(), who, Request{
					Kind: KindReconciliation, From: from.Add(7 * time.Hour), To: to, TimeZone: "Europe/Berlin", Limit: maxReconciled,
					Params: map[string]string{"by": by, "show": show},
				})
				require.NoError(t, err)
				got, last := map[string]bool{}, zero
				want := reconciled(standing, users, from.Add(7*time.Hour), to, group)
				for row := range res.Frame.Rows() {
					at := func(name string) any { return res.Frame.Fields[indexOf(res.Frame, name)].At(row) }
					g := at("group").(string)
					require.False(t, got[g], g)
					got[g] = true
					var total sides
					var n, differing, stepsOnly, costsOnly int64
					for id, x := range want[g] {
						total.used, total.charged = total.used.Add(x.used), total.charged.Add(x.charged)
						total.steps, total.records = total.steps+x.steps, total.records+x.records
						if id == "" {
							continue
						}
						n += min(1, x.steps+x.records)
						if x.used != x.charged {
							differing++
						}
						if x.steps > 0 && x.records == 0 {
							stepsOnly++
						}
						if x.records > 0 && x.steps == 0 {
							costsOnly++
						}
					}
					difference := total.charged.Sub(total.used)
					require.Equal(t, total.used.String(), res.Exact["step_credits"][row])
					require.Equal(t, total.charged.String(), res.Exact["cost_credits"][row])
					require.Equal(t, difference.String(), res.Exact["difference"][row])
					require.Equal(t, []any{total.steps, total.records, n, differing, stepsOnly, costsOnly},
						[]any{at("steps"), at("records"), at("executions"), at("executions_differing"), at("executions_steps_only"), at("executions_costs_only")})
					if difference.Sign() < 0 {
						difference = difference.Neg()
					}
					require.True(t, row == 0 || difference.Cmp(last) <= 0, "the largest difference first")
					last = difference
				}
				for g, executions := range want {
					var net event.Decimal
					differs := false
					for id, x := range executions {
						net = net.Add(x.used).Sub(x.charged)
						differs = differs || (id != "" && x.used != x.charged)
					}
					require.Equal(t, show == "all" || differs || !net.IsZero(), got[g], "%s %s", by, g)
				}
			}
		}
	}
	for text, r := range map[string]Request{
		"up to 93 days":      {From: from.AddDate(-1, 0, 0), To: to},
		"1 to 10000":         {From: from, To: to, Limit: 10_001},
		"params.by":          {From: from, To: to, Params: map[string]string{"by": "user"}},
		"not a dimension of": {From: from, To: to, Filters: []Filter{{Dimension: "step", Operator: In, Values: []string{"s1"}}}},
	} {
		r.Kind = KindReconciliation
		_, err := e.Do(t.Context(), admin, r)
		require.ErrorContains(t, err, text)
	}
}
