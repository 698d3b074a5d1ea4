package query

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// session is one session of the oracle.
type session struct {
	user          string
	start, active int64
}

// sessions follows the definition event by event.
func (o *oracle) sessions() []session {
	byKey := map[[2]string][]*event.Event{}
	for i := range o.events {
		if e := &o.events[i]; e.Kind == event.KindActivity {
			key := [2]string{e.UserID, e.SessionID}
			byKey[key] = append(byKey[key], e)
		}
	}
	var out []session
	for key, events := range byKey {
		slices.SortFunc(events, func(a, b *event.Event) int {
			if a.Time != b.Time {
				return int(a.Time - b.Time)
			}
			return int(a.Duration - b.Duration)
		})
		gap := 24 * time.Hour.Milliseconds()
		if key[1] == "" {
			gap = 30 * time.Minute.Milliseconds()
		}
		var previous int64
		for i, e := range events {
			if i == 0 || e.Time-previous > gap {
				out = append(out, session{user: key[0], start: e.Time})
			}
			previous = e.Time
			s := &out[len(out)-1]
			if e.Time-s.start <= 24*time.Hour.Milliseconds() {
				s.active = e.Time - s.start + e.Duration
			}
		}
	}
	return out
}

func TestSessionsAreARecount(t *testing.T) {
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	const length = 5 * 24 * time.Hour
	events := slices.DeleteFunc(sampleEvents(from, length, 700, 5), func(e event.Event) bool { return e.Kind != event.KindActivity })
	s := querytest.New(t)
	s.Insert(t, events...)
	e, o := newEngine(t, s, from.Add(length), Limits{}), newOracle(from, events)
	all := o.sessions()
	require.Greater(t, len(all), 100)
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Int64Range(0, length.Milliseconds()-1).Draw(t, "a")
		b := rapid.Int64Range(a+1, length.Milliseconds()).Draw(t, "b")
		r := Request{
			Metrics: []string{"sessions", "active_time", "session_duration_avg"}, TimeZone: "Europe/Berlin",
			From: from.Add(time.Duration(a) * time.Millisecond), To: from.Add(time.Duration(b) * time.Millisecond),
			Granularity: Granularity(rapid.SampledFrom([]string{"", "hour", "day"}).Draw(t, "g")),
		}
		r.GroupBy = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{metric.User, metric.HourOfDay, metric.Weekday}), 0, 2, rapid.ID[string]).Draw(t, "by")
		if rapid.Bool().Draw(t, "in the morning") {
			r.Filters = []Filter{{metric.HourOfDay, In, []string{"1", "02", "3", "9"}}}
		}
		p, users := drawPrincipal(t)
		berlin, err := time.LoadLocation("Europe/Berlin")
		require.NoError(t, err)
		type sums struct{ n, active int64 }
		found := map[string]*sums{}
		if r.Granularity == Whole && len(r.GroupBy) == 0 {
			found[groupKey("", nil)] = &sums{}
		}
		for _, s := range all {
			at := time.UnixMilli(s.start)
			if at.Before(r.From) || !at.Before(r.To) || users != nil && !slices.Contains(users, s.user) {
				continue
			}
			moment, dims := "", []string{}
			if r.Granularity != Whole {
				moment = bucketStart(r.Granularity, at.In(berlin)).UTC().Format(time.RFC3339)
			}
			wall := at.In(berlin)
			if r.Filters != nil && !slices.Contains([]int{1, 2, 3, 9}, wall.Hour()) {
				continue
			}
			for _, d := range r.GroupBy {
				dims = append(dims, dimensionValue(&event.Event{UserID: s.user}, d, wall))
			}
			key := groupKey(moment, dims)
			if found[key] == nil {
				found[key] = &sums{}
			}
			found[key].n++
			found[key].active += s.active
		}
		want := map[string]map[string]string{}
		for key, f := range found {
			avg := "none"
			if f.n > 0 {
				avg = number(float64(f.active) / float64(f.n))
			}
			want[key] = map[string]string{"sessions": number(float64(f.n)), "active_time": number(float64(f.active)), "session_duration_avg": avg}
		}
		res, err := e.Do(testContext(t), p, r)
		require.NoError(t, err)
		require.Equal(t, want, rowsOf(res, r.GroupBy), "%+v", r)
	})
}

func TestRunningIsARecount(t *testing.T) {
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	const length = 3 * 24 * time.Hour
	now := from.Add(length - 5*time.Hour - 17*time.Minute) // Some of the period lies ahead.
	events := slices.DeleteFunc(sampleEvents(from, length, 300, 6), func(e event.Event) bool { return e.Kind != event.KindExecution })
	for i := range events { // On the second, so that ends of buckets are hit.
		events[i].Time = floorTo(events[i].Time, 60_000)
	}
	s := querytest.New(t)
	s.Insert(t, events...)
	s.Settle(t)
	type life struct {
		workflow, user string
		from, to       int64
	}
	lives := map[string]*life{}
	for _, e := range events {
		if e.Status == event.StatusStarted {
			lives[e.ID] = &life{e.WorkflowID, e.UserID, e.Time, 1 << 60}
		}
	}
	for _, e := range events {
		if l := lives[e.ID]; l != nil && e.Status != event.StatusStarted {
			l.to = e.Time
		}
	}
	e := newEngine(t, s, now, Limits{})
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Int64Range(0, length.Milliseconds()-1).Draw(t, "a")
		b := rapid.Int64Range(a+1, length.Milliseconds()).Draw(t, "b")
		if rapid.Bool().Draw(t, "aligned") {
			a, b = floorTo(a, 3_600_000), floorTo(b, 3_600_000)+3_600_000
		}
		r := Request{
			Metrics: []string{"executions_running"}, From: from.Add(time.Duration(a) * time.Millisecond), To: from.Add(time.Duration(b) * time.Millisecond),
			Granularity: Granularity(rapid.SampledFrom([]string{"", "15m", "hour", "day"}).Draw(t, "g")),
		}
		if rapid.Bool().Draw(t, "by workflow") {
			r.GroupBy = []string{metric.Workflow}
		}
		p, users := drawPrincipal(t)
		res, err := e.Do(testContext(t), p, r)
		require.NoError(t, err)
		got := rowsOf(res, r.GroupBy)

		state := func(at int64) map[string]int {
			out := map[string]int{}
			for _, l := range lives {
				if l.from <= at && at < l.to && (users == nil || slices.Contains(users, l.user)) {
					out[l.workflow]++
				}
			}
			return out
		}
		check := func(moment string, at time.Time) {
			counts := state(min(at.UnixMilli(), r.To.UnixMilli(), now.UnixMilli()))
			if len(r.GroupBy) == 0 {
				total := 0
				for _, n := range counts {
					total += n
				}
				require.Equal(t, number(float64(total)), got[groupKey(moment, nil)]["executions_running"], moment)
				return
			}
			for workflow, n := range counts {
				require.Equal(t, number(float64(n)), got[groupKey(moment, []string{workflow})]["executions_running"], moment+workflow)
			}
			for _, workflow := range []string{"", "wf-a", "wf-b", "it's \\ odd"} {
				if line, ok := got[groupKey(moment, []string{workflow})]; ok {
					require.Equal(t, number(float64(counts[workflow])), line["executions_running"])
				}
			}
		}
		if r.Granularity == Whole {
			check("", r.To)
			return
		}
		width := map[Granularity]time.Duration{Quarter: 15 * time.Minute, Hour: time.Hour, Day: 24 * time.Hour}[r.Granularity]
		buckets := 0
		for at := r.From.Truncate(width); at.Before(r.To) && at.Before(now); at = at.Add(width) {
			check(at.UTC().Format(time.RFC3339), at.Add(width))
			buckets++
		}
		if len(r.GroupBy) == 0 {
			require.Equal(t, buckets, res.Frame.Rows())
		}
	})
}
