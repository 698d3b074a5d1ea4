package budget

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

var (
	admin   = access.Principal{Tenant: "acme", Role: access.RoleAdmin}
	manager = access.Principal{Tenant: "acme", Role: access.RoleManager, TeamUserIDs: []string{"ann", "bob"}}
	viewer  = access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}
)

func members(_ context.Context, tenant, team string) ([]string, error) {
	return map[string][]string{"acme/research": {"ann", "bob"}, "acme/all": {"ann", "cem"}}[tenant+"/"+team], nil
}

func of(dimension string, values ...string) []query.Filter {
	return []query.Filter{{Dimension: dimension, Operator: query.In, Values: values}}
}

// Who sees a budget and who may change it, by what it is for.
func TestAccess(t *testing.T) {
	s := querytest.New(t)
	service, err := NewService(Config{Store: NewStore(s.Client), Members: members})
	require.NoError(t, err)
	for _, c := range []struct {
		id              string
		filters         []query.Filter
		manager, viewer bool // see it; the manager may change what she sees
	}{
		{"everything", nil, false, false},
		{"workflow", of("workflow", "wf-a"), false, false},
		{"own", of("user", "ann"), true, true},
		{"pair", of("user", "ann", "bob"), true, false},
		{"stranger", of("user", "ann", "cem"), false, false},
		{"nobody", of("user", "", "ann"), false, false},
		{"others", []query.Filter{{Dimension: "user", Operator: query.NotIn, Values: []string{"cem"}}}, false, false},
		{"team", of("team", "research"), true, false},
		{"team-of-others", of("team", "all"), false, false},
		{"no-team", of("team", "unknown"), false, false},
		{"both", append(of("user", "ann"), of("workflow", "wf-a")...), true, true},
	} {
		b := monthly(c.id)
		b.Filters = c.filters
		_, err := service.Put(t.Context(), viewer, "test", b, 0)
		var refused *query.AccessError
		require.ErrorAs(t, err, &refused)
		_, err = service.Put(t.Context(), manager, "test", b, 0)
		require.Equal(t, c.manager, err == nil, "%s: %v", c.id, err)
		if err != nil {
			require.ErrorAs(t, err, &refused)
			_, err = service.Put(t.Context(), admin, "test", b, 0)
			require.NoError(t, err)
		}
		for p, sees := range map[*access.Principal]bool{&admin: true, &manager: c.manager, &viewer: c.viewer, {Tenant: "other", Role: access.RoleAdmin}: false} {
			got, err := service.Get(t.Context(), *p, c.id)
			require.Equal(t, sees, err == nil, "%s %s", c.id, p.Role)
			if sees {
				require.Equal(t, c.filters, got.Filters)
			} else {
				require.True(t, isNotFound(err))
			}
		}
	}
	list, err := service.List(t.Context(), viewer)
	require.NoError(t, err)
	require.Len(t, list, 2)

	// A manager cannot take a budget over by giving it another scope.
	b := monthly("everything")
	b.Filters = of("user", "ann")
	old, err := service.Get(t.Context(), admin, "everything")
	require.NoError(t, err)
	_, err = service.Put(t.Context(), manager, "test", b, old.Revision)
	require.ErrorContains(t, err, "members of the team")

	// Whoever has not seen the latest revision changes nothing.
	own, err := service.Get(t.Context(), manager, "own")
	require.NoError(t, err)
	own.Amount = decimal("7")
	next, err := service.Put(t.Context(), manager, "meg", own, own.Revision)
	require.NoError(t, err)
	require.Greater(t, next.Revision, own.Revision)
	_, err = service.Put(t.Context(), manager, "meg", own, own.Revision)
	require.ErrorIs(t, err, ErrChanged)
	_, err = service.Put(t.Context(), manager, "meg", own, 0)
	require.ErrorIs(t, err, ErrChanged)
	require.ErrorIs(t, service.Delete(t.Context(), manager, "meg", "own", own.Revision), ErrChanged)
	require.NoError(t, service.Delete(t.Context(), manager, "meg", "own", next.Revision))
	_, err = service.Get(t.Context(), admin, "own")
	require.ErrorIs(t, err, ErrNotFound)
	_, err = service.Put(t.Context(), admin, "test", own, 0)
	require.NoError(t, err, "again, as a new one")
}

// Where the clock is put forward at midnight a day begins at one, and budgets go on.
func TestStateOfDaysWithoutMidnight(t *testing.T) {
	s := querytest.New(t)
	service, err := NewService(Config{Store: NewStore(s.Client), Members: members})
	require.NoError(t, err)
	loc, err := time.LoadLocation("America/Santiago")
	require.NoError(t, err)
	gap := time.Date(2026, 9, 6, 4, 0, 0, 0, time.UTC) // 00:00 there, which is 01:00
	var events []event.Event
	for at := gap.Add(-40 * time.Hour); at.Before(gap.Add(40 * time.Hour)); at = at.Add(time.Hour) {
		events = append(events, event.Event{
			Kind: event.KindCost, Tenant: "acme", ID: strconv.Itoa(len(events)), Time: at.UnixMilli(), PreviousTime: event.NoTime,
			WorkflowID: "wf", UserID: "ann", ActionType: "llm", Dollars: decimal("1"), Credits: decimal("1"),
		})
	}
	s.Insert(t, events...)
	s.Settle(t)
	for _, unit := range []Unit{Day, Week, Month} {
		b := monthly(string(unit))
		b.Period = Period{Unit: unit, TimeZone: loc.String()}
		_, err := service.Put(t.Context(), admin, "test", b, 0)
		require.NoError(t, err)
		for _, hours := range []int{-20, -1, 0, 1, 12, 23, 30} {
			now := gap.Add(time.Duration(hours) * time.Hour)
			e, err := query.New(query.Config{Client: s.ReadOnly(t), Now: func() time.Time { return now }, Budgets: service, PendingTTL: -1})
			require.NoError(t, err)
			service.cfg.Now = func() time.Time { return now }
			state, err := service.State(t.Context(), e.Do, admin, b.ID)
			require.NoError(t, err)
			require.True(t, state.From.Before(now) && !state.To.Before(now))
			require.NotEqual(t, state.From.In(loc).Format(time.DateOnly), state.From.Add(-1).In(loc).Format(time.DateOnly))
			want := 0
			for _, e := range events {
				if e.Time >= state.From.UnixMilli() && e.Time < now.UnixMilli() {
					want++
				}
			}
			require.Equal(t, strconv.Itoa(want), state.Spent.String(), "%s %s", unit, now)
		}
	}
}

// A budget's state against a count by hand: 4 dollars a day at noon, 10 of 30 days
// over, and a workflow that began in this month.
func TestState(t *testing.T) {
	s := querytest.New(t)
	service, err := NewService(Config{Store: NewStore(s.Client), Members: members})
	require.NoError(t, err)
	now := time.Date(2026, 6, 11, 6, 0, 0, 0, time.UTC)
	var events []event.Event
	add := func(at time.Time, workflow, user, dollars string) {
		events = append(events, event.Event{
			Kind: event.KindCost, Tenant: "acme", ID: strconv.Itoa(len(events)), Time: at.UnixMilli(), PreviousTime: event.NoTime,
			WorkflowID: workflow, UserID: user, ActionType: "llm", Dollars: decimal(dollars), Credits: decimal("1"),
		})
	}
	for day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC); day.Before(now); day = day.AddDate(0, 0, 1) {
		add(day, "steady", "ann", "3.000000000000001")
		if day.Month() == time.June {
			add(day, "new", "cem", "1")
		} else {
			add(day, "old", "cem", "1")
		}
	}
	s.Insert(t, events...)
	s.Settle(t)
	put := func(id, amount string, filters []query.Filter, thresholds ...Threshold) {
		b := monthly(id)
		b.Amount, b.Filters, b.Thresholds = decimal(amount), filters, thresholds
		_, err := service.Put(t.Context(), admin, "test", b, 0)
		require.NoError(t, err)
	}
	twenty := decimal("20")
	put("all", "100", nil, percent(80), Threshold{Amount: &twenty})
	put("ann", "1000", of("user", "ann"), percent(10))
	put("spent", "30.00000000000001", of("user", "ann"))
	future := monthly("future")
	future.Period.Start = "2027-01-01"
	_, err = service.Put(t.Context(), admin, "test", future, 0)
	require.NoError(t, err)

	engine := func(at time.Time) *query.Engine {
		e, err := query.New(query.Config{Client: s.ReadOnly(t), Now: func() time.Time { return at }, Budgets: service, PendingTTL: -1})
		require.NoError(t, err)
		return e
	}
	service.cfg.Now = func() time.Time { return now }
	e := engine(now)
	state, err := service.State(t.Context(), e.Do, admin, "all")
	require.NoError(t, err)
	require.Equal(t, "40.00000000000001", state.Spent.String())
	require.Equal(t, "59.99999999999999", state.Remaining.String())
	require.InDelta(t, 40, state.Percent, 1e-9)
	require.Equal(t, Warning, state.State)
	require.Equal(t, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), state.From)
	require.Equal(t, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), state.To)
	require.Equal(t, "20", state.Thresholds[0].Amount.String())
	require.Equal(t, time.Date(2026, 6, 5, 0, 0, 0, 0, time.UTC), *state.Thresholds[0].At, "the fifth day makes it 20")
	require.Equal(t, "80", state.Thresholds[1].Amount.String())
	require.Nil(t, state.Thresholds[1].At)
	require.InDelta(t, 120, *state.Forecast, 1, "30 days of 4")
	require.LessOrEqual(t, *state.Lower95, *state.Lower80)
	require.LessOrEqual(t, *state.Upper80, *state.Upper95)
	require.WithinDuration(t, time.Date(2026, 6, 25, 0, 0, 0, 0, time.UTC), *state.Crossing, 24*time.Hour, "the 25th day makes it 100")
	require.False(t, state.Earliest.After(*state.Crossing))
	require.Equal(t, []string{"steady", "new"}, []string{state.Contributors[0].Workflow, state.Contributors[1].Workflow})
	require.Equal(t, "30.00000000000001", state.Contributors[0].Amount.String())
	require.Equal(t, "new", state.Growing[0].Workflow)
	require.Equal(t, "10", state.Growing[0].Change.String())

	state, err = service.State(t.Context(), e.Do, admin, "future")
	require.NoError(t, err)
	require.Equal(t, NotStarted, state.State)

	ask := func(e *query.Engine, p access.Principal, to time.Time, params map[string]string) (*query.Result, error) {
		return e.Do(t.Context(), p, query.Request{Kind: query.KindBudgets, From: to.AddDate(0, 0, -1), To: to, Params: params})
	}
	res, err := ask(e, admin, now.AddDate(0, 1, 0), nil)
	require.NoError(t, err)
	column := func(res *query.Result, name string) []any {
		f, _ := res.Frame.FieldByName(name)
		out := make([]any, f.Len())
		for i := range out {
			out[i] = f.At(i)
		}
		return out
	}
	require.Equal(t, []any{"all", "ann", "future", "spent"}, column(res, "budget"))
	require.Equal(t, []any{Warning, OK, NotStarted, Exceeded}, column(res, "state"))
	require.Equal(t, []string{"40.00000000000001", "30.00000000000001", "0", "30.00000000000001"}, res.Exact["spent"])
	require.Equal(t, []any{"steady", "steady", "", "steady"}, column(res, "driver"))

	// As it stood at the end of May; a viewer sees what is for them.
	res, err = ask(e, viewer, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), map[string]string{"budget": "ann"})
	require.NoError(t, err)
	require.Equal(t, []string{"93.000000000000031"}, res.Exact["spent"])
	require.InDelta(t, 93, *column(res, "forecast")[0].(*float64), 1e-9, "the period is over")
	_, err = ask(e, viewer, now, map[string]string{"budget": "all"})
	require.ErrorContains(t, err, "no such budget")

	bare, err := query.New(query.Config{Client: s.Client})
	require.NoError(t, err)
	_, err = ask(bare, admin, now, nil)
	require.ErrorContains(t, err, "kept by the server")
}
