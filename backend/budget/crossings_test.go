package budget

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// Crossings against a count by hand: 4 dollars a day at noon from March on, budgets of 30
// a month with a threshold of 50 % and one of 12 dollars.
func TestCrossings(t *testing.T) {
	s := querytest.New(t)
	service, err := NewService(Config{Store: NewStore(s.Client), Members: members})
	require.NoError(t, err)
	now := time.Date(2026, 6, 11, 6, 0, 0, 0, time.UTC)
	var events []event.Event
	for day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC); day.Before(now); day = day.AddDate(0, 0, 1) {
		for user, dollars := range map[string]string{"ann": "3", "cem": "1"} {
			events = append(events, event.Event{
				Kind: event.KindCost, Tenant: "acme", ID: user + strconv.Itoa(len(events)), Time: day.UnixMilli(), PreviousTime: event.NoTime,
				WorkflowID: "w", UserID: user, ActionType: "llm", Dollars: decimal(dollars), Credits: decimal("1"),
			})
		}
	}
	s.Insert(t, events...)
	s.Settle(t)
	put := func(id string, change func(*Budget)) {
		b := monthly(id)
		b.Name, b.Amount = id, decimal("30")
		change(&b)
		_, err := service.Put(t.Context(), admin, "test", b, 0)
		require.NoError(t, err)
	}
	twelve, same := decimal("12"), decimal("30.00")
	put("all", func(b *Budget) { b.Thresholds = []Threshold{percent(50), {Amount: &twelve}, {Amount: &same}} })
	put("ann", func(b *Budget) { b.Filters = of("user", "ann") })
	put("daily", func(b *Budget) {
		b.Amount, b.Period = decimal("4"), Period{Unit: Day, TimeZone: "Europe/Berlin", Start: "2026-06-09"}
	})
	put("later", func(b *Budget) { b.Period.Start = "2027-01-01" })

	e, err := query.New(query.Config{Client: s.ReadOnly(t), Now: func() time.Time { return now }, Budgets: service, PendingTTL: -1})
	require.NoError(t, err)
	request := query.Request{
		Kind: query.KindAnnotations, From: time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC), To: now.AddDate(0, 0, 5),
		Params: map[string]string{"of": "budget_crossings"},
	}
	ask := func(change func(*query.Request)) (out [][]string) {
		r := request
		change(&r)
		res, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		for row := range res.Frame.Rows() {
			at := res.Frame.Fields[0].At(row).(time.Time)
			require.Nil(t, res.Frame.Fields[1].At(row))
			out = append(out, []string{at.UTC().Format("01-02 15:04"), res.Frame.Fields[2].At(row).(string), res.Frame.Fields[3].At(row).(string)})
		}
		return out
	}
	only := func(id string) func(*query.Request) {
		return func(r *query.Request) { r.Params = map[string]string{"of": "budget_crossings", "budget": id} }
	}
	require.Equal(t, [][]string{
		{"06-08 00:00", "all: 100 % spent", "Of the budget's 30 dollars, 30 were reached."},
		{"06-04 00:00", "all: 50 % spent", "Of the budget's 30 dollars, 15 were reached."},
		{"06-03 00:00", "all: 40 % spent", "Of the budget's 30 dollars, 12 were reached."},
		{"05-08 00:00", "all: 100 % spent", "Of the budget's 30 dollars, 30 were reached."},
		{"05-04 00:00", "all: 50 % spent", "Of the budget's 30 dollars, 15 were reached."},
	}, ask(only("all")), "the third of May is before the period, and counts")
	require.Equal(t, [][]string{{"06-10 00:00", "ann: 100 % spent", "Of the budget's 30 dollars, 30 were reached."}, {"05-10 00:00", "ann: 100 % spent", "Of the budget's 30 dollars, 30 were reached."}}, ask(only("ann")))
	require.Equal(t, [][]string{{"06-10 12:00", "daily: 100 % spent", "Of the budget's 4 dollars, 4 were reached."}, {"06-09 12:00", "daily: 100 % spent", "Of the budget's 4 dollars, 4 were reached."}}, ask(only("daily")), "to the hour, from its first day on")
	require.Empty(t, ask(only("later")))
	require.Len(t, ask(func(*query.Request) {}), 9)

	_, err = e.Do(t.Context(), viewer, query.Request{Kind: query.KindAnnotations, From: request.From, To: request.To, Params: map[string]string{"of": "budget_crossings", "budget": "all"}})
	require.ErrorContains(t, err, "no such budget")
	res, err := e.Do(t.Context(), viewer, request)
	require.NoError(t, err)
	require.Equal(t, 2, res.Frame.Rows(), "a viewer sees the budget that is for them")
	bad := request
	bad.Filters = of("workflow", "w")
	_, err = e.Do(t.Context(), admin, bad)
	require.ErrorContains(t, err, "filters: is not for budget_crossings")
	bare, err := query.New(query.Config{Client: s.Client})
	require.NoError(t, err)
	_, err = bare.Do(t.Context(), admin, request)
	require.ErrorContains(t, err, "kept by the server")
}
