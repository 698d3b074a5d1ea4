package query

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse/history"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// past is a database with a history, and all that was ever stored in it.
type past struct {
	*querytest.Store
	from, now time.Time // events are of the first days from from
	rows      []querytest.Row
}

// patient is for machines that have other things to do.
var patient = Limits{Timeout: 10 * time.Minute}

const pastLength = 3 * 24 * time.Hour

// newPast stores late events, duplicates, corrections, corrections of the time, new
// prices, and steps whose executions come later. The raw tables are merged, so that
// they have forgotten what was replaced.
func newPast(t *testing.T) *past {
	now := time.Now().UTC().Truncate(24 * time.Hour)
	w := &past{Store: querytest.New(t), now: now, from: now.AddDate(0, 0, -24)}
	w.History(t, 60, func() time.Time { return w.now })
	w.rows = deliveries(w.from, w.now)
	for batch := range slices.Chunk(w.rows, len(w.rows)/3+1) {
		w.Write(t, batch...)
	}
	for _, table := range append([]string{"executions_by_id"}, history.Tables...) {
		w.Exec(t, "OPTIMIZE TABLE "+w.Table(table)+" FINAL")
	}
	return w
}

// deliveries are rows in the order of their receipt.
func deliveries(from, now time.Time) []querytest.Row {
	r := rand.New(rand.NewPCG(11, 7))
	last := now.Add(-24 * time.Hour)
	var rows []querytest.Row
	n := 0
	receive := func(e event.Event, at time.Time) {
		n++ // No two are received in one microsecond.
		rows = append(rows, querytest.Received(e, at.Truncate(time.Second).Add(time.Duration(n)*time.Microsecond))...)
	}
	later := func(at time.Time) time.Time { return at.Add(time.Duration(r.Int64N(int64(last.Sub(at))))) }
	for _, e := range sampleEvents(from, pastLength, 130, 5) {
		e.PreviousTime = event.NoTime
		at := time.UnixMilli(e.Time).Add(time.Duration(r.IntN(5000)) * time.Millisecond)
		if r.IntN(3) == 0 {
			at = later(at)
		}
		receive(e, at)
		for range r.IntN(3) {
			at = later(at)
			switch r.IntN(4) {
			case 0: // once more, as it was
			case 1:
				e.WorkflowID, e.UserID = []string{"wf-a", "wf-b"}[r.IntN(2)], []string{"ann", "bob"}[r.IntN(2)]
				if e.Kind == event.KindActivity { // is of no workflow
					e.WorkflowID = ""
				}
			case 2:
				if e.Kind == event.KindCost {
					e.Credits, e.Dollars = e.Credits.Add(e.Credits), e.Dollars.Neg()
				} else {
					e.Duration += 1000
				}
			case 3:
				e.PreviousTime = e.Time
				e.Time += r.Int64N(40 * 3_600_000)
			}
			receive(e, at)
			e.PreviousTime = event.NoTime
		}
		if e.Kind == event.KindCost && r.IntN(3) == 0 {
			top := rows[len(rows)-1]
			if top.Deleted == 1 { // of where it came from
				top = rows[len(rows)-2]
			}
			priced := later(at)
			top.Version, top.PricedAt, top.StoredAt = top.Version+1, priced.Truncate(time.Millisecond), priced
			top.Dollars, top.Pricing = top.Dollars.Add(top.Credits), event.PricingDerived
			rows = append(rows, top)
		}
	}
	return rows
}

// knownAt is since when a row is known.
func knownAt(r *querytest.Row) time.Time {
	if !r.PricedAt.IsZero() {
		return r.PricedAt
	}
	return time.UnixMicro(int64(r.Version &^ schema.VersionMoved))
}

// standingAt returns the rows that stood at a moment, by their versions.
func standingAt(rows []querytest.Row, at time.Time) []querytest.Row {
	last := map[event.Identity]*querytest.Row{}
	for i := range rows {
		r := &rows[i]
		if top := last[r.Identity()]; knownAt(r).Before(at) && (top == nil || top.Version < r.Version) {
			last[r.Identity()] = r
		}
	}
	var out []querytest.Row
	for _, r := range last {
		if r.Deleted == 0 {
			out = append(out, *r)
		}
	}
	slices.SortFunc(out, func(a, b querytest.Row) int { return cmp.Compare(a.Version, b.Version) })
	return out
}

// oracleAt counts what stood at a moment.
func oracleAt(rows []querytest.Row, now, at time.Time) *oracle {
	var events []event.Event
	for _, r := range standingAt(rows, at) {
		events = append(events, r.Event)
	}
	return newOracle(now, events)
}

func (w *past) drawMoment(t *rapid.T, name string, after time.Time) time.Time {
	if rapid.IntRange(0, 9).Draw(t, name+" is now") == 9 {
		return w.now
	}
	return after.Add(time.Duration(1 + evenly(t, name, int64(w.now.Sub(after))))).Truncate(time.Microsecond)
}

func (o *oracle) rows(t require.TestingT, r Request, users []string, kind event.Kind) map[string]map[string]string {
	loc, err := time.LoadLocation(r.TimeZone)
	require.NoError(t, err)
	want := map[string]map[string]string{}
	for key, g := range o.groups(r, users, loc, kind) {
		want[key] = map[string]string{}
		for _, m := range r.Metrics {
			want[key][m] = g.value(m)
		}
	}
	return want
}

// An answer as of a moment is a recount of what had been received by then, however
// often it was replaced since; as of now it is the ordinary answer. The window may
// move on to any moment after which is asked.
func TestAnswersAsOfAMomentAreRecounts(t *testing.T) {
	w := newPast(t)
	w.Settle(t)
	e := newEngine(t, w.Store, w.now, patient)
	since := w.from
	check := func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			r, kind := drawRequest(t, w.from, pastLength)
			p, users := drawPrincipal(t)
			asOf := w.drawMoment(t, "asOf", since)
			asked := r
			asked.AsOf = asOf
			res, err := e.Do(testContext(t), p, asked)
			require.NoError(t, err)
			require.Equal(t, oracleAt(w.rows, w.now, asOf).rows(t, r, users, kind), rowsOf(res, r.GroupBy), "%v %+v\n%v", asOf, r, res.Meta.SQL)
			require.Equal(t, []string{"history"}, res.Meta.Sources)
			require.Equal(t, asOf.UTC(), res.Meta.AsOf)
			if asOf.Equal(w.now) {
				ordinary, err := e.Do(testContext(t), p, r)
				require.NoError(t, err)
				require.Equal(t, rowsOf(ordinary, r.GroupBy), rowsOf(res, r.GroupBy))
			}
		})
	}
	t.Run("all is in the history", check)

	k := w.History(t, 12, func() time.Time { return w.now })
	for range 3 { // the beginning is published, days are copied, days are dropped
		_, err := k.Advance(t.Context())
		require.NoError(t, err)
	}
	for _, table := range history.Tables {
		w.Exec(t, "OPTIMIZE TABLE "+w.Table(table+history.Baseline)+" FINAL")
	}
	state, err := history.Read(t.Context(), w.Client)
	require.NoError(t, err)
	require.Equal(t, w.now.AddDate(0, 0, -12), state.Earliest())
	require.Equal(t, w.now.AddDate(0, 0, -13).UnixMicro(), state.Moved)
	since = state.Earliest()
	t.Run("days have left the window", check)

	var bad *RequestError
	_, err = e.Do(t.Context(), admin, Request{Metrics: []string{"dollars"}, From: w.from, To: w.now, AsOf: since.Add(-time.Microsecond)})
	require.ErrorAs(t, err, &bad)
	require.Equal(t, "asOf", bad.Param)
	require.Equal(t, since.Format(time.RFC3339Nano), bad.Example, "the earliest moment that may be asked for")
}

// Without a history, in the first moments of one, and beyond what it knows, a question
// is refused rather than answered with the present.
func TestWhatHasNoHistoryIsRefused(t *testing.T) {
	s := querytest.New(t)
	now := time.Now().UTC()
	e := newEngine(t, s, now, patient)
	r := Request{Metrics: []string{"executions"}, From: now.AddDate(0, 0, -2), To: now, AsOf: now.Add(-time.Hour)}
	refused := func(r Request, words string) {
		t.Helper()
		var bad *RequestError
		_, err := e.Do(t.Context(), admin, r)
		require.ErrorAs(t, err, &bad)
		require.Contains(t, err.Error(), words)
	}
	refused(r, "history.days")
	k, err := history.New(history.Config{Client: s.Client, Days: 7, Holder: "test", Grace: -1})
	require.NoError(t, err)
	_, err = k.Advance(t.Context())
	require.NoError(t, err)
	refused(r, "ask again")
	_, err = k.Advance(t.Context())
	require.NoError(t, err)
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Empty(t, res.Meta.Notices)

	for _, m := range metric.All().Metrics {
		one := r
		one.Metrics = []string{m.Name}
		if slices.ContainsFunc(m.Sources, func(s metric.Source) bool { return !slices.Contains(historical, s) }) {
			refused(one, "no history")
			continue
		}
		if slices.Contains(m.Sources, metric.SourceRolling) {
			one.Granularity = Day
		}
		_, err := e.Do(t.Context(), admin, one)
		require.NoError(t, err, m.Name)
	}
	for _, kind := range []Kind{KindBudgets, KindForecast} {
		refused(Request{Kind: kind, From: r.From, To: r.To, AsOf: r.AsOf}, "does not take it")
	}
	r.From = now.AddDate(-1, 0, 0)
	refused(r, "93 days")
	r.From = now.AddDate(0, 0, -2)
	r.AsOf = time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)
	refused(r, "1970")
	r.AsOf = now.Add(-time.Second)
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Contains(t, res.Meta.Notices[0], "may not be stored yet")
	r.AsOf = now.Add(time.Hour)
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Contains(t, res.Meta.Notices[0], "lies ahead")
}

// Every kind that takes asOf gives the answer that it gave then.
func TestKindsAnswerAsTheyDid(t *testing.T) {
	now := time.Now().UTC().Truncate(24 * time.Hour)
	from := now.AddDate(0, 0, -10)
	w := &past{Store: querytest.New(t), now: now, from: from}
	w.History(t, 60, func() time.Time { return now })
	rows := deliveries(from, now)
	slices.SortStableFunc(rows, func(a, b querytest.Row) int { return knownAt(&a).Compare(knownAt(&b)) })
	cut := len(rows) / 2
	for knownAt(&rows[cut]).Equal(knownAt(&rows[cut-1])) {
		cut++
	}
	moment := knownAt(&rows[cut])
	period := Request{From: from, To: from.Add(pastLength)}
	user, execution := "ann", ""
	for _, r := range standingAt(rows, moment) {
		if r.Kind == event.KindExecution && r.Phase() == event.PhaseTerminal {
			execution = r.ID
		}
	}
	byWorkflow := []Filter{{Dimension: metric.Workflow, Operator: In, Values: []string{"wf-a"}}}
	ask := map[string]Request{
		"errors":         {Kind: KindErrors, Granularity: Day},
		"cost_breakdown": {Kind: KindCostBreakdown},
		"reconciliation": {Kind: KindReconciliation},
		"waterfall":      {Kind: KindWaterfall, Params: map[string]string{"execution": execution}},
		"bottlenecks":    {Kind: KindBottlenecks, Filters: byWorkflow},
		"ranking":        {Kind: KindRanking},
		"comparison":     {Kind: KindComparison, Filters: byWorkflow, Params: map[string]string{"subject": "versions", "baseline": "1", "candidate": "2"}},
		"durations":      {Kind: KindDurations, Granularity: Hour},
		"annotations":    {Kind: KindAnnotations, Params: map[string]string{"of": "incidents", "min_executions": "1"}},
		"executions":     {Kind: KindExecutions, Granularity: Day, Params: map[string]string{"each": "3"}},
		"sessions":       {Kind: KindSessions},
		"engagement":     {Kind: KindEngagement},
		"audit_trail":    {Kind: KindAuditTrail, Params: map[string]string{"user": user}},
		"rolling":        {Metrics: []string{"active_users_7d", "sessions", "execution_conflicts"}},
	}
	answers := func(e *Engine, asOf time.Time) map[string]*Result {
		out := map[string]*Result{}
		for name, r := range ask {
			r.From, r.To, r.AsOf = period.From, period.To, asOf
			res, err := e.Do(t.Context(), admin, r)
			require.NoError(t, err, name)
			out[name] = res
		}
		return out
	}
	w.Write(t, rows[:cut]...)
	w.Settle(t)
	// A period that is over when it is asked about, as it is afterwards.
	then := answers(newEngine(t, w.Store, moment, patient), time.Time{})
	w.Write(t, rows[cut:]...)
	w.Settle(t)
	for _, table := range append([]string{"executions_by_id"}, history.Tables...) {
		w.Exec(t, "OPTIMIZE TABLE "+w.Table(table)+" FINAL")
	}
	e := newEngine(t, w.Store, now, patient)
	changed := 0
	ordinary := answers(e, time.Time{})
	for name, res := range answers(e, moment) {
		require.Equal(t, then[name].Exact, res.Exact, name)
		require.Equal(t, frameText(t, then[name]), frameText(t, res), name)
		if frameText(t, res) != frameText(t, ordinary[name]) {
			changed++
		}
	}
	require.Greater(t, changed, len(ask)/2, "most answers are others by now")
	for _, k := range Kinds() {
		takes := slices.Contains(k.Uses, "asOf")
		_, asked := ask[string(k.Kind)]
		require.Equal(t, takes, asked || k.Kind == KindMetrics || k.Kind == KindRestatements, k.Kind)
	}
}

func frameText(t *testing.T, r *Result) string {
	t.Helper()
	text, err := r.Frame.MarshalJSON()
	require.NoError(t, err)
	return string(text)
}

// An earlier state is seen within the same scope and under the same policy.
func TestAsOfKeepsScopeAndPolicy(t *testing.T) {
	s := querytest.New(t)
	now := time.Now().UTC().Truncate(time.Hour)
	s.History(t, 30, time.Now)
	at := now.Add(-48 * time.Hour)
	cost := costAt("c1", at, "ann")
	s.Write(t, querytest.Received(cost, at)...)
	cost.UserID = "bob" // It was not hers.
	s.Write(t, querytest.Received(cost, at.Add(time.Hour))...)
	s.Settle(t)
	r := Request{Metrics: []string{"cost_records"}, GroupBy: []string{"user"}, From: at.Add(-time.Hour), To: now, AsOf: at.Add(time.Minute)}
	records := func(e *Engine, p access.Principal) map[string]string {
		res, err := e.Do(t.Context(), p, r)
		require.NoError(t, err)
		out := map[string]string{}
		for row := range res.Frame.Rows() {
			out[res.Frame.Fields[0].At(row).(string)] = textOf(res, res.Frame.Fields[1], row)
		}
		return out
	}
	viewer := func(id string) access.Principal {
		return access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: id}
	}
	e := newEngine(t, s, now, patient)
	require.Equal(t, map[string]string{"ann": "1"}, records(e, viewer("ann")), "hers then")
	require.Empty(t, records(e, viewer("bob")))
	require.Empty(t, records(e, access.Principal{Tenant: "other", Role: access.RoleAdmin}))
	key := []byte("0123456789abcdef")
	guarded, err := New(Config{Client: s.Client, Now: func() time.Time { return now }, PendingTTL: -1, Policies: rolePolicies{access.RoleAdmin: {PseudonymKey: key}}})
	require.NoError(t, err)
	require.Equal(t, map[string]string{access.Pseudonym(key, "ann"): "1"}, records(guarded, admin))
	few, err := New(Config{Client: s.Client, Now: func() time.Time { return now }, PendingTTL: -1, Policies: rolePolicies{access.RoleAdmin: {Minimum: 2}}})
	require.NoError(t, err)
	require.Empty(t, records(few, admin))
	r.AsOf = time.Time{}
	require.Equal(t, map[string]string{"bob": "1"}, records(e, viewer("bob")), "his now")
}

func costAt(id string, at time.Time, user string) event.Event {
	return event.Event{
		Kind: event.KindCost, Tenant: "acme", ID: id, Time: at.UnixMilli(), PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		UserID: user, WorkflowID: "wf", ActionType: "llm", Credits: event.Decimal{Lo: 1_000_000_000_000_000},
	}
}

// What the sink writes is what the history knows, corrections of the time included.
func TestTheSinkFillsTheHistory(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	start := now.Add(-72 * time.Hour)
	in := newIntake(t, start)
	in.store.History(t, 30, time.Now)
	e := newEngine(t, in.store, now, patient)
	records := func(asOf time.Time) map[string]string {
		r := Request{Metrics: []string{"credits"}, From: start.Add(-24 * time.Hour), To: now, Granularity: Hour, AsOf: asOf}
		res, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		out := map[string]string{}
		for row := range res.Frame.Rows() {
			at := res.Frame.Fields[0].At(row).(time.Time)
			out[strconv.Itoa(int(at.Sub(start.Truncate(time.Hour)).Hours()))] = textOf(res, res.Frame.Fields[1], row)
		}
		return out
	}
	cost := costAt("c", start, "ann")
	moved := cost
	moved.Time, moved.PreviousTime = start.Add(5*time.Hour).UnixMilli(), cost.Time
	back := cost
	back.PreviousTime = moved.Time
	in.at(start, record(cost))
	in.drain()
	in.at(start.Add(time.Hour), record(moved))
	in.drain()
	in.at(start.Add(2*time.Hour), record(cost)) // what was sent before the correction, once more
	in.drain()
	in.at(start.Add(3*time.Hour), record(back))
	in.drain()
	in.store.Exec(t, "OPTIMIZE TABLE "+in.store.Table("costs")+" FINAL")
	require.Empty(t, records(start))
	require.Equal(t, map[string]string{"0": "1"}, records(start.Add(time.Minute)))
	require.Equal(t, map[string]string{"5": "1"}, records(start.Add(90*time.Minute)))
	require.Equal(t, map[string]string{"5": "1"}, records(start.Add(150*time.Minute)))
	require.Equal(t, map[string]string{"0": "1"}, records(start.Add(4*time.Hour)))
}

// What ran at a moment is known as it was known at another.
func TestWhatRanAsItWasKnown(t *testing.T) {
	w := newPast(t)
	w.Settle(t)
	e := newEngine(t, w.Store, w.now, patient)
	rapid.Check(t, func(t *rapid.T) {
		asOf := w.drawMoment(t, "asOf", w.from)
		from := w.from.Add(time.Duration(evenly(t, "from", int64(pastLength))))
		from = from.Truncate(time.Hour)
		r := Request{
			Metrics: []string{"executions_running"}, From: from, To: from.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "hours")) * time.Hour),
			Granularity: Granularity(rapid.SampledFrom([]string{"", "hour"}).Draw(t, "granularity")), AsOf: asOf,
		}
		p, users := drawPrincipal(t)
		// Of each execution the first start and end, and who its latest row says it is of.
		type run struct {
			start, end int64
			user       string
		}
		runs := map[string]*run{}
		for _, row := range standingAt(w.rows, asOf) {
			if row.Kind != event.KindExecution {
				continue
			}
			x := runs[row.ID]
			if x == nil {
				x = &run{start: 1 << 62, end: 1 << 62}
				runs[row.ID] = x
			}
			x.user = row.UserID
			if row.Phase() == event.PhaseStarted {
				x.start = min(x.start, row.Time)
			} else {
				x.end = min(x.end, row.Time)
			}
		}
		at := func(moment time.Time) string {
			n := 0
			for _, x := range runs {
				if x.start <= moment.UnixMilli() && moment.UnixMilli() < x.end && (users == nil || slices.Contains(users, x.user)) {
					n++
				}
			}
			return strconv.Itoa(n)
		}
		want := map[string]string{}
		if r.Granularity == Whole {
			want[""] = at(slices.MinFunc([]time.Time{r.To, asOf}, time.Time.Compare))
		} else {
			for hour := r.From; hour.Before(r.To) && hour.Before(asOf.Truncate(time.Second)); hour = hour.Add(time.Hour) {
				want[hour.UTC().Format(time.RFC3339)] = at(slices.MinFunc([]time.Time{hour.Add(time.Hour), asOf}, time.Time.Compare))
			}
		}
		res, err := e.Do(testContext(t), p, r)
		require.NoError(t, err)
		got := map[string]string{}
		for key, line := range rowsOf(res, nil) {
			got[key[:len(key)-1]] = line["executions_running"]
		}
		require.Equal(t, want, got, "as of %v %+v\n%v", asOf, r, res.Meta.SQL)
	})
}
