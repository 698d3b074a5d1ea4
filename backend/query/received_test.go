package query

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/collector/sink"
)

// intake is a real log and a real sink in front of a store.
type intake struct {
	t     *testing.T
	store *querytest.Store
	log   *wal.Log
	clock time.Time
	adds  map[string]*event.Event // what a plugin adds to events, by their id
}

func newIntake(t *testing.T, clock time.Time) *intake {
	in := &intake{t: t, store: querytest.New(t), clock: clock}
	var err error
	in.log, err = wal.New(wal.Options{Dir: t.TempDir(), Now: func() time.Time { return in.clock }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, in.log.Close()) })
	return in
}

// at receives records at a moment.
func (in *intake) at(clock time.Time, records ...[]byte) {
	in.t.Helper()
	in.clock = clock
	require.NoError(in.t, in.log.Append(in.t.Context(), records))
}

// drain stores what was received.
func (in *intake) drain() {
	in.t.Helper()
	s, err := sink.New(sink.Config{Consumer: in.log, Client: in.store.Client, Enrich: in, Linger: time.Millisecond})
	require.NoError(in.t, err)
	ctx, cancel := context.WithCancel(in.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(in.t, func() bool { return in.log.Stats().Pending == 0 }, time.Minute, 5*time.Millisecond)
	cancel()
	require.NoError(in.t, <-ended)
}

// Enrich does what plugins that add events do.
func (in *intake) Enrich(_ context.Context, events []event.Event) ([]enrich.Result, error) {
	results := make([]enrich.Result, len(events))
	for i := range events {
		if add := in.adds[events[i].ID]; add != nil {
			results[i].Added = []*event.Event{add}
		}
	}
	return results, nil
}

// Err says that no events wait.
func (in *intake) Err() error { return nil }

func record(e event.Event) []byte { return event.AppendBinary(nil, &e) }

func sent(source, id string, at time.Time) event.Event {
	e := executionAt(id, "wf", at)
	e.Source, e.EndTime, e.QueuedTime, e.PreviousTime = source, event.NoTime, event.NoTime, event.NoTime
	return e
}

// What was received adds up, and what was replaced is what was stored and does not
// stand, minute by minute of receipt.
func TestCompleteness(t *testing.T) {
	noon := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	in := newIntake(t, noon)
	own := noon.AddDate(0, -2, 0) // Events are late; their receipt is what counts here.
	a, b, c := sent("crm", "a", own), sent("crm", "b", own), sent("erp", "c", own)
	in.at(noon, record(a), record(b), record(c),
		event.AppendDuplicates(nil, &event.Duplicates{Tenant: "acme", Source: "crm", Kind: event.KindExecution, Count: 3}),
		event.AppendDeadLetter(nil, &event.DeadLetter{Tenant: "acme", Source: "crm", Kind: event.KindCost, Code: event.CodeMissingField}))
	moved := a
	moved.PreviousTime, moved.Time = a.Time, a.Time+86400_000
	in.at(noon.Add(59*time.Second), record(b))
	in.at(noon.Add(time.Minute), record(b), record(moved), record(a)) // The original again: stored, and not standing.
	back := moved
	back.PreviousTime, back.Time = moved.Time, a.Time
	in.at(noon.Add(2*time.Minute), record(back))
	fragment := event.Fragment{
		Tenant: "acme", Source: "lineage", Run: "r", Status: event.StatusCompleted, Time: own.UnixMilli(), Duration: 5, Workflow: "w",
	}
	in.at(noon.Add(2*time.Minute), event.AppendFragment(nil, &fragment))
	cost := sent("crm", "b/own/0", own)
	cost.Kind, cost.ActionType = event.KindCost, "call"
	in.adds = map[string]*event.Event{"b": &cost} // Each of the three times that b comes.
	in.drain()

	e := newEngine(t, in.store, noon.Add(time.Hour), Limits{})
	r := Request{
		Metrics: []string{"events_received", "events_accepted", "events_duplicate", "events_rejected", "events_added", "events_stored", "events_visible", "events_replaced"},
		From:    noon, To: noon.Add(3 * time.Minute), GroupBy: []string{"source", "event_kind"},
	}
	figures := func(received, accepted, duplicate, rejected, added, stored, visible, replaced int) map[string]string {
		out := map[string]string{}
		for i, n := range []int{received, accepted, duplicate, rejected, added, stored, visible, replaced} {
			out[r.Metrics[i]] = strconv.Itoa(n)
		}
		return out
	}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	got := rowsOf(res, r.GroupBy)
	require.Equal(t, figures(10, 7, 3, 0, 0, 7, 2, 5), got[groupKey("", []string{"crm", "execution"})])
	require.Equal(t, figures(1, 0, 0, 1, 3, 3, 1, 2), got[groupKey("", []string{"crm", "cost"})])
	require.Equal(t, figures(1, 1, 0, 0, 0, 1, 1, 0), got[groupKey("", []string{"erp", "execution"})])
	require.Equal(t, "1", got[groupKey("", []string{"lineage", "fragment"})]["events_stored"])
	require.Equal(t, "1", got[groupKey("", []string{"lineage", "execution"})]["events_visible"])
	require.Equal(t, "0", got[groupKey("", []string{"lineage", "execution"})]["events_replaced"], "its rows are made")

	r.GroupBy, r.Granularity = nil, Minute
	r.Filters = []Filter{{"source", In, []string{"crm"}}, {"event_kind", In, []string{"execution"}}}
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	minute := func(n int) string { return groupKey(noon.Add(time.Duration(n)*time.Minute).Format(time.RFC3339), nil) }
	require.Equal(t, map[string]map[string]string{
		minute(0): figures(6, 3, 3, 0, 0, 3, 0, 3),
		minute(1): figures(3, 3, 0, 0, 0, 3, 1, 2),
		minute(2): figures(1, 1, 0, 0, 0, 1, 1, 0),
	}, rowsOf(res, nil))

	r.From = r.To.Add(-32 * 24 * time.Hour)
	_, err = e.Do(t.Context(), admin, r)
	var wrong *RequestError
	require.ErrorAs(t, err, &wrong)
	require.Contains(t, wrong.Message, "31 days")
}

func TestConflicts(t *testing.T) {
	noon := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	in := newIntake(t, noon)
	again := func(id string, after time.Duration, status event.Status) event.Event {
		e := sent("crm", id, noon.Add(after))
		e.Status, e.Attempt = status, uint32(after/time.Minute)
		return e
	}
	started := again("twice", -time.Hour, event.StatusStarted)
	correction := again("corrected", time.Minute, event.StatusCompleted)
	correction.PreviousTime = noon.UnixMilli()
	other := again("twice", 5*time.Minute, event.StatusCompleted)
	other.Tenant = "other"
	in.at(noon, record(started), record(again("twice", 0, event.StatusFailed)), record(again("twice", time.Minute, event.StatusCompleted)),
		record(again("once", 0, event.StatusFailed)), record(again("once", 0, event.StatusCompleted)), // The same end, corrected.
		record(again("corrected", 0, event.StatusFailed)), record(correction), record(other),
		record(again("far", -90*24*time.Hour, event.StatusFailed)), record(again("far", -time.Minute, event.StatusFailed)), record(again("far", 2*time.Hour, event.StatusFailed)))
	in.drain()
	e := newEngine(t, in.store, noon.Add(24*time.Hour), Limits{})
	r := Request{Metrics: []string{"execution_conflicts", "execution_conflict_span"}, From: noon.Add(-time.Hour), To: noon.Add(time.Hour), GroupBy: []string{"execution"}}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]string{
		groupKey("", []string{"twice"}): {"execution_conflicts": "1", "execution_conflict_span": "60000"},
	}, rowsOf(res, r.GroupBy), "an execution belongs to its last end")
	r.To = noon.Add(3 * time.Hour)
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, "2", rowsOf(res, r.GroupBy)[groupKey("", []string{"far"})]["execution_conflicts"], "also ends long before the period")

	list := func(limit int) []string {
		res, err := e.Conflicts(t.Context(), admin, Request{From: r.From, To: r.To, Limit: limit})
		require.NoError(t, err)
		require.Equal(t, limit == 1, res.Meta.Truncated)
		var out []string
		for i := range res.Frame.Rows() {
			out = append(out, fmt.Sprint(res.Frame.Fields[0].At(i), " ", res.Frame.Fields[2].At(i).(time.Time).Format(time.RFC3339), " ", res.Frame.Fields[3].At(i), " ", res.Frame.Fields[5].At(i)))
			require.Equal(t, noon, res.Frame.Fields[6].At(i))
		}
		return out
	}
	all := []string{
		"far 2025-12-28T12:00:00Z failed crm", "far 2026-03-28T11:59:00Z failed crm", "far 2026-03-28T14:00:00Z failed crm",
		"twice 2026-03-28T12:00:00Z failed crm", "twice 2026-03-28T12:01:00Z completed crm",
	}
	require.Equal(t, all, list(0))
	require.Equal(t, all[:3], list(1))
	_, err = e.Conflicts(t.Context(), access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}, Request{From: r.From, To: r.To})
	var denied *AccessError
	require.ErrorAs(t, err, &denied)
}

func TestDeadLetterFigures(t *testing.T) {
	noon := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	in := newIntake(t, noon)
	letter := func(tenant string, code event.Code) []byte {
		return event.AppendDeadLetter(nil, &event.DeadLetter{Tenant: tenant, Source: "crm", Code: code})
	}
	in.at(noon, letter("acme", event.CodeMissingField), letter("acme", event.CodeMissingField), letter("other", event.CodeTooDeep))
	in.at(noon.Add(time.Minute), letter("acme", event.CodeTooLong))
	in.drain()
	in.store.Exec(t, fmt.Sprintf("INSERT INTO %[1]s (tenant, version, log, partition, source, code, state, change) SELECT tenant, version, log, partition, source, code, 'discarded', 1 FROM %[1]s WHERE code = 'too_long'", in.store.Table("dead_letters")))
	e := newEngine(t, in.store, noon.Add(time.Hour), Limits{})
	r := Request{Metrics: []string{"dead_letters"}, From: noon, To: noon.Add(2 * time.Minute), GroupBy: []string{"reject_code", "dead_letter_state"}}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]string{
		groupKey("", []string{"missing_field", "open"}): {"dead_letters": "2"},
		groupKey("", []string{"too_long", "discarded"}): {"dead_letters": "1"},
	}, rowsOf(res, r.GroupBy))
	values, err := e.Values(t.Context(), admin, ValuesRequest{Dimension: "dead_letter_state", From: r.From, To: r.To})
	require.NoError(t, err)
	require.Equal(t, []string{"open", "discarded"}, values)
	_, err = e.Values(t.Context(), access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}, ValuesRequest{Dimension: "dead_letter_state", From: r.From, To: r.To})
	var denied *AccessError
	require.ErrorAs(t, err, &denied)
	_, err = e.Values(t.Context(), admin, ValuesRequest{Dimension: "execution", From: r.From, To: r.To})
	var wrong *RequestError
	require.ErrorAs(t, err, &wrong)
}
