package query

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// A list of executions has those that an oracle counts, in its order.
func TestExecutionListsAreARecount(t *testing.T) {
	from := time.Date(2026, 3, 24, 0, 0, 0, 0, time.UTC)
	const length = 10 * 24 * time.Hour
	events := slices.DeleteFunc(sampleEvents(from, length, 400, 31), func(e event.Event) bool { return e.Kind != event.KindExecution })
	s := querytest.New(t)
	s.Insert(t, events...)
	s.Insert(t, events[:100]...)
	e, o := newEngine(t, s, from.Add(length), Limits{}), newOracle(from, events)
	rapid.Check(t, func(t *rapid.T) {
		r := Request{Kind: KindExecutions, Limit: rapid.SampledFrom([]int{0, 1, 7, 1000}).Draw(t, "limit"), Params: map[string]string{}}
		r.TimeZone = rapid.SampledFrom(testZones).Draw(t, "zone")
		r.Granularity = Granularity(rapid.SampledFrom([]string{"", "hour", "day"}).Draw(t, "granularity"))
		r.From = from.Add(time.Duration(rapid.Int64Range(0, int64(length-time.Millisecond)).Draw(t, "from")))
		r.To = from.Add(length)
		status := rapid.SampledFrom([]string{"", "completed", "failed"}).Draw(t, "status")
		order := rapid.SampledFrom([]string{"", "duration_ms", "time"}).Draw(t, "order")
		hash := rapid.SampledFrom([]string{"", strconv.FormatUint(event.Fingerprint("order 1 failed"), 10), "7"}).Draw(t, "fingerprint")
		each := rapid.IntRange(1, 3).Draw(t, "each")
		for name, value := range map[string]string{"status": status, "order": order, "fingerprint": hash, "each": strconv.Itoa(each)} {
			if value != "" {
				r.Params[name] = value
			}
		}
		workflow := rapid.SampledFrom([]string{"", "wf-a"}).Draw(t, "workflow")
		if workflow != "" {
			r.Filters = []Filter{{Dimension: metric.Workflow, Operator: In, Values: []string{workflow}}}
		}
		p, users := drawPrincipal(t)
		loc, err := time.LoadLocation(r.TimeZone)
		require.NoError(t, err)

		var want []*event.Event
		for i := range o.events {
			ev := &o.events[i]
			failed := ev.Status == event.StatusFailed
			switch at := time.UnixMilli(ev.Time); {
			case ev.Phase() != event.PhaseTerminal, at.Before(ceilMilli(r.From)), !at.Before(r.To), !sees(users, ev.UserID):
			case workflow != "" && ev.WorkflowID != workflow, status != "" && ev.Status.String() != status:
			case hash != "" && (!failed || strconv.FormatUint(event.Fingerprint(ev.ErrorMessage), 10) != hash):
			default:
				want = append(want, ev)
			}
		}
		slices.SortFunc(want, func(a, b *event.Event) int {
			if order == "time" {
				return cmp.Or(cmp.Compare(b.Time, a.Time), strings.Compare(a.ID, b.ID))
			}
			return cmp.Or(cmp.Compare(b.Duration, a.Duration), cmp.Compare(b.Time, a.Time), strings.Compare(a.ID, b.ID))
		})
		if r.Granularity != Whole {
			taken := map[time.Time]int{}
			want = slices.DeleteFunc(want, func(ev *event.Event) bool {
				bucket := bucketStart(r.Granularity, time.UnixMilli(ev.Time).In(loc)).UTC()
				taken[bucket]++
				return taken[bucket] > each
			})
		}
		limit := r.Limit
		if limit == 0 {
			limit = defaultListed
		}
		truncated := len(want) > limit
		want = want[:min(limit, len(want))]
		res, err := e.Do(testContext(t), p, r)
		require.NoError(t, err)
		require.Equal(t, truncated, res.Meta.Truncated)
		require.Equal(t, len(want), res.Frame.Rows())
		ids, times, durations := fieldOf[string](t, res.Frame, "execution"), fieldOf[time.Time](t, res.Frame, "time"), fieldOf[int64](t, res.Frame, "duration_ms")
		states, messages, hashes := fieldOf[string](t, res.Frame, "status"), fieldOf[string](t, res.Frame, "error_message"), fieldOf[string](t, res.Frame, "fingerprint")
		for i, ev := range want {
			require.Equal(t, []any{ev.ID, ev.Time, ev.Duration, ev.Status.String(), ev.ErrorMessage, strconv.FormatUint(event.Fingerprint(ev.ErrorMessage), 10)},
				[]any{ids[i], times[i].UnixMilli(), durations[i], states[i], messages[i], hashes[i]})
		}
	})
	for params, message := range map[[2]string]string{
		{"fingerprint", "x"}: "no fingerprint", {"each", "101"}: "from 1 to 100", {"order", "cost"}: "no such value", {"status", "started"}: "no such value",
	} {
		_, err := e.Do(t.Context(), admin, Request{Kind: KindExecutions, From: from, To: from.Add(time.Hour), Params: map[string]string{params[0]: params[1]}})
		require.ErrorContains(t, err, message)
	}
	_, err := e.Do(t.Context(), admin, Request{Kind: KindExecutions, From: from.AddDate(-1, 0, 0), To: from})
	require.ErrorContains(t, err, "up to 93 days")
}

// What a policy keeps back is kept back of single executions too.
func TestExecutionListsUnderAPolicy(t *testing.T) {
	s := querytest.New(t)
	failed := event.Event{
		Kind: event.KindExecution, Status: event.StatusFailed, Tenant: "acme", ID: "run-1", Time: keptFrom.Add(time.Hour).UnixMilli(), PreviousTime: event.NoTime,
		WorkflowID: "billing", UserID: "ann", ErrorMessage: "no mail to ann", Duration: 5,
	}
	s.Insert(t, failed)
	s.Settle(t)
	ask := func(policy Policy, params map[string]string) (*Result, error) {
		e, err := New(Config{
			Client: s.Client, Now: func() time.Time { return keptFrom.Add(48 * time.Hour) }, PendingTTL: -1,
			Policies: rolePolicies{access.RoleAdmin: policy},
		})
		require.NoError(t, err)
		return e.Do(t.Context(), admin, keptQuestion(KindExecutions, params))
	}
	res, err := ask(Policy{PseudonymKey: key}, nil)
	require.NoError(t, err)
	pseudonym := access.Pseudonym(key, "ann")
	require.Equal(t, []string{pseudonym}, fieldOf[string](t, res.Frame, "user"))
	require.Equal(t, []string{"no mail to " + pseudonym}, fieldOf[string](t, res.Frame, "error_message"))
	hash := strconv.FormatUint(event.Fingerprint(failed.ErrorMessage), 10)
	res, err = ask(Policy{PseudonymKey: key}, map[string]string{"fingerprint": hash})
	require.NoError(t, err)
	require.Equal(t, 1, res.Frame.Rows())

	res, err = ask(Policy{Redact: []string{metric.Execution, "error_message"}}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{Redacted}, fieldOf[string](t, res.Frame, "execution"))
	require.Equal(t, []string{Redacted}, fieldOf[string](t, res.Frame, "error_message"))

	var denied *AccessError
	_, err = ask(Policy{Redact: []string{"fingerprint"}}, map[string]string{"fingerprint": hash})
	require.ErrorAs(t, err, &denied)
	_, err = ask(Policy{Minimum: 2}, nil)
	require.ErrorAs(t, err, &denied, "each row is about one user")
}
