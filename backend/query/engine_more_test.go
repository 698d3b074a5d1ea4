package query

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// The parts of a period, however it is cut, sum to the whole.
func TestPartsSumToTheWhole(t *testing.T) {
	from := time.Date(2026, 3, 28, 5, 0, 0, 0, time.UTC)
	const length = 4 * 24 * time.Hour
	s := querytest.New(t)
	s.Insert(t, sampleEvents(from, length, 400, 8)...)
	s.Settle(t)
	e := newEngine(t, s, from.Add(2*length), Limits{})
	var additive []string
	for _, m := range metric.All().Metrics {
		if m.Additive && m.Area != "Collector" {
			additive = append(additive, m.Name)
		}
	}
	total := func(t require.TestingT, r Request) map[string]string {
		res, err := e.Do(testContext(nil), admin, r)
		require.NoError(t, err)
		out := map[string]string{}
		for _, f := range res.Frame.Fields {
			if !slices.Contains(r.Metrics, f.Name) {
				continue
			}
			sum, exact := 0.0, event.Decimal{}
			for row := range f.Len() {
				if text, ok := res.Exact[f.Name]; ok {
					if text[row] == "" {
						continue // The row is another source's.
					}
					d, err := event.ParseDecimal([]byte(text[row]))
					require.NoError(t, err)
					exact = exact.Add(d)
				} else if v := f.At(row).(*float64); v != nil {
					sum += *v
				}
			}
			out[f.Name] = number(sum)
			if _, ok := res.Exact[f.Name]; ok {
				out[f.Name] = exact.String()
			}
		}
		return out
	}
	whole := total(t, Request{Metrics: additive, From: from, To: from.Add(length)})
	require.NotEqual(t, "0", whole["executions"])
	require.NotEqual(t, "0", whole["sessions"])
	rapid.Check(t, func(t *rapid.T) {
		cuts := rapid.SliceOfN(rapid.Int64Range(0, length.Milliseconds()), 1, 4).Draw(t, "cuts")
		cuts = append(cuts, 0, length.Milliseconds())
		slices.Sort(cuts)
		sums := map[string]event.Decimal{}
		for i := range cuts[1:] {
			if cuts[i] == cuts[i+1] {
				continue
			}
			r := Request{
				Metrics: additive, From: from.Add(time.Duration(cuts[i]) * time.Millisecond), To: from.Add(time.Duration(cuts[i+1]) * time.Millisecond),
				Granularity: Granularity(rapid.SampledFrom([]string{"", "hour", "day", "month"}).Draw(t, "g")),
				TimeZone:    rapid.SampledFrom(testZones).Draw(t, "zone"),
			}
			if rapid.Bool().Draw(t, "by user") {
				r.GroupBy = []string{metric.User}
			}
			for name, text := range total(t, r) {
				d, err := event.ParseDecimal([]byte(text))
				require.NoError(t, err, text)
				sums[name] = sums[name].Add(d)
			}
		}
		for name, text := range whole {
			d, err := event.ParseDecimal([]byte(text))
			require.NoError(t, err)
			require.Equal(t, d.String(), sums[name].String(), name)
		}
	})
}

// A limit keeps the groups that sorting everything would put first.
func TestTopGroups(t *testing.T) {
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	s := querytest.New(t)
	events := sampleEvents(from, 48*time.Hour, 500, 9)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range events {
		if events[i].WorkflowID == "wf-a" {
			events[i].WorkflowID = "wf-" + string(rune('c'+r.IntN(20)))
		}
		if end := events[i]; end.Kind == event.KindExecution && end.Status != event.StatusStarted && r.IntN(2) == 0 {
			end.Time++ // a second end: a conflict
			events = append(events, end)
		}
	}
	s.Insert(t, events...)
	s.Settle(t)
	e := newSettled(t, s, from.Add(100*time.Hour), Limits{})
	for i, name := range metric.Names() {
		m, _ := metric.Lookup(name)
		if !m.HasDimension(metric.Workflow) {
			continue
		}
		ascending := i%2 == 1 // every other one
		all := Request{
			Metrics: []string{name}, From: from, To: from.Add(48 * time.Hour), GroupBy: []string{metric.Workflow},
			OrderBy: name, Ascending: ascending, Descending: !ascending,
		}
		if m.HasDimension(metric.User) && !m.HasDimension(metric.ErrorType) {
			all.GroupBy = append(all.GroupBy, metric.User)
		}
		full, err := e.Do(t.Context(), admin, all)
		require.NoError(t, err)
		require.Greater(t, full.Frame.Rows(), 10, name)
		require.False(t, full.Meta.Truncated)
		top := all
		top.Limit, top.Descending = 4, false
		few, err := e.Do(t.Context(), admin, top)
		require.NoError(t, err)
		require.True(t, few.Meta.Truncated)
		require.Equal(t, 4, few.Frame.Rows())
		for row := range 4 {
			for f := range full.Frame.Fields {
				require.Equal(t, full.Frame.At(f, row), few.Frame.At(f, row), "%s %v row %d", name, ascending, row)
			}
		}
		// The series of a limited request are those of the same groups.
		top.Granularity = Day
		series, err := e.Do(t.Context(), admin, top)
		require.NoError(t, err)
		want, got := map[string]bool{}, map[string]bool{}
		for row := range 4 {
			want[few.Frame.Fields[0].At(row).(string)] = true
		}
		for row := range series.Frame.Rows() {
			got[series.Frame.Fields[1].At(row).(string)] = true
		}
		require.Equal(t, want, got, name)
	}
}

func TestTooMuchIsCutOrRefused(t *testing.T) {
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	s := querytest.New(t)
	s.Insert(t, sampleEvents(from, 24*time.Hour, 300, 10)...)
	s.Settle(t)
	e := newEngine(t, s, from.Add(100*time.Hour), Limits{Rows: 30})
	r := Request{Metrics: []string{"executions"}, From: from, To: from.Add(24 * time.Hour), GroupBy: []string{"workflow", "user", "version"}}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.Equal(t, 30, res.Frame.Rows())
	require.True(t, res.Meta.Truncated)
	require.NotEmpty(t, res.Meta.Notices)

	r.Granularity = Hour // 24 buckets and more groups: the one group that fits, whole.
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	require.True(t, res.Meta.Truncated)
	require.LessOrEqual(t, res.Frame.Rows(), 24)

	var wrong *RequestError
	r.Granularity = Quarter
	_, err = e.Do(t.Context(), admin, r)
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "granularity", wrong.Param)

	r.Granularity, r.Limit = Hour, 29
	_, err = e.Do(t.Context(), admin, r)
	require.ErrorAs(t, err, &wrong)
	require.Contains(t, wrong.Message, "limit")
}

// What a viewer sees is what an administrator sees of their user, and never more.
func TestScope(t *testing.T) {
	from := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	s := querytest.New(t)
	s.Insert(t, sampleEvents(from, 24*time.Hour, 200, 11)...)
	s.Settle(t)
	e := newEngine(t, s, from.Add(100*time.Hour), Limits{})
	ann := access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}
	for _, m := range metric.All().Metrics {
		r := Request{Metrics: []string{m.Name}, From: from, To: from.Add(24 * time.Hour)}
		if m.AdminOnly {
			_, err := e.Do(t.Context(), ann, r)
			var denied *AccessError
			require.ErrorAs(t, err, &denied, m.Name)
			continue
		}
		own, err := e.Do(t.Context(), ann, r)
		require.NoError(t, err)
		if !m.HasDimension(metric.User) {
			continue
		}
		r.Filters = []Filter{{metric.User, In, []string{"ann"}}}
		same, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		require.Equal(t, rowsOf(same, nil), rowsOf(own, nil), m.Name)
		r.Filters[0].Values = []string{"bob"}
		none, err := e.Do(t.Context(), ann, r)
		require.NoError(t, err)
		require.Contains(t, []string{"0", "none"}, rowsOf(none, nil)[groupKey("", nil)][m.Name], m.Name)
	}
	for _, p := range []access.Principal{
		{},
		{Tenant: "acme"},
		{Tenant: "acme", Role: "root"},
		{Tenant: "acme", Role: access.RoleViewer},
		{Tenant: "acme", Role: access.RoleManager},
		{Tenant: "acme", Role: access.RoleManager, TeamUserIDs: []string{""}},
		{Role: access.RoleAdmin},
	} {
		var denied *AccessError
		_, err := e.Do(t.Context(), p, Request{Metrics: []string{"executions"}, From: from, To: from.Add(time.Hour)})
		require.ErrorAs(t, err, &denied, p)
		_, err = e.Values(t.Context(), p, ValuesRequest{Dimension: "user", From: from, To: from.Add(time.Hour)})
		require.ErrorAs(t, err, &denied, p)
		_, err = e.Do(t.Context(), p, Request{Kind: KindErrors, From: from, To: from.Add(time.Hour)})
		require.ErrorAs(t, err, &denied, p)
	}
	_, err := e.Do(t.Context(), ann, Request{Metrics: []string{"executions"}, From: from, To: from.Add(25 * time.Hour), Granularity: Minute})
	var wrong *RequestError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "granularity", wrong.Param)

	users, err := e.Values(t.Context(), ann, ValuesRequest{Dimension: "user", From: from, To: from.Add(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, []string{"ann"}, users)
	users, err = e.Values(t.Context(), admin, ValuesRequest{Dimension: "user", From: from, To: from.Add(time.Hour), Search: "B"})
	require.NoError(t, err)
	require.Equal(t, []string{"bob"}, users)
	steps, err := e.Values(t.Context(), admin, ValuesRequest{
		Dimension: "step", From: from, To: from.Add(time.Hour), Filters: []Filter{{"step_type", In, []string{"sql"}}}, Limit: 1,
	})
	require.NoError(t, err)
	require.Equal(t, []string{"s1"}, steps)
}
