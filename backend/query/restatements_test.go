package query

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// state is what stood at a moment, by identity, steps with what they inherit.
type state struct {
	oracle *oracle
	events map[event.Identity]*event.Event
	priced map[event.Identity]time.Time
}

func stateAt(rows []querytest.Row, now, at time.Time) state {
	s := state{oracle: oracleAt(rows, now, at), events: map[event.Identity]*event.Event{}, priced: map[event.Identity]time.Time{}}
	for i := range s.oracle.events {
		e := &s.oracle.events[i]
		s.events[e.Identity()] = e
	}
	for _, r := range standingAt(rows, at) {
		s.priced[r.Identity()] = r.PricedAt
	}
	return s
}

// causeOf says by definition why an event counts otherwise; empty if it does not.
func causeOf(rows []querytest.Row, id event.Identity, then, now state, seen func(*event.Event) bool, from, to time.Time) string {
	before, after := then.events[id], now.events[id]
	hadBefore, hasAfter := before != nil && seen(before), after != nil && seen(after)
	other := func(deleted uint8) bool {
		return slices.ContainsFunc(rows, func(r querytest.Row) bool {
			known := knownAt(&r)
			return r.Kind == id.Kind && r.Tenant == id.Tenant && r.ID == id.ID && r.Identity().Phase == id.Phase && r.Deleted == deleted && !known.Before(from) && known.Before(to)
		})
	}
	switch {
	case !hadBefore && !hasAfter:
		return ""
	case !hadBefore && other(1), !hasAfter && other(0):
		return "moved"
	case !hadBefore:
		return "added"
	case !hasAfter:
		return "removed"
	}
	plain := func(e event.Event) event.Event {
		e.PreviousTime = event.NoTime
		if e.Kind == event.KindStep {
			e.WorkflowID, e.WorkflowVersion, e.UserID = "", 0, ""
		}
		e.Dollars, e.Pricing = event.Decimal{}, 0
		return e
	}
	switch {
	case !reflect.DeepEqual(plain(*before), plain(*after)):
		return "corrected"
	case before.Dollars != after.Dollars || before.Pricing != after.Pricing:
		if then.priced[id].Equal(now.priced[id]) {
			return "corrected"
		}
		return "repriced"
	case before.WorkflowID != after.WorkflowID || before.WorkflowVersion != after.WorkflowVersion || before.UserID != after.UserID:
		return "reattributed"
	}
	return ""
}

// Restatements are two recounts beside each other, and each event that makes a
// difference is counted once in each group that it makes one in.
func TestRestatementsAreTwoRecounts(t *testing.T) {
	w := newPast(t)
	e := newSettled(t, w.Store, w.now, patient)
	counted := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		r, kind := drawRequest(t, w.from, pastLength)
		p, users := drawPrincipal(t)
		from := w.drawMoment(t, "since", w.from)
		to := w.drawMoment(t, "asOf", w.from)
		if to.Before(from) {
			from, to = to, from
		}
		if from.Equal(to) {
			from = to.Add(-time.Second)
		}
		asked := r
		asked.Kind, asked.AsOf = KindRestatements, to
		asked.Params = map[string]string{"since": from.Format(time.RFC3339Nano), "show": "all"}
		res, err := e.Do(testContext(t), p, asked)
		require.NoError(t, err)

		then, now := stateAt(w.rows, w.now, from), stateAt(w.rows, w.now, to)
		loc, err := time.LoadLocation(r.TimeZone)
		require.NoError(t, err)
		before, after := then.oracle.groups(r, users, loc, kind), now.oracle.groups(r, users, loc, kind)
		want := map[string]map[string]string{}
		for _, groups := range []map[string]*group{before, after} {
			for key := range groups {
				line := map[string]string{}
				for _, m := range r.Metrics {
					line[m+"_then"], line[m] = valueIn(before[key], m), valueIn(after[key], m)
				}
				for _, c := range causes {
					line["events_"+c.name] = "0"
				}
				want[key] = line
			}
		}
		seen := func(e *event.Event) bool { return users == nil || slices.Contains(users, e.UserID) }
		ids := map[event.Identity]bool{}
		for _, s := range []state{then, now} {
			for id := range s.events {
				ids[id] = id.Kind == kind
			}
		}
		for id, ours := range ids {
			why := ""
			if ours {
				why = causeOf(w.rows, id, then, now, seen, from, to)
			}
			if why == "" {
				continue
			}
			in := map[string]bool{}
			for _, s := range []state{then, now} {
				if e := s.events[id]; e != nil {
					one := &oracle{events: []event.Event{*e}, now: w.now}
					for key, g := range one.groups(r, users, loc, kind) {
						in[key] = in[key] || len(g.events) > 0
					}
				}
			}
			for key, yes := range in {
				if yes {
					n, _ := strconv.Atoi(want[key]["events_"+why])
					want[key]["events_"+why] = strconv.Itoa(n + 1)
					counted[why]++
				}
			}
		}
		got := map[string]map[string]string{}
		for key, line := range restatedRows(res, r.GroupBy) {
			got[key] = map[string]string{}
			for name, value := range line {
				if _, ok := want[key][name]; ok {
					got[key][name] = value
				}
			}
			for _, m := range r.Metrics {
				checkDifference(t, line[m+"_then"], line[m], line[m+"_difference"])
			}
		}
		require.Equal(t, want, got, "%v to %v %+v\n%v", from, to, r, res.Meta.SQL)
	})
	// Few checks may draw no event of some cause; more are by -rapid.checks.
	t.Logf("events by cause: %v", counted)
	require.NotEmpty(t, counted, "nothing was restated")
}

// valueIn is a metric of a group that may have no event.
func valueIn(g *group, name string) string {
	if g == nil {
		g = &group{}
	}
	return g.value(name)
}

// restatedRows is rowsOf for a frame with counts of events.
func restatedRows(r *Result, dims []string) map[string]map[string]string {
	counts := map[string][]int64{}
	var rest []string
	plain := *r
	frame := *r.Frame
	frame.Fields = nil
	for _, f := range r.Frame.Fields {
		if len(f.Name) > 7 && f.Name[:7] == "events_" {
			for i := range f.Len() {
				counts[f.Name] = append(counts[f.Name], f.At(i).(int64))
			}
			rest = append(rest, f.Name)
			continue
		}
		frame.Fields = append(frame.Fields, f)
	}
	plain.Frame = &frame
	out := rowsOf(&plain, dims)
	for row := range frame.Rows() {
		at, values := "", []string{}
		for _, f := range frame.Fields {
			switch {
			case f.Name == timeField:
				at = f.At(row).(time.Time).UTC().Format(time.RFC3339)
			case slices.Contains(dims, f.Name):
				values = append(values, f.At(row).(string))
			}
		}
		for _, name := range rest {
			out[groupKey(at, values)][name] = strconv.FormatInt(counts[name][row], 10)
		}
	}
	return out
}

func checkDifference(t require.TestingT, then, now, difference string) {
	if then == "none" || now == "none" || then == "" || now == "" {
		require.Contains(t, []string{"none", ""}, difference)
		return
	}
	number := func(text string) float64 { // Averages and percentiles have more digits than a decimal.
		v, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		return v
	}
	require.InDelta(t, number(now)-number(then), number(difference), 1e-9*(1+math.Abs(number(then))+math.Abs(number(now))))
}

// A bill that was sent, and what has become of it.
func TestWhatHasBecomeOfABill(t *testing.T) {
	s := querytest.New(t)
	s.History(t, 90, time.Now)
	now := time.Now().UTC().Truncate(24 * time.Hour)
	from, billed := now.AddDate(0, 0, -40), now.AddDate(0, 0, -9)
	cost := func(id, workflow string, day int, dollars string) event.Event {
		e := costAt(id, from.AddDate(0, 0, day), "ann")
		e.WorkflowID = workflow
		e.Dollars, _ = event.ParseDecimal([]byte(dollars))
		return e
	}
	put := func(e event.Event, at time.Time) { s.Write(t, querytest.Received(e, at)...) }
	for i, e := range []event.Event{cost("a", "wf-a", 1, "10"), cost("b", "wf-b", 2, "20.5"), cost("c", "wf-b", 3, "1"), cost("d", "wf-c", 4, "7")} {
		put(e, billed.Add(time.Duration(i-100)*time.Hour))
	}
	put(cost("late", "wf-a", 5, "2.25"), billed.Add(time.Hour))
	corrected := cost("b", "wf-b", 2, "15.25")
	put(corrected, billed.Add(2*time.Hour))
	put(cost("c", "wf-b", 3, "1"), billed.Add(3*time.Hour)) // again, as it was
	moved := cost("d", "wf-c", 60, "7")
	moved.PreviousTime = from.AddDate(0, 0, 4).UnixMilli()
	put(moved, billed.Add(4*time.Hour))
	s.Settle(t)
	e := newEngine(t, s, now, patient)
	r := Request{
		Kind: KindRestatements, Metrics: []string{"dollars"}, From: from, To: from.AddDate(0, 0, 31), GroupBy: []string{"workflow"},
		Params: map[string]string{"since": billed.Format(time.DateOnly)},
	}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]string{
		groupKey("", []string{"wf-a"}): {"dollars_then": "10", "dollars": "12.25", "dollars_difference": "2.25", "events_added": "1", "events_corrected": "0", "events_moved": "0", "events_removed": "0", "events_repriced": "0", "events_reattributed": "0"},
		groupKey("", []string{"wf-b"}): {"dollars_then": "21.5", "dollars": "16.25", "dollars_difference": "-5.25", "events_added": "0", "events_corrected": "1", "events_moved": "0", "events_removed": "0", "events_repriced": "0", "events_reattributed": "0"},
		groupKey("", []string{"wf-c"}): {"dollars_then": "7", "dollars": "0", "dollars_difference": "-7", "events_added": "0", "events_corrected": "0", "events_moved": "1", "events_removed": "0", "events_repriced": "0", "events_reattributed": "0"},
	}, restatedRows(res, r.GroupBy))
	workflow := func(row int) string { return res.Frame.Fields[0].At(row).(string) }
	require.Equal(t, []string{"wf-c", "wf-b", "wf-a"}, []string{workflow(0), workflow(1), workflow(2)}, "the largest difference first")
	require.Equal(t, now, res.Meta.AsOf)
	r.Limit = 1
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.True(t, res.Meta.Truncated)
	require.Equal(t, 1, res.Frame.Rows())

	for param, bad := range map[string]Request{
		"params.since": {Params: map[string]string{"since": "yesterday"}},
		"groupBy":      {GroupBy: []string{metric.Team}},
		"metrics":      {Metrics: []string{"sessions"}, GroupBy: []string{}},
		"limit":        {Granularity: Day, Limit: 3},
	} {
		asked := r
		asked.Limit = bad.Limit
		asked.Granularity = bad.Granularity
		if bad.Params != nil {
			asked.Params = bad.Params
		}
		if bad.GroupBy != nil {
			asked.GroupBy = bad.GroupBy
		}
		if bad.Metrics != nil {
			asked.Metrics = bad.Metrics
		}
		var refused *RequestError
		_, err := e.Do(t.Context(), admin, asked)
		require.ErrorAs(t, err, &refused, param)
		require.Equal(t, param, refused.Param)
	}
	r.Params["since"] = now.Add(time.Hour).Format(time.RFC3339)
	_, err = e.Do(t.Context(), admin, r)
	require.ErrorContains(t, err, "earlier than asOf")
}
