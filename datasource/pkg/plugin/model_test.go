package plugin

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query"
)

func TestModel(t *testing.T) {
	m, err := parseModel(json.RawMessage(`{"refId":"A","datasource":{"uid":"x"}}`))
	require.NoError(t, err)
	metrics, err := kindOf("metrics")
	require.NoError(t, err)
	want := defaultModel(metrics)
	want.Filters, want.Limit = []query.Filter{}, 10
	require.Equal(t, want, m)

	m, err = parseModel(json.RawMessage(`{"queryType":"errors"}`))
	require.NoError(t, err)
	require.Equal(t, 50, m.Limit)
	require.Equal(t, formatTable, m.Format)

	m, err = parseModel(json.RawMessage(`{"queryType":"metrics","metrics":["executions","success_rate"],"granularity":"day",
		"groupBy":["workflow"],"filters":[{"dimension":"user","operator":"not_in","values":["a"]}],"orderBy":"success_rate",
		"descending":false,"limit":0,"compare":"previous_week","timeZone":"Europe/Berlin","format":"table","alias":"x","version":1}`))
	require.NoError(t, err)
	r, err := m.request(backend.DataQuery{TimeRange: backend.TimeRange{From: time.Unix(0, 0), To: time.Unix(86400, 0)}})
	require.NoError(t, err)
	require.Equal(t, query.Request{
		Kind: query.KindMetrics, Metrics: []string{"executions", "success_rate"}, From: time.Unix(0, 0).UTC(), To: time.Unix(86400, 0).UTC(),
		Granularity: query.Day, TimeZone: "Europe/Berlin", GroupBy: []string{"workflow"},
		Filters: []query.Filter{{Dimension: "user", Operator: query.NotIn, Values: []string{"a"}}},
		OrderBy: "success_rate", Ascending: true, Compare: query.PreviousWeek,
	}, r)
}

func TestLowestFirst(t *testing.T) {
	for text, ascending := range map[string]bool{
		`{"groupBy":["workflow"],"descending":false,"limit":5}`:                        true,
		`{"groupBy":["workflow"],"descending":false,"limit":0,"orderBy":"executions"}`: true,
		`{"groupBy":["workflow"],"descending":false,"limit":0}`:                        false, // by the groups' names
		`{"groupBy":["workflow"],"descending":true,"limit":5}`:                         false,
		`{"groupBy":["workflow"],"limit":5}`:                                           false,
	} {
		m, err := parseModel(json.RawMessage(text))
		require.NoError(t, err)
		r, err := m.request(backend.DataQuery{})
		require.NoError(t, err)
		require.Equal(t, ascending, r.Ascending, text)
		require.False(t, r.Ascending && r.Descending, text)
	}
}

func TestFiltersThatFilterNothing(t *testing.T) {
	for _, values := range []string{`[]`, `null`, `[""]`, `["$__all"]`, `["a","$__all"]`, `["",""]`} {
		m, err := parseModel(json.RawMessage(`{"filters":[{"dimension":"workflow","operator":"in","values":` + values + `}]}`))
		require.NoError(t, err, values)
		require.Empty(t, m.Filters, values)
	}
	m, err := parseModel(json.RawMessage(`{"filters":[{"dimension":"workflow","operator":"in","values":["","a","$5 off"]}]}`))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "$5 off"}, m.Filters[0].Values)
}

func TestFiltersByTheEmptyValue(t *testing.T) {
	for dimension, want := range map[string][]string{"error_type": {"", "a"}, "version": {"0", "a"}} {
		m, err := parseModel(json.RawMessage(`{"filters":[{"dimension":"` + dimension + `","operator":"not_in","values":["$__none","","a"]}]}`))
		require.NoError(t, err)
		require.Equal(t, []query.Filter{{Dimension: dimension, Operator: query.NotIn, Values: want}}, m.Filters)
	}
	m, err := parseModel(json.RawMessage(`{"filters":[{"dimension":"user","operator":"in","values":["$__none","$__all"]}]}`))
	require.NoError(t, err)
	require.Empty(t, m.Filters)
}

func TestModelsThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                        "not valid JSON",
		`{"metrics":"executions"}`: "metrics: it is a string",
		`{"metrics":[]}`:           "no metric is chosen",
		`{"queryType":"logs"}`:     `queryType "logs"`,
		`{"format":"pie"}`:         "allowed: timeseries, table",
		`{"version":3}`:            "update the plugin",
		`{"queryType":"waterfall","format":"timeseries"}`:                     "allowed: table, trace, nodegraph",
		`{"queryType":"waterfall","params":{"execution":"$execution"}}`:       "nothing has replaced",
		`{"queryType":"waterfall","params":{"execution":5}}`:                  "it is a number",
		`{"queryType":"restatements","metrics":[]}`:                           "no metric is chosen",
		`{"filters":[{"dimension":"workflow","values":["$workflow"]}]}`:       "nothing has replaced",
		`{"filters":[{"dimension":"workflow","values":["${workflow:csv}"]}]}`: "nothing has replaced",
		`{"filters":[{"dimension":"workflow","values":["[[workflow]]"]}]}`:    "nothing has replaced",
	} {
		_, err := parseModel(json.RawMessage(text))
		require.ErrorContains(t, err, want, text)
		var wrong *query.RequestError
		require.ErrorAs(t, err, &wrong, text)
	}
	_, err := granularity("fortnight", backend.DataQuery{})
	require.ErrorContains(t, err, "allowed: auto, none, minute, 15m, hour, day, week, month")
}

func TestAutoGranularity(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		period, interval time.Duration
		points           int64
		want             query.Granularity
	}{
		{5 * time.Minute, time.Second, 1000, query.Minute},
		{time.Hour, 5 * time.Second, 1000, query.Minute},
		{6 * time.Hour, 20 * time.Second, 1000, query.Minute},
		{12 * time.Hour, time.Minute, 1000, query.Minute},
		{day, time.Minute, 1000, query.Quarter},
		{2 * day, 2 * time.Minute, 1000, query.Quarter},
		{7 * day, 10 * time.Minute, 1000, query.Hour},
		{30 * day, 30 * time.Minute, 1000, query.Hour},
		{90 * day, 2 * time.Hour, 1000, query.Day},
		{365 * day, 12 * time.Hour, 1000, query.Day},
		{3650 * day, 3 * day, 1000, query.Day},
		{6 * time.Hour, 20 * time.Minute, 20, query.Hour},          // a narrow panel
		{day, time.Hour, 24, query.Hour},                           // as many as fit
		{60 * day, 4 * time.Hour, 360, query.Day},                  // hours would be more than fit
		{7 * day, day, 1000, query.Day},                            // the author's minimum
		{day, 0, 0, query.Quarter},                                 // an alert rule's caller may say neither
		{day, time.Second, 43200, query.Quarter},                   // an alert rule's defaults
		{60*day + 12*time.Hour*24, time.Second, 100000, query.Day}, // more than mostPoints
		{0, 0, 0, query.Minute},
	} {
		require.Equal(t, test.want, autoGranularity(test.period, test.interval, test.points), "%s, %s, %d", test.period, test.interval, test.points)
	}
}

func TestOtherKinds(t *testing.T) {
	period := backend.DataQuery{TimeRange: backend.TimeRange{From: time.Unix(0, 0), To: time.Unix(86400, 0)}}
	for text, want := range map[string]query.Request{
		`{"queryType":"sessions","descending":false,"limit":5}`:                                     {Kind: query.KindSessions, Ascending: true, Limit: 5},
		`{"queryType":"sessions"}`:                                                                  {Kind: query.KindSessions},
		`{"queryType":"forecast","params":{"metric":"credits","horizon":" "}}`:                      {Kind: query.KindForecast, Params: map[string]string{"metric": "credits"}},
		`{"queryType":"forecast","granularity":"week"}`:                                             {Kind: query.KindForecast, Granularity: query.Week},
		`{"queryType":"restatements","params":{"since":"x"},"asOf":"2026-03-29"}`:                   {Kind: query.KindRestatements, Metrics: []string{"executions"}, Params: map[string]string{"since": "x"}, AsOf: time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)},
		`{"asOf":"2026-03-29","timeZone":"Europe/Berlin","granularity":"none"}`:                     {Kind: query.KindMetrics, Metrics: []string{"executions"}, Descending: true, Limit: 10, TimeZone: "Europe/Berlin", AsOf: time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC)},
		`{"queryType":"errors","asOf":"1000","version":2}`:                                          {Kind: query.KindErrors, Limit: 50, AsOf: time.Unix(1, 0).UTC()},
		`{"queryType":"errors","asOf":"2026-03-29T01:00:00+01:00","version":2}`:                     {Kind: query.KindErrors, Limit: 50, AsOf: time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)},
		`{"queryType":"errors","compare":"previous_day","granularity":"day","limit":3,"version":1}`: {Kind: query.KindErrors, Limit: 3}, // of the first version
	} {
		m, err := parseModel(json.RawMessage(text))
		require.NoError(t, err, text)
		r, err := m.request(period)
		require.NoError(t, err, text)
		want.From, want.To = time.Unix(0, 0).UTC(), time.Unix(86400, 0).UTC()
		if len(r.Params) == 0 {
			r.Params = nil
		}
		r.Filters = nil
		require.True(t, want.AsOf.Equal(r.AsOf), "%s: %s", text, r.AsOf)
		want.AsOf = r.AsOf
		require.Equal(t, want, r, text)
	}
	for text, want := range map[string]string{
		`{"asOf":"$when"}`:                        "nothing has replaced",
		`{"asOf":"yesterday"}`:                    "neither a time",
		`{"asOf":"2026-03-29","timeZone":"Mars"}`: "no such time zone",
	} {
		m, err := parseModel(json.RawMessage(text))
		require.NoError(t, err, text)
		_, err = m.request(period)
		require.ErrorContains(t, err, want, text)
	}
}

// What a kind does not take, the engine refuses; so nothing of the sort may come by default.
func TestDefaultsAreSound(t *testing.T) {
	for _, k := range query.Kinds() {
		m, err := parseModel(json.RawMessage(fmt.Sprintf(`{"queryType":%q,%s}`, k.Kind, askOf(k.Kind))))
		require.NoError(t, err)
		r, err := m.request(backend.DataQuery{TimeRange: backend.TimeRange{From: time.Unix(0, 0), To: time.Unix(86400, 0)}})
		require.NoError(t, err)
		require.NoError(t, query.Sound(r), k.Kind)
	}
}
