package query

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// allNarrow says that all buckets have narrow rows.
var allNarrow = narrowSince{"execution": 0, "step": 0, "cost": 0, "activity": 0}

func TestNarrowRollupOfAQuestion(t *testing.T) {
	e := offline(t, time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC))
	viewer := access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}
	only := func(dimension string) []Filter { return []Filter{{dimension, In, []string{"1"}}} }
	for _, tc := range []struct {
		name string
		p    access.Principal
		r    Request
		want string // "" is the rollup of all dimensions
	}{
		{"totals", admin, Request{Metrics: []string{"executions", "duration_p95"}}, "overview"},
		{"by error type and trigger", admin, Request{Metrics: []string{"executions_failed"}, GroupBy: []string{"error_type"}, Filters: only("trigger_type")}, "overview"},
		{"hours of the day are of the bucket", admin, Request{Metrics: []string{"executions"}, GroupBy: []string{"hour_of_day"}, Filters: only("weekday")}, "overview"},
		{"by workflow", admin, Request{Metrics: []string{"executions"}, GroupBy: []string{"workflow"}}, "workflow"},
		{"of a workflow", admin, Request{Metrics: []string{"executions"}, Filters: only("workflow")}, "workflow"},
		{"how many workflows", admin, Request{Metrics: []string{"active_workflows"}}, "workflow"},
		{"by workflow and error type", admin, Request{Metrics: []string{"executions"}, GroupBy: []string{"workflow"}, Filters: only("error_type")}, "detail"},
		{"by version", admin, Request{Metrics: []string{"executions"}, GroupBy: []string{"version"}}, "detail"},
		{"a viewer's own", viewer, Request{Metrics: []string{"executions"}}, "user"},
		{"a viewer's own by workflow", viewer, Request{Metrics: []string{"executions"}, GroupBy: []string{"workflow"}}, ""},
		{"by user", admin, Request{Metrics: []string{"steps"}, GroupBy: []string{"user"}}, "user"},
		{"of a user", admin, Request{Metrics: []string{"steps"}, Filters: only("user")}, "user"},
		{"by team", admin, Request{Metrics: []string{"steps"}, GroupBy: []string{"team"}}, "user"},
		{"how many users", admin, Request{Metrics: []string{"executing_users"}}, "user"},
		{"how many users, and by workflow", admin, Request{Metrics: []string{"executing_users", "active_workflows"}}, ""},
		{"steps by type", admin, Request{Metrics: []string{"steps"}, GroupBy: []string{"step_type"}}, "overview"},
		{"by step", admin, Request{Metrics: []string{"steps"}, GroupBy: []string{"step"}}, "detail"},
		{"costs of a workflow by action type", admin, Request{Metrics: []string{"dollars"}, GroupBy: []string{"action_type"}, Filters: only("workflow")}, "detail"},
		{"by step and user", admin, Request{Metrics: []string{"steps"}, GroupBy: []string{"step", "user"}}, ""},
		{"costs by action type", admin, Request{Metrics: []string{"dollars"}, GroupBy: []string{"action_type"}}, "overview"},
		{"actions by resource", admin, Request{Metrics: []string{"actions"}, GroupBy: []string{"action", "resource"}}, "overview"},
		{"active users", admin, Request{Metrics: []string{"active_users"}}, "user"},
		{"active users by action", admin, Request{Metrics: []string{"active_users"}, GroupBy: []string{"action"}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.r.From, tc.r.To = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
			q, err := e.check(tc.p, tc.r)
			require.NoError(t, err)
			q.scope.teams = &teamSets{}
			src := rollupSources[q.sources[0]]
			narrow := func() string {
				w := &run{e: e, levels: map[string]bool{}}
				return w.render(q, q.sources[0], q.calendar(), ordering{limit: 1}).sql
			}
			require.Contains(t, narrow(), "FROM "+src.rollup+"\n", "without narrow rollups")
			q.narrowSince = narrowSince{src.kind: tc.r.From.AddDate(0, 0, 1).Unix()}
			half := narrow()
			require.Contains(t, half, "FROM "+src.rollup+"\n")
			q.narrowSince = allNarrow
			all := narrow()
			if tc.want == "" {
				require.NotContains(t, half+all, src.narrow)
				return
			}
			branch := "FROM " + src.narrow + "\n    WHERE tenant = {tenant:String} AND kept = '" + tc.want + "' AND "
			require.Contains(t, half, branch)
			require.Contains(t, all, branch)
			require.NotContains(t, all, "FROM "+src.rollup+"\n")
		})
	}
}

// What is split at a moment is still all there, in order, on either side of it.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, 100).Draw(t, "at")
		cuts := slices.Sorted(slices.Values(rapid.SliceOfN(rapid.Int64Range(0, 100), 2, 9).Draw(t, "cuts")))
		var spans []span
		for i := 1; i < len(cuts); i += 2 {
			spans = append(spans, span{cuts[i-1], cuts[i]})
		}
		wide, narrow := split([]segment{{levelDay, spans}, {levelMinute, []span{{100, 200}}}}, schema.Narrow{Levels: []string{"day"}}, at)
		require.Equal(t, segment{levelMinute, []span{{100, 200}}}, wide[len(wide)-1])
		var moments []int64
		for side, segments := range [][]segment{wide[:len(wide)-1], narrow} {
			for _, seg := range segments {
				require.Equal(t, levelDay, seg.level)
				for _, s := range seg.spans {
					for m := s.from; m < s.to; m++ {
						require.Equal(t, side == 1, m >= at)
						moments = append(moments, m)
					}
				}
			}
		}
		var want []int64
		for _, s := range spans {
			for m := s.from; m < s.to; m++ {
				want = append(want, m)
			}
		}
		slices.Sort(moments)
		slices.Sort(want)
		require.Equal(t, want, moments)
	})
}

// However far back there are narrow rollups, an answer is a recount. Those of the days
// before are taken away, so that nothing can be read of them.
func TestAnswersWhileNarrowRollupsAreMade(t *testing.T) {
	from := time.Date(2026, 3, 28, 17, 0, 0, 0, time.UTC)
	const length = 9 * 24 * time.Hour
	events := sampleEvents(from, length, 300, 1)
	s := querytest.New(t)
	s.Insert(t, events...)
	s.Settle(t)
	e, o := newEngine(t, s, from.Add(2*length), Limits{}), newOracle(from.Add(2*length), events)
	for _, since := range []time.Time{from.Truncate(24*time.Hour).AddDate(0, 0, 4), from.AddDate(1, 0, 0).Truncate(24 * time.Hour)} {
		for _, src := range rollupSources {
			s.Exec(t, "ALTER TABLE "+s.Table(src.narrow)+" DELETE WHERE bucket < '"+since.Format(time.DateTime)+"' SETTINGS mutations_sync = 1")
		}
		s.Exec(t, "TRUNCATE TABLE "+s.Table("narrow_since"))
		s.Exec(t, "INSERT INTO "+s.Table("narrow_since")+" SELECT '', arrayJoin(['execution', 'step', 'cost', 'activity']), '"+since.Format(time.DateTime)+"'")
		rapid.Check(t, func(t *rapid.T) {
			r, kind := drawRequest(t, from, length)
			p, users := drawPrincipal(t)
			res, err := e.Do(testContext(t), p, r)
			require.NoError(t, err)
			require.Equal(t, o.answer(t, r, users, kind), rowsOf(res, r.GroupBy), "%+v\n%v", r, res.Meta.SQL)
		})
	}
}

// Parts of a period, cut anywhere, sum to the whole, whatever levels and rollups each
// is read from.
func TestPartsOfGroupsSumToTheWhole(t *testing.T) {
	from := time.Date(2026, 3, 28, 17, 0, 0, 0, time.UTC)
	const length = 9 * 24 * time.Hour
	s := querytest.New(t)
	s.Insert(t, sampleEvents(from, length, 200, 7)...)
	s.Settle(t)
	e := newEngine(t, s, from.Add(2*length), Limits{})
	groupings := [][]string{nil, {metric.Workflow}, {metric.TriggerType}, {metric.Workflow, metric.Version}, {metric.User}}
	rapid.Check(t, func(t *rapid.T) {
		r := Request{
			Metrics: []string{"executions_completed", "executions_failed", "duration_sum"}, From: from, To: from.Add(length),
			GroupBy: rapid.SampledFrom(groupings).Draw(t, "groupBy"), TimeZone: rapid.SampledFrom(testZones).Draw(t, "zone"),
		}
		p, _ := drawPrincipal(t)
		total := func(r Request) map[string][]float64 {
			res, err := e.Do(testContext(t), p, r)
			require.NoError(t, err)
			out := map[string][]float64{}
			for row := range res.Frame.Rows() {
				var values []string
				sums := make([]float64, 0, len(r.Metrics))
				for _, f := range res.Frame.Fields {
					switch v := f.At(row).(type) {
					case string:
						values = append(values, v)
					case *float64:
						sums = append(sums, *v)
					}
				}
				key := groupKey("", values)
				for i, v := range out[key] {
					sums[i] += v
				}
				out[key] = sums
			}
			return out
		}
		want := total(r)
		got := map[string][]float64{}
		cuts := []time.Time{r.From, r.To}
		for _, ms := range rapid.SliceOfN(rapid.Int64Range(1, length.Milliseconds()-1), 1, 4).Draw(t, "cuts") {
			cuts = append(cuts, from.Add(time.Duration(ms)*time.Millisecond))
		}
		slices.SortFunc(cuts, time.Time.Compare)
		cuts = slices.Compact(cuts)
		for i := range cuts[1:] {
			part := r
			part.From, part.To = cuts[i], cuts[i+1]
			part.Granularity = Granularity(rapid.SampledFrom([]string{"", "15m", "hour", "day"}).Draw(t, "granularity"))
			for key, sums := range total(part) {
				for j, v := range got[key] {
					sums[j] += v
				}
				got[key] = sums
			}
		}
		for _, sums := range []map[string][]float64{want, got} { // a group of starts alone
			for key, s := range sums {
				if !slices.ContainsFunc(s, func(v float64) bool { return v != 0 }) {
					delete(sums, key)
				}
			}
		}
		require.Equal(t, want, got)
	})
}
