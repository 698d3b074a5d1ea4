package plugin

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

func TestGroupsWithoutAnything(t *testing.T) {
	n := func(v float64) *float64 { return &v }
	hour := func(h int64) time.Time { return time.Unix(3600*h, 0).UTC() }
	times := data.NewField("time", nil, []time.Time{hour(1), hour(1), hour(1), hour(2), hour(2)})
	groups := data.NewField("error_type", nil, []string{"", "io", "odd", "", "io"})
	first := []*float64{n(0), n(0), nil, nil, n(2)}
	second := []*float64{nil, n(1), n(3), n(0), n(2)}

	for name, test := range map[string]struct {
		model   string
		fields  []*data.Field
		headers map[string]string
		want    []string
	}{
		"a group at 0 and none goes, one that has something in any bucket stays whole": {
			`{"metrics":["executions_failed"],"granularity":"hour","groupBy":["error_type"],"format":"table"}`,
			[]*data.Field{times, groups, data.NewField("executions_failed", nil, first)},
			nil,
			[]string{"io", "io"},
		},
		"another metric keeps it": {
			`{"metrics":["executions_failed","executions"],"granularity":"hour","groupBy":["error_type"],"format":"table"}`,
			[]*data.Field{times, groups, data.NewField("executions_failed", nil, first), data.NewField("executions", nil, second)},
			nil,
			[]string{"io", "odd", "io"},
		},
		"so does the period before": {
			`{"metrics":["executions_failed"],"granularity":"hour","groupBy":["error_type"],"format":"table","compare":"previous_day"}`,
			[]*data.Field{times, groups, data.NewField("executions_failed", nil, first), data.NewField("executions_failed_previous", nil, second)},
			nil,
			[]string{"io", "odd", "io"},
		},
		"a rate of 0 says something": {
			`{"metrics":["executions_failed","failure_rate"],"granularity":"hour","groupBy":["error_type"],"format":"table"}`,
			[]*data.Field{times, groups, data.NewField("executions_failed", nil, first), data.NewField("failure_rate", nil, first)},
			nil,
			[]string{"", "io", "odd", "", "io"},
		},
		"what took no time was there": {
			`{"metrics":["duration_sum"],"granularity":"hour","groupBy":["error_type"],"format":"table"}`,
			[]*data.Field{times, groups, data.NewField("duration_sum", nil, first)},
			nil,
			[]string{"", "io", "odd", "", "io"},
		},
		"amounts may cancel each other out": {
			`{"metrics":["credits"],"granularity":"hour","groupBy":["error_type"],"format":"table"}`,
			[]*data.Field{times, groups, data.NewField("credits", nil, first)},
			nil,
			[]string{"", "io", "odd", "", "io"},
		},
		"the lowest are those at 0": {
			`{"metrics":["executions_failed"],"granularity":"hour","groupBy":["error_type"],"format":"table","descending":false}`,
			[]*data.Field{times, groups, data.NewField("executions_failed", nil, first)},
			nil,
			[]string{"", "io", "odd", "", "io"},
		},
		"an alert rule needs them": {
			`{"metrics":["executions_failed"],"granularity":"hour","groupBy":["error_type"],"format":"table"}`,
			[]*data.Field{times, groups, data.NewField("executions_failed", nil, first)},
			map[string]string{"FromAlert": "true"},
			[]string{"", "io", "odd", "", "io"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			ds := newFake(1, func(context.Context, access.Principal, query.Request) (*query.Result, error) {
				return &query.Result{Frame: data.NewFrame("", test.fields...)}, nil
			})
			out, err := ds.QueryData(t.Context(), &backend.QueryDataRequest{
				Headers: test.headers,
				Queries: []backend.DataQuery{{RefID: "A", JSON: json.RawMessage(test.model)}},
			})
			require.NoError(t, err)
			require.NoError(t, out.Responses["A"].Error)
			field, at := out.Responses["A"].Frames[0].FieldByName("error_type")
			require.Equal(t, 1, at)
			require.Equal(t, "Error type", field.Config.DisplayNameFromDS)
			got := []string{}
			for i := range field.Len() {
				got = append(got, field.At(i).(string))
			}
			require.Equal(t, test.want, got)
		})
	}
}

// A series of zeros is none either; all of them are no data.
func TestSeriesWithoutAnything(t *testing.T) {
	zero := 0.0
	ds := newFake(1, func(context.Context, access.Principal, query.Request) (*query.Result, error) {
		return &query.Result{Meta: query.Meta{Granularity: query.Hour}, Frame: data.NewFrame("",
			data.NewField("time", nil, []time.Time{time.Unix(0, 0)}),
			data.NewField("reject_code", nil, []string{""}),
			data.NewField("events_rejected", nil, []*float64{&zero}),
		)}, nil
	})
	frames := ask(ds, `{"metrics":["events_rejected"],"granularity":"hour","groupBy":["reject_code"]}`)["A"].Frames
	require.Len(t, frames, 1)
	require.Empty(t, frames[0].Fields)
}
