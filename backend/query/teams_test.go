package query

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// fixedTeams are memberships that never change.
type fixedTeams map[string][]string

func (f fixedTeams) Teams(context.Context, string) (map[string][]string, error) { return f, nil }

// figuresBy returns a column's figures by the values of a dimension.
func figuresBy(res *Result, dimension, column string) map[string]string {
	out := map[string]string{}
	d, _ := res.Frame.FieldByName(dimension)
	c, _ := res.Frame.FieldByName(column)
	for row := range res.Frame.Rows() {
		out[d.At(row).(string)] = textOf(res, c, row)
	}
	return out
}

func TestTeams(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	now := from.Add(72 * time.Hour)
	events := sampleEvents(from, 48*time.Hour, 150, 5)
	s.Insert(t, events...)
	s.Settle(t)
	// ann is in two teams, cem in none; zed has no events.
	memberships := fixedTeams{"ann": {"blue", "it's \\ red"}, "bob": {"it's \\ red"}, "zed": {"blue", "idle"}}
	e, err := New(Config{Client: s.Client, Now: func() time.Time { return now }, PendingTTL: time.Hour, Teams: memberships})
	require.NoError(t, err)
	period := Request{From: from.Add(7 * time.Minute), To: from.Add(47 * time.Hour)} // rollups and raw edges
	ask := func(p access.Principal, r Request) *Result {
		t.Helper()
		r.From, r.To = period.From, period.To
		res, err := e.Do(t.Context(), p, r)
		require.NoError(t, err)
		return res
	}

	// Counted by hand.
	want := map[string]int{}
	for _, ev := range newOracle(now, events).events {
		at := time.UnixMilli(ev.Time)
		if ev.Kind != event.KindExecution || ev.Status == event.StatusStarted || at.Before(period.From) || !at.Before(period.To) {
			continue
		}
		teams := memberships[ev.UserID]
		if teams == nil {
			teams = []string{""}
		}
		for _, team := range teams {
			want[team]++
		}
	}
	got := figuresBy(ask(admin, Request{Metrics: []string{"executions"}, GroupBy: []string{metric.Team}}), metric.Team, "executions")
	require.Len(t, got, len(want))
	for team, n := range want {
		assert.Equal(t, strconv.Itoa(n), got[team], team)
	}

	// A team's figures are those of its members, for every metric, with and without a limit.
	members := map[string]Filter{
		"blue": {metric.User, In, []string{"ann", "zed"}}, "it's \\ red": {metric.User, In, []string{"ann", "bob"}},
		"": {metric.User, NotIn, []string{"ann", "bob", "zed"}}, "idle": {metric.User, In, []string{"zed"}},
	}
	for _, together := range ofOneKind() {
		var names []string
		for _, m := range together {
			names = append(names, m.Name)
		}
		if !together[0].HasDimension(metric.Team) {
			assert.False(t, together[0].HasDimension(metric.User), names)
			continue
		}
		grouped := ask(admin, Request{Metrics: names, GroupBy: []string{metric.Team}})
		top := ask(admin, Request{Metrics: names, GroupBy: []string{metric.Team}, Limit: 10, Compare: PreviousPeriod})
		for team, filter := range members {
			byUser := ask(admin, Request{Metrics: names, Filters: []Filter{filter}})
			byTeam := ask(admin, Request{Metrics: names, Filters: []Filter{{metric.Team, In, []string{team}}}})
			for i, name := range names {
				want := textOf(byUser, byUser.Frame.Fields[i], 0)
				assert.Equal(t, want, textOf(byTeam, byTeam.Frame.Fields[i], 0), "%s of %q", name, team)
				if figure, there := figuresBy(grouped, metric.Team, name)[team]; there {
					assert.Equal(t, want, figure, "%s of %q", name, team)
					assert.Equal(t, figure, figuresBy(top, metric.Team, name)[team], "%s of %q among the top", name, team)
				}
			}
		}
	}

	// Filters and groups together: only what matches is shown.
	got = figuresBy(ask(admin, Request{Metrics: []string{"executions"}, GroupBy: []string{metric.Team}, Filters: []Filter{{metric.Team, In, []string{"blue"}}}}), metric.Team, "executions")
	assert.Equal(t, map[string]string{"blue": strconv.Itoa(want["blue"])}, got)
	got = figuresBy(ask(admin, Request{Metrics: []string{"executions"}, GroupBy: []string{metric.Team}, Filters: []Filter{{metric.Team, NotIn, []string{"blue"}}}}), metric.Team, "executions")
	assert.NotContains(t, got, "blue")
	assert.Equal(t, strconv.Itoa(want[""]), got[""])
	none := ask(admin, Request{Metrics: []string{"executions"}, Filters: []Filter{{metric.Team, In, []string{"nowhere"}}}})
	assert.Equal(t, "0", textOf(none, none.Frame.Fields[0], 0))

	// A viewer's teams are seen through the viewer's own rows.
	ann := access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}
	got = figuresBy(ask(ann, Request{Metrics: []string{"executions"}, GroupBy: []string{metric.Team}}), metric.Team, "executions")
	assert.Equal(t, map[string]string{"blue": strconv.Itoa(want["blue"]), "it's \\ red": strconv.Itoa(want["blue"])}, got, "both are ann's own")
	values := ValuesRequest{Dimension: metric.Team, From: period.From, To: period.To}
	list, err := e.Values(t.Context(), ann, values)
	require.NoError(t, err)
	assert.Equal(t, []string{"blue", "it's \\ red"}, list)
	list, err = e.Values(t.Context(), admin, values)
	require.NoError(t, err)
	assert.Equal(t, []string{"blue", "idle", "it's \\ red"}, list)
	users, err := e.Values(t.Context(), admin, ValuesRequest{Dimension: metric.User, From: period.From, To: period.To, Filters: []Filter{{metric.Team, In, []string{"it's \\ red"}}}})
	require.NoError(t, err)
	slices.Sort(users)
	assert.Equal(t, []string{"ann", "bob"}, users)

	_, err = e.Do(t.Context(), admin, Request{Metrics: []string{"events_accepted"}, GroupBy: []string{metric.Team}, From: period.From, To: period.To})
	var bad *RequestError
	require.ErrorAs(t, err, &bad)
}
