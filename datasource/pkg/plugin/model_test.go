package plugin

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query"
)

func TestModel(t *testing.T) {
	m, err := parseModel(json.RawMessage(`{"refId":"A","datasource":{"uid":"x"}}`))
	require.NoError(t, err)
	want := defaultModel()
	want.Filters, want.Limit = []query.Filter{}, 10
	require.Equal(t, want, m)

	m, err = parseModel(json.RawMessage(`{"queryType":"errors"}`))
	require.NoError(t, err)
	require.Equal(t, 50, m.Limit)

	m, err = parseModel(json.RawMessage(`{"queryType":"metrics","metrics":["executions","success_rate"],"granularity":"day",
		"groupBy":["workflow"],"filters":[{"dimension":"user","operator":"not_in","values":["a"]}],"orderBy":"success_rate",
		"descending":false,"limit":0,"compare":"previous_week","timeZone":"Europe/Berlin","format":"table","alias":"x","version":1}`))
	require.NoError(t, err)
	r, err := m.request(backend.DataQuery{TimeRange: backend.TimeRange{From: time.Unix(0, 0), To: time.Unix(86400, 0)}})
	require.NoError(t, err)
	require.Equal(t, query.Request{
		Metrics: []string{"executions", "success_rate"}, From: time.Unix(0, 0).UTC(), To: time.Unix(86400, 0).UTC(),
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
		`{"version":2}`:            "update the plugin",
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
