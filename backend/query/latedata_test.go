package query

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// Quarters of an hour that were computed long after they were over are late, those next to
// each other as one; those that are younger than that are not.
func TestLateData(t *testing.T) {
	s := querytest.New(t)
	now := time.Now().UTC()
	old := now.Truncate(time.Hour).Add(-48 * time.Hour)
	at := func(id string, when time.Time) event.Event { return ran(id, "w", 1, when, event.StatusCompleted) }
	foreign := at("f", old.Add(5*time.Hour))
	foreign.Tenant = "other"
	cost := event.Event{Kind: event.KindCost, Tenant: "acme", ID: "c", Time: old.Add(20 * time.Minute).UnixMilli(), PreviousTime: event.NoTime, WorkflowID: "w"}
	s.Insert(t, at("a", old), at("b", old.Add(16*time.Minute)), cost, at("c", old.Add(3*time.Hour)), at("new", now.Add(-20*time.Minute)), foreign)
	s.Settle(t)
	e := newEngine(t, s, now, Limits{})
	request := Request{Kind: KindAnnotations, From: old, To: now, Params: map[string]string{"of": "late_data"}}
	res, err := e.Do(t.Context(), admin, request)
	require.NoError(t, err)
	likeItsInfo(t, res.Frame, annotationsFields)
	var got []string
	for row := range res.Frame.Rows() {
		cells := cellsOf(res, row)
		got = append(got, fmt.Sprint(cells[0].(time.Time).Sub(old), " ", cells[1].(*time.Time).Sub(old), " ", cells[2], " ", cells[4]))
		require.Contains(t, cells[3], []string{"Figures of executions changed until 2", "Figures of costs and executions changed until 2"}[row])
	}
	require.Equal(t, []string{"3h0m0s 3h15m0s Figures changed late late", "0s 30m0s Figures changed late late"}, got)

	request.Params = map[string]string{"of": "late_data", "late_after": "2760"}
	res, err = e.Do(t.Context(), admin, request)
	require.NoError(t, err)
	require.Equal(t, 1, res.Frame.Rows(), "only what changed more than 46 hours later")
	_, err = e.Do(t.Context(), access.Principal{Tenant: "acme", Role: access.RoleManager, TeamUserIDs: []string{"ann"}}, request)
	require.ErrorContains(t, err, "who see all data")
	for param, change := range map[string]func(*Request){
		"params.late_after": func(r *Request) { r.Params = map[string]string{"of": "late_data", "late_after": "0"} },
		"granularity":       func(r *Request) { r.Granularity = Hour },
	} {
		r := request
		change(&r)
		_, err := e.Do(t.Context(), admin, r)
		require.ErrorContains(t, err, param)
	}
}
