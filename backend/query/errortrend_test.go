package query

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// Error groups, their comparison and their trend are recounts of the failures.
func TestErrorGroupsAreARecount(t *testing.T) {
	from := time.Date(2026, 3, 24, 0, 0, 0, 0, time.UTC)
	const length = 10 * 24 * time.Hour
	events := slices.DeleteFunc(sampleEvents(from, length, 500, 21), func(e event.Event) bool { return e.Kind != event.KindExecution })
	for i := range events {
		if events[i].Status == event.StatusFailed && i%3 == 0 { // A group that is new in the second half.
			if events[i].ErrorMessage = fmt.Sprintf("no answer from 'db-%d'", i); events[i].Time > from.Add(length/2).UnixMilli() {
				events[i].ErrorMessage = fmt.Sprintf("quota of %d exceeded", i)
			}
		}
	}
	s := querytest.New(t)
	s.Insert(t, events...)
	s.Insert(t, events[:100]...)
	e, o := newEngine(t, s, from.Add(length), Limits{}), newOracle(from, events)
	rapid.Check(t, func(t *rapid.T) {
		r := Request{Kind: KindErrors, TimeZone: rapid.SampledFrom(testZones).Draw(t, "zone")}
		r.From = from.Add(time.Duration(rapid.Int64Range(int64(length/2), int64(length-time.Millisecond)).Draw(t, "from")))
		r.To = from.Add(length)
		p, users := drawPrincipal(t)
		loc, err := time.LoadLocation(r.TimeZone)
		require.NoError(t, err)
		if rapid.Bool().Draw(t, "trend") {
			r.Granularity = Granularity(rapid.SampledFrom([]string{"hour", "day"}).Draw(t, "granularity"))
			r.Limit = 1000
		} else {
			r.Compare = PreviousPeriod
		}
		q := &question{from: ceilMilli(r.From), to: r.To, loc: loc}
		before := q.shifted(PreviousPeriod)
		type counts struct {
			now, then int64
			users     map[string]bool
		}
		groups, buckets := map[string]*counts{}, map[string]float64{}
		for i := range o.events {
			ev := &o.events[i]
			if ev.Status != event.StatusFailed || !sees(users, ev.UserID) {
				continue
			}
			key := ev.ErrorType + "/" + strconv.FormatUint(event.Fingerprint(ev.ErrorMessage), 10)
			g := groups[key]
			if g == nil {
				g = &counts{users: map[string]bool{}}
				groups[key] = g
			}
			at := time.UnixMilli(ev.Time)
			if !at.Before(before.from) && at.Before(before.to) {
				g.then++
			}
			if !at.Before(q.from) && at.Before(q.to) {
				g.now++
				g.users[ev.UserID] = true
				if r.Granularity != Whole {
					buckets[bucketStart(r.Granularity, at.In(loc)).UTC().Format(time.RFC3339)+" "+key]++
				}
			}
			delete(g.users, "")
		}
		res, err := e.Do(testContext(t), p, r)
		require.NoError(t, err)
		types, prints := fieldOf[string](t, res.Frame, "error_type"), fieldOf[string](t, res.Frame, "fingerprint")
		if r.Granularity != Whole {
			got := map[string]float64{}
			times, count := fieldOf[time.Time](t, res.Frame, "time"), fieldOf[*float64](t, res.Frame, "count")
			for i := range types {
				got[times[i].UTC().Format(time.RFC3339)+" "+types[i]+"/"+prints[i]] = *count[i]
			}
			require.Equal(t, buckets, got)
			require.NotNil(t, TimeSeries(res))
			return
		}
		seen := 0
		count, previous, fresh := fieldOf[int64](t, res.Frame, "count"), fieldOf[int64](t, res.Frame, "count_previous"), fieldOf[bool](t, res.Frame, "new")
		affected, change := fieldOf[int64](t, res.Frame, "users"), fieldOf[*float64](t, res.Frame, "change")
		for i := range types {
			g := groups[types[i]+"/"+prints[i]]
			require.NotNil(t, g)
			require.Equal(t, []any{g.now, g.then, g.then == 0, int64(len(g.users))}, []any{count[i], previous[i], fresh[i], affected[i]})
			if g.then > 0 {
				require.InDelta(t, float64(g.now-g.then)/float64(g.then), *change[i], 1e-12)
			} else {
				require.Nil(t, change[i])
			}
		}
		for _, g := range groups {
			if g.now > 0 {
				seen++
			}
		}
		require.Len(t, types, seen)
	})
	_, err := e.Do(t.Context(), admin, Request{Kind: KindErrors, From: from, To: from.Add(time.Hour), Granularity: Minute, Compare: PreviousDay})
	require.ErrorContains(t, err, "over the whole period")
}
