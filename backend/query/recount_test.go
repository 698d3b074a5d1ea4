package query

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

var testZones = []string{"", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Chatham", "Australia/Lord_Howe"}

// textOf returns a row's value as the oracle writes it.
func textOf(r *Result, field *data.Field, row int) string {
	if exact, ok := r.Exact[field.Name]; ok {
		return exact[row]
	}
	v := field.At(row).(*float64)
	if v == nil {
		return "none"
	}
	return number(*v)
}

// rowsOf returns a result's rows by time and dimensions.
func rowsOf(r *Result, dims []string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for row := range r.Frame.Rows() {
		at, values, line := "", []string{}, map[string]string{}
		for _, f := range r.Frame.Fields {
			switch {
			case f.Name == timeField:
				at = f.At(row).(time.Time).UTC().Format(time.RFC3339)
			case slices.Contains(dims, f.Name):
				values = append(values, f.At(row).(string))
			default:
				line[f.Name] = textOf(r, f, row)
			}
		}
		out[groupKey(at, values)] = line
	}
	return out
}

// answer is what rowsOf gives of the answer to a request about one kind.
func (o *oracle) answer(t *rapid.T, r Request, users []string, kind event.Kind) map[string]map[string]string {
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

// evenly draws a number below end, each alike. rapid by itself prefers small ones, so
// that most periods would lie near their first moment and have nothing in them.
func evenly(t *rapid.T, name string, end int64) int64 {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, name), 3)).Int64N(end)
}

// drawRequest draws a request about one kind within a period around from.
func drawRequest(t *rapid.T, from time.Time, length time.Duration) (Request, event.Kind) {
	source := rapid.SampledFrom([]metric.Source{metric.SourceExecutions, metric.SourceSteps, metric.SourceCosts, metric.SourceActivity}).Draw(t, "source")
	var names, dims []string
	for _, m := range metric.All().Metrics {
		if slices.Equal(m.Sources, []metric.Source{source}) {
			names, dims = append(names, m.Name), m.Dimensions
		}
	}
	// No event says who is in a team: TestTeams is about those.
	dims = slices.DeleteFunc(slices.Clone(dims), func(name string) bool { return name == metric.Team })
	r := Request{
		Metrics:     rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 5, rapid.ID[string]).Draw(t, "metrics"),
		GroupBy:     rapid.SliceOfNDistinct(rapid.SampledFrom(dims), 0, 2, rapid.ID[string]).Draw(t, "dims"),
		Granularity: Granularity(rapid.SampledFrom(append([]string{""}, granularities...)).Draw(t, "granularity")),
		TimeZone:    rapid.SampledFrom(testZones).Draw(t, "zone"),
	}
	a, b := evenly(t, "from", length.Milliseconds()), evenly(t, "to", length.Milliseconds())
	a, b = min(a, b), max(a, b)+1
	if rapid.Bool().Draw(t, "aligned") {
		a, b = floorTo(a, 900_000), floorTo(b, 900_000)+900_000
	}
	r.From, r.To = from.Add(time.Duration(a)*time.Millisecond), from.Add(time.Duration(b)*time.Millisecond)
	if r.Granularity == Minute && r.To.Sub(r.From) > 24*time.Hour {
		r.To = r.From.Add(24 * time.Hour)
	}
	if rapid.Bool().Draw(t, "filtered") {
		dim := rapid.SampledFrom(dims).Draw(t, "filter")
		values := []string{"", "wf-a", "it's \\ odd", "cron", "ann", "s1", "http", "api", "login", "wf", "io"}
		switch dim {
		case metric.Version:
			values = []string{"0", "1"}
		case metric.HourOfDay:
			values = []string{"00", "02", "03", "17"}
		case metric.Weekday:
			values = []string{"1", "6", "7"}
		}
		r.Filters = []Filter{{
			Dimension: dim, Operator: rapid.SampledFrom([]Operator{In, NotIn}).Draw(t, "operator"),
			Values: rapid.SliceOfNDistinct(rapid.SampledFrom(values), 1, 3, rapid.ID[string]).Draw(t, "values"),
		}}
	}
	return r, kindOf[source]
}

func drawPrincipal(t *rapid.T) (access.Principal, []string) {
	switch rapid.IntRange(0, 3).Draw(t, "role") {
	case 0:
		return access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}, []string{"ann"}
	case 1:
		return access.Principal{Tenant: "acme", Role: access.RoleManager, TeamUserIDs: []string{"cem", "", "bob"}}, []string{"bob", "cem"}
	}
	return admin, nil
}

// Whatever is rolled up, nothing, a part or all, an answer is a recount.
func TestAnswersAreRecounts(t *testing.T) {
	// The period holds the change of the clock in Berlin (29 March) and in Lord
	// Howe (5 April), and New York's lies just before it.
	from := time.Date(2026, 3, 28, 17, 0, 0, 0, time.UTC)
	const length = 9 * 24 * time.Hour
	now := from.Add(2 * length)
	first := sampleEvents(from, length, 300, 1)
	late := sampleEvents(from, length, 15, 2)
	corrected := slices.Clone(first[:60])
	for i := range corrected {
		corrected[i].WorkflowID, corrected[i].Duration = "wf-corrected", corrected[i].Duration+1
	}
	other := sampleEvents(from, length, 20, 3)
	for i := range other {
		other[i].Tenant = "other"
	}
	s := querytest.New(t)
	readAll := Limits{Unsettled: 1 << 30}

	check := func(t *testing.T, deliveries []event.Event, limits Limits) {
		e, o := newSettled(t, s, now, limits), newOracle(now, deliveries)
		rapid.Check(t, func(t *rapid.T) {
			r, kind := drawRequest(t, from, length)
			p, users := drawPrincipal(t)
			res, err := e.Do(testContext(t), p, r)
			require.NoError(t, err)
			require.Equal(t, o.answer(t, r, users, kind), rowsOf(res, r.GroupBy), "%+v\n%v", r, res.Meta.SQL)
		})
	}
	s.Insert(t, first...)
	s.Insert(t, other...)
	t.Run("raw", func(t *testing.T) { check(t, first, readAll) })
	s.Settle(t)
	t.Run("rolled up", func(t *testing.T) { check(t, first, Limits{}) })
	s.Insert(t, late...)
	s.Insert(t, corrected...)
	all := slices.Concat(first, late, corrected)
	t.Run("partly rolled up", func(t *testing.T) { check(t, all, readAll) })
	s.Settle(t)
	t.Run("corrected", func(t *testing.T) { check(t, all, Limits{}) })
	s.Insert(t, all...)
	s.Settle(t)
	t.Run("sent again", func(t *testing.T) { check(t, all, Limits{}) })
}
