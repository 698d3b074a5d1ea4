package query

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// Which groups are the top is the same whether the database says so or the buckets
// of all of them are merged.
func TestTopGroupsOfMergedBuckets(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 5, 7, 30, 0, time.UTC)
	s.Insert(t, sampleEvents(from, 20*time.Hour, 300, 11)...)
	s.Settle(t)
	e := newSettled(t, s, from.Add(100*time.Hour), Limits{})
	for n, m := range metric.All().Metrics {
		if len(m.Sources) > 1 || m.Name == "pending_buckets" || m.Sources[0] == metric.SourceRolling {
			continue
		}
		for i, groupBy := range [][]string{m.Dimensions, m.Dimensions[:min(1, len(m.Dimensions))]} {
			ascending := i == 1
			if !ascending && n%4 != 0 { // All dimensions at once are slow: every fourth metric.
				continue
			}
			r := Request{
				Metrics: []string{m.Name}, From: from, To: from.Add(17*time.Hour + 777*time.Millisecond), Granularity: Hour,
				GroupBy: groupBy, Limit: 2, Ascending: ascending,
			}
			q, err := e.check(admin, r)
			require.NoError(t, err)
			top := q.overall(r.Limit)
			if !top.mergeable() {
				continue
			}
			answerOf := func(ask func(w *run) (*answer, bool, error)) (*data.Frame, bool) {
				w, err := e.begin(t.Context(), q)
				require.NoError(t, err)
				a, truncated, err := ask(w)
				require.NoError(t, err)
				require.NotNil(t, a)
				res, err := q.result(a, a.ranked(), nil, 1<<20)
				require.NoError(t, err)
				return res.Frame, truncated
			}
			want, more := answerOf(func(w *run) (*answer, bool, error) { return w.seriesOfTop(t.Context(), q, top) })
			got, gotMore := answerOf(func(w *run) (*answer, bool, error) { return w.seriesOfAll(t.Context(), q, top) })
			require.Equal(t, want, got, fmt.Sprint(m.Name, groupBy, ascending))
			require.Equal(t, more, gotMore, fmt.Sprint(m.Name, groupBy, ascending))
		}
	}
}

// A distinct count of a period is not that of its buckets, nor is a state.
func TestWhichMetricsAreMerged(t *testing.T) {
	e := offline(t, time.Now())
	var apart []string
	for _, m := range metric.All().Metrics {
		if len(m.Sources) > 1 || m.Name == "pending_buckets" || m.Sources[0] == metric.SourceRolling {
			continue
		}
		q, err := e.check(admin, Request{Metrics: []string{m.Name}, From: time.Now().Add(-time.Hour), To: time.Now(), Granularity: Hour, Limit: 3})
		require.NoError(t, err)
		if !q.overall(3).mergeable() {
			apart = append(apart, m.Name)
		}
	}
	slices.Sort(apart)
	require.Equal(t, []string{
		"active_time", "active_users", "active_workflows", "executing_users", "executions_running", "session_duration_avg", "sessions",
	}, apart)
}

// More groups than expected take one statement more; the answer is the same.
func TestTopGroupsOfMoreThanExpected(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 28, 5, 0, 0, 0, time.UTC)
	s.Insert(t, sampleEvents(from, 20*time.Hour, 300, 12)...)
	s.Settle(t)
	r := Request{
		Metrics: []string{"executions"}, From: from, To: from.Add(20 * time.Hour), Granularity: Hour,
		GroupBy: []string{"error_type", "trigger_type"}, Limit: 1,
	}
	many, err := newEngine(t, s, from.Add(100*time.Hour), Limits{}).Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Len(t, many.Meta.SQL, 1)
	few, err := newEngine(t, s, from.Add(100*time.Hour), Limits{Rows: 40}).Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Len(t, few.Meta.SQL, 3)
	require.Equal(t, many.Frame, few.Frame)
	require.True(t, few.Meta.Truncated)
}

func TestWhereFewGroupsAreExpected(t *testing.T) {
	e := offline(t, time.Now())
	ofOne := []Filter{{metric.Workflow, In, []string{"wf"}}}
	for _, tc := range []struct {
		metrics []string
		groupBy []string
		filters []Filter
		want    bool
	}{
		{[]string{"executions"}, []string{metric.ErrorType}, nil, true},
		{[]string{"executions"}, []string{metric.Workflow}, nil, false},
		{[]string{"executions"}, []string{metric.Version}, ofOne, true},
		{[]string{"executions"}, []string{metric.User}, ofOne, false},
		{[]string{"executions"}, []string{metric.Version}, []Filter{{metric.Workflow, NotIn, []string{"wf"}}}, false},
		{[]string{"steps"}, []string{metric.Step, metric.StepType}, ofOne, true},
		{[]string{"executions"}, []string{"metadata.plan"}, ofOne, false},
		{[]string{"dollars_per_execution"}, []string{metric.Workflow}, ofOne, false},
	} {
		q, err := e.check(admin, Request{Metrics: tc.metrics, From: time.Now().Add(-time.Hour), To: time.Now(), Granularity: Hour, Limit: 3, GroupBy: tc.groupBy, Filters: tc.filters})
		require.NoError(t, err)
		require.Equal(t, tc.want, q.fewGroups(), fmt.Sprint(tc.metrics, tc.groupBy, tc.filters))
	}
}
