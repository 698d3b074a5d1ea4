package query

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// activityFrom begins two months that hold both changes of the clock in Lord Howe
// and in Berlin's spring.
var activityFrom = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

const activityLength = 60 * 24 * time.Hour

// activityStore has random actions, some of them sent again, late or corrected.
func activityStore(t *testing.T) (*querytest.Store, *oracle) {
	t.Helper()
	events := slices.DeleteFunc(sampleEvents(activityFrom, activityLength, 900, 11), func(e event.Event) bool { return e.Kind != event.KindActivity })
	for i := range events { // Users who come and go, and quiet weeks.
		if week := (events[i].Time - activityFrom.UnixMilli()) / (7 * 24 * 3_600_000); week >= 3 && week < 6 && events[i].UserID != "bob" {
			events[i].UserID = ""
		}
		events[i].ResourceID = []string{"", "r1", "r2"}[i%3]
	}
	corrected := slices.Clone(events[:80])
	for i := range corrected {
		corrected[i].UserID, corrected[i].Action = "dan", "edit"
	}
	s := querytest.New(t)
	s.Insert(t, events[100:]...)
	s.Settle(t)
	s.Insert(t, events[:100]...)
	s.Insert(t, corrected...)
	s.Insert(t, events[200:260]...)
	s.Settle(t)
	return s, newOracle(activityFrom.Add(activityLength), slices.Concat(events[100:], events[:100], corrected, events[200:260]))
}

// drawPeriod draws a period of the two months, often of whole quarters of an hour.
func drawPeriod(t *rapid.T) (from, to time.Time) {
	a := rapid.Int64Range(0, activityLength.Milliseconds()-1).Draw(t, "from")
	b := rapid.Int64Range(a+1, activityLength.Milliseconds()).Draw(t, "to")
	if rapid.Bool().Draw(t, "aligned") {
		a, b = floorTo(a, 900_000), min(floorTo(b, 900_000)+900_000, activityLength.Milliseconds())
	}
	return activityFrom.Add(time.Duration(a) * time.Millisecond), activityFrom.Add(time.Duration(b) * time.Millisecond)
}

func sees(users []string, user string) bool { return users == nil || slices.Contains(users, user) }

func TestRollingUsersAreARecount(t *testing.T) {
	s, o := activityStore(t)
	e := newSettled(t, s, o.now.AddDate(0, 0, 1), Limits{})
	rapid.Check(t, func(t *rapid.T) {
		r := Request{
			Metrics:     []string{"active_users_7d", "active_users_28d", "stickiness"},
			Granularity: Granularity(rapid.SampledFrom([]string{"", "day", "week", "month"}).Draw(t, "granularity")),
			TimeZone:    rapid.SampledFrom(testZones).Draw(t, "zone"),
			GroupBy:     rapid.SampledFrom([][]string{nil, {"action"}}).Draw(t, "by"),
		}
		r.From, r.To = drawPeriod(t)
		p, users := drawPrincipal(t)
		loc, err := time.LoadLocation(r.TimeZone)
		require.NoError(t, err)
		date := func(at time.Time) time.Time {
			y, m, d := at.In(loc).Date()
			return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		}
		// The buckets, each by a walk from hour to hour; the last of its hours says
		// on which day it ends.
		ends := map[string]time.Time{}
		for at := r.From; at.Before(r.To); at = at.Add(15 * time.Minute) {
			moment := ""
			if r.Granularity != Whole {
				moment = bucketStart(r.Granularity, at.In(loc)).UTC().Format(time.RFC3339)
			}
			ends[moment] = date(at)
		}
		final := r.To.Add(-time.Millisecond)
		moment := ""
		if r.Granularity != Whole {
			moment = bucketStart(r.Granularity, final.In(loc)).UTC().Format(time.RFC3339)
		}
		ends[moment] = date(final)
		want := map[string]map[string]string{}
		for moment, end := range ends {
			type window struct{ week, month, days map[string]bool }
			windows := map[string]*window{}
			if r.Granularity == Whole && len(r.GroupBy) == 0 {
				windows[groupKey("", nil)] = &window{map[string]bool{}, map[string]bool{}, map[string]bool{}}
			}
			for i := range o.events {
				ev := &o.events[i]
				at := time.UnixMilli(ev.Time)
				day := date(at)
				age := int(end.Sub(day).Hours() / 24)
				if ev.UserID == "" || !sees(users, ev.UserID) || !at.Before(r.To) || age < 0 || age > 27 {
					continue
				}
				var dims []string
				if len(r.GroupBy) > 0 {
					dims = append(dims, ev.Action)
				}
				key := groupKey(moment, dims)
				w := windows[key]
				if w == nil {
					w = &window{map[string]bool{}, map[string]bool{}, map[string]bool{}}
					windows[key] = w
				}
				w.month[ev.UserID], w.days[day.Format(time.DateOnly)+ev.UserID] = true, true
				if age < 7 {
					w.week[ev.UserID] = true
				}
			}
			for key, w := range windows {
				sticky := "none"
				if len(w.month) > 0 {
					sticky = number(float64(len(w.days)) / float64(28*len(w.month)))
				}
				want[key] = map[string]string{"active_users_7d": number(float64(len(w.week))), "active_users_28d": number(float64(len(w.month))), "stickiness": sticky}
			}
		}
		res, err := e.Do(testContext(t), p, r)
		require.NoError(t, err)
		require.Equal(t, want, rowsOf(res, r.GroupBy), "%+v\n%v", r, res.Meta.SQL)
	})
	_, err := e.Do(t.Context(), admin, Request{Metrics: []string{"stickiness"}, From: activityFrom, To: activityFrom.Add(time.Hour), Granularity: Hour})
	require.ErrorContains(t, err, "whole days")
}

func fieldOf[T any](t require.TestingT, f *data.Frame, name string) []T {
	field, at := f.FieldByName(name)
	require.GreaterOrEqual(t, at, 0, name)
	out := make([]T, field.Len())
	for i := range out {
		out[i] = field.At(i).(T)
	}
	return out
}

// The list has the sessions that the metric counts, and each as it is.
func TestSessionListIsTheMetric(t *testing.T) {
	s, o := activityStore(t)
	e := newSettled(t, s, o.now, Limits{})
	all := o.sessions()
	rapid.Check(t, func(t *rapid.T) {
		r := Request{Kind: KindSessions, Limit: 1000, Ascending: rapid.Bool().Draw(t, "ascending"), Params: map[string]string{"order": rapid.SampledFrom([]string{"start", "active_ms", "actions"}).Draw(t, "order")}}
		r.From, r.To = drawPeriod(t)
		p, users := drawPrincipal(t)
		res, err := e.Do(testContext(t), p, r)
		require.NoError(t, err)
		type line struct {
			user          string
			start, active int64
		}
		var got, want []line
		starts, ends, active := fieldOf[time.Time](t, res.Frame, "start"), fieldOf[time.Time](t, res.Frame, "end"), fieldOf[int64](t, res.Frame, "active_ms")
		for i, user := range fieldOf[string](t, res.Frame, "user") {
			got = append(got, line{user, starts[i].UnixMilli(), active[i]})
			require.Equal(t, active[i], ends[i].Sub(starts[i]).Milliseconds())
		}
		for _, x := range all {
			if at := time.UnixMilli(x.start); !at.Before(r.From) && at.Before(r.To) && sees(users, x.user) {
				want = append(want, line(x))
			}
		}
		require.ElementsMatch(t, want, got)
		sorted := func(less func(a, b int) int) bool {
			return slices.IsSortedFunc(sequence(len(got)), func(a, b int) int {
				if r.Ascending {
					return less(a, b)
				}
				return less(b, a)
			})
		}
		actions := fieldOf[int64](t, res.Frame, "actions")
		require.True(t, sorted(map[string]func(a, b int) int{
			"start":     func(a, b int) int { return starts[a].Compare(starts[b]) },
			"active_ms": func(a, b int) int { return cmp.Compare(active[a], active[b]) },
			"actions":   func(a, b int) int { return cmp.Compare(actions[a], actions[b]) },
		}[r.Params["order"]]))
	})
}

// Page by page, whatever their size, the trail has every action once, the newest first.
func TestAuditTrailIsAllActionsOnce(t *testing.T) {
	s, o := activityStore(t)
	e := newSettled(t, s, o.now, Limits{})
	rapid.Check(t, func(t *rapid.T) {
		r := Request{Kind: KindAuditTrail, Limit: rapid.IntRange(20, 400).Draw(t, "limit"), Params: map[string]string{}}
		r.From, r.To = drawPeriod(t)
		subject := rapid.SampledFrom([]string{"user", "resource", "resource_id"}).Draw(t, "subject")
		keep := func(ev *event.Event) bool { return ev.UserID == "ann" }
		switch subject {
		case "user":
			r.Params["user"] = "ann"
		case "resource":
			r.Params["resource"] = "run"
			keep = func(ev *event.Event) bool { return ev.Resource == "run" }
		default:
			r.Params["resource"], r.Params["resource_id"] = "wf", "r1"
			keep = func(ev *event.Event) bool { return ev.Resource == "wf" && ev.ResourceID == "r1" }
		}
		p, users := drawPrincipal(t)
		var want []string
		var events []*event.Event
		for i := range o.events {
			ev := &o.events[i]
			if at := time.UnixMilli(ev.Time); keep(ev) && sees(users, ev.UserID) && !at.Before(r.From) && at.Before(r.To) {
				events = append(events, ev)
			}
		}
		slices.SortFunc(events, func(a, b *event.Event) int {
			return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(b.ID, a.ID))
		})
		for _, ev := range events {
			want = append(want, ev.ID+" "+ev.UserID+" "+ev.Action)
		}
		var got []string
		for {
			res, err := e.Do(testContext(t), p, r)
			require.NoError(t, err)
			ids, who, what := fieldOf[string](t, res.Frame, "id"), fieldOf[string](t, res.Frame, "user"), fieldOf[string](t, res.Frame, "action")
			for i := range ids {
				got = append(got, ids[i]+" "+who[i]+" "+what[i])
			}
			if !res.Meta.Truncated {
				break
			}
			require.Len(t, ids, r.Limit)
			r.Params["before"] = fieldOf[string](t, res.Frame, "cursor")[len(ids)-1]
		}
		require.Equal(t, want, got)
	})
	for message, params := range map[string]map[string]string{
		"of a user or of a resource": {},
		"those of a kind":            {"user": "ann", "resource_id": "r1"},
		"no cursor":                  {"user": "ann", "before": "yesterday"},
	} {
		_, err := e.Do(t.Context(), admin, Request{Kind: KindAuditTrail, From: activityFrom, To: activityFrom.Add(time.Hour), Params: params})
		require.ErrorContains(t, err, message)
	}
}

// The score is what its description says, whoever asks.
func TestEngagementIsItsFormula(t *testing.T) {
	s, o := activityStore(t)
	e := newSettled(t, s, o.now, Limits{})
	all := o.sessions()
	rapid.Check(t, func(t *rapid.T) {
		r := Request{Kind: KindEngagement, TimeZone: rapid.SampledFrom(testZones).Draw(t, "zone"), Ascending: rapid.Bool().Draw(t, "ascending")}
		r.From, r.To = drawPeriod(t)
		p, users := drawPrincipal(t)
		loc, err := time.LoadLocation(r.TimeZone)
		require.NoError(t, err)
		days := map[string]bool{}
		for at := r.From; at.Before(r.To); at = at.Add(15 * time.Minute) {
			days[at.In(loc).Format(time.DateOnly)] = true
		}
		days[r.To.Add(-time.Millisecond).In(loc).Format(time.DateOnly)] = true
		type facts struct {
			days, kinds  map[string]bool
			actions      int
			last, active int64
		}
		of := map[string]*facts{}
		for i := range o.events {
			ev := &o.events[i]
			at := time.UnixMilli(ev.Time)
			if ev.UserID == "" || !sees(users, ev.UserID) || at.Before(r.From) || !at.Before(r.To) {
				continue
			}
			f := of[ev.UserID]
			if f == nil {
				f = &facts{days: map[string]bool{}, kinds: map[string]bool{}}
				of[ev.UserID] = f
			}
			f.days[at.In(loc).Format(time.DateOnly)], f.kinds[ev.Action] = true, true
			f.actions++
			f.last = max(f.last, ev.Time)
		}
		for _, x := range all {
			if at := time.UnixMilli(x.start); of[x.user] != nil && !at.Before(r.From) && at.Before(r.To) {
				of[x.user].active += x.active
			}
		}
		res, err := e.Do(testContext(t), p, r)
		require.NoError(t, err)
		scores, got := fieldOf[float64](t, res.Frame, "score"), fieldOf[string](t, res.Frame, "user")
		require.Len(t, got, len(of))
		for i, user := range got {
			f := of[user]
			require.NotNil(t, f, user)
			d := float64(len(f.days))
			a, m, n := float64(f.actions)/d, float64(f.active)/60_000/d, float64(len(f.kinds))
			want := 30*d/float64(len(days)) + 25*math.Pow(0.5, float64(r.To.UnixMilli()-f.last)/(7*24*3_600_000)) + 15*a/(a+10) + 15*m/(m+30) + 15*n/(n+5)
			require.InDelta(t, want, scores[i], 1e-6, user)
			require.True(t, scores[i] >= 0 && scores[i] <= 100)
		}
		require.True(t, slices.IsSortedFunc(scores, func(a, b float64) int {
			if r.Ascending {
				return cmp.Compare(a, b)
			}
			return cmp.Compare(b, a)
		}))
	})
}

// Lists of raw rows end somewhere.
func TestListsOfActivityAreBounded(t *testing.T) {
	e := offline(t, activityFrom)
	for _, k := range []Kind{KindSessions, KindEngagement, KindAuditTrail} {
		r := Request{Kind: k, From: activityFrom, To: activityFrom.AddDate(1, 0, 0)}
		if k == KindAuditTrail {
			r.Params = map[string]string{"user": "ann"}
		}
		_, err := e.Do(t.Context(), admin, r)
		require.ErrorContains(t, err, "up to 93 days", k)
		r.To, r.Limit = activityFrom.AddDate(0, 1, 0), 1001
		_, err = e.Do(t.Context(), admin, r)
		require.ErrorContains(t, err, "must be 1 to 1000", k)
		_, err = e.Do(t.Context(), access.Principal{Tenant: "acme"}, Request{Kind: k, From: activityFrom, To: r.To, Params: r.Params})
		require.ErrorContains(t, err, "no role", k)
	}
}
