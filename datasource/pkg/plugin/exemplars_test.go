package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/audit"
	"github.com/flowgauge/flowgauge/backend/access/policy"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// The data: in each of 150 minutes an execution of "slow" (ann's) and two of "fast"
// (bob's), the second of which fails.
func newDurations(t *testing.T) (*querytest.Store, backend.TimeRange) {
	t.Helper()
	store := querytest.New(t)
	from := time.Now().UTC().Truncate(time.Hour).Add(-4 * time.Hour)
	var events []event.Event
	for minute := range 150 {
		for i, workflow := range []string{"slow", "fast", "fast"} {
			e := event.Event{
				Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: tenant, ID: fmt.Sprintf("%s-%d-%d", workflow, minute, i),
				Time:         from.Add(time.Duration(minute)*time.Minute + time.Duration(i)*time.Second).UnixMilli(),
				PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
				WorkflowID: workflow, UserID: "bob", Duration: int64(1000 + 10*minute + i),
			}
			if workflow == "slow" {
				e.UserID, e.Duration = "ann", int64(60_000+minute)
			}
			if i == 2 {
				e.Status = event.StatusFailed
			}
			events = append(events, e)
		}
	}
	store.Insert(t, events...)
	store.Settle(t)
	return store, backend.TimeRange{From: from, To: from.Add(150 * time.Minute)}
}

// exemplarsIn returns the frame that Grafana's panels take for exemplars.
func exemplarsIn(frames data.Frames) *data.Frame {
	at := slices.IndexFunc(frames, func(f *data.Frame) bool {
		return f.Name == "exemplar" && f.Meta != nil && f.Meta.DataTopic == data.DataTopicAnnotations
	})
	if at < 0 {
		return nil
	}
	return frames[at]
}

func TestExemplars(t *testing.T) {
	store, period := newDurations(t)
	g := grafanaOn(t, store, map[string]any{"dashboardLinks": true})
	models := map[string]string{
		"hours":    `{"metrics":["duration_p95"],"granularity":"hour","exemplar":true}`,
		"minutes":  `{"metrics":["executions","duration_max"],"granularity":"minute","exemplar":true}`,
		"filtered": `{"metrics":["duration_p50"],"granularity":"hour","exemplar":true,"filters":[{"dimension":"workflow","operator":"in","values":["fast"]}]}`,
		"top":      `{"metrics":["duration_p95"],"granularity":"hour","exemplar":true,"groupBy":["workflow"],"limit":1,"descending":false}`,
	}
	got := g.query(period, models)
	frame := func(refID string) *data.Frame {
		require.NoError(t, got[refID].Error, refID)
		f := exemplarsIn(got[refID].Frames)
		require.NotNil(t, f, refID)
		return f
	}
	t.Run("the slowest execution of each interval", func(t *testing.T) {
		f := frame("hours")
		var names []string
		for _, field := range f.Fields {
			names = append(names, field.Name)
		}
		require.Equal(t, []string{"Time", "Value", "execution", "workflow", "status"}, names, "Grafana looks for Time and Value")
		require.Equal(t, []string{"slow-59-0", "slow-119-0", "slow-149-0"}, column[string](t, f, "execution"))
		require.Equal(t, []float64{60_059, 60_119, 60_149}, column[float64](t, f, "Value"))
		require.Equal(t, "ms", f.Fields[1].Config.Unit)
		require.Equal(t, period.From.Add(59*time.Minute).UnixMilli(), column[time.Time](t, f, "Time")[0].UnixMilli())
		require.Contains(t, got["hours"].Frames[0].Meta.ExecutedQueryString, "duration_ms DESC")
	})
	t.Run("those of other groups and filters are left out", func(t *testing.T) {
		for _, refID := range []string{"filtered", "top"} {
			require.Equal(t, []string{"fast-59-2", "fast-119-2", "fast-149-2"}, column[string](t, frame(refID), "execution"), refID)
			require.Equal(t, []string{"failed", "failed", "failed"}, column[string](t, frame(refID), "status"), refID)
		}
	})
	t.Run("no more than can be told apart", func(t *testing.T) {
		times := column[time.Time](t, frame("minutes"), "Time")
		require.Len(t, times, 100)
		require.True(t, slices.IsSortedFunc(times, time.Time.Compare))
	})
	t.Run("each leads to its execution and its workflow", func(t *testing.T) {
		links := linksOf(t, frame("hours"), "execution")
		require.Len(t, links, 1)
		trace := g.follow(period, links[0], frame("hours"), "execution", 1)
		require.Equal(t, "slow-119-0", column[string](t, trace, "traceID")[0])
		uid, _ := g.target(linksOf(t, frame("hours"), "workflow")[0])
		require.Equal(t, "flowgauge-workflow", uid)
	})
	t.Run("none where nobody asks, or nothing shares their axis", func(t *testing.T) {
		none := map[string]string{
			"off":    `{"metrics":["duration_p95"],"granularity":"hour"}`,
			"counts": `{"metrics":["executions"],"granularity":"hour","exemplar":true}`,
			"sum":    `{"metrics":["duration_sum"],"granularity":"hour","exemplar":true}`,
			"steps":  `{"metrics":["step_duration_p95"],"granularity":"hour","exemplar":true}`,
			"table":  `{"metrics":["duration_p95"],"granularity":"hour","format":"table","exemplar":true}`,
			"whole":  `{"metrics":["duration_p95"],"granularity":"none","exemplar":true}`,
			"empty":  `{"metrics":["duration_p95"],"granularity":"hour","exemplar":true,"filters":[{"dimension":"workflow","operator":"in","values":["gone"]}]}`,
		}
		for refID, r := range g.query(period, none) {
			require.NoError(t, r.Error, refID)
			require.Nil(t, exemplarsIn(r.Frames), refID)
			require.NotContains(t, r.Frames[0].Meta.ExecutedQueryString, "duration_ms DESC", refID)
		}
	})
	t.Run("an alert rule never asks", func(t *testing.T) {
		req := &backend.QueryDataRequest{PluginContext: g.pc, Headers: map[string]string{"FromAlert": "true"}}
		for refID, model := range models {
			req.Queries = append(req.Queries, backend.DataQuery{RefID: refID, TimeRange: period, JSON: json.RawMessage(model)})
		}
		out, err := g.plugin.Client.QueryData(g.ctx(), req)
		require.NoError(t, err)
		for refID, r := range out.Responses {
			require.NoError(t, r.Error, refID)
			require.Nil(t, exemplarsIn(r.Frames), refID)
		}
	})
	t.Run("nor does a stream", func(t *testing.T) {
		live := `{"query":{"metrics":["duration_p95"],"granularity":"minute","exemplar":true},"window":14400000,"interval":60000}`
		r, m, err := parseLive([]byte(live))
		require.NoError(t, err)
		require.True(t, m.Exemplar)
		text, err := g.instance().liveFrame(t.Context(), &backend.RunStreamRequest{PluginContext: g.pc, Path: g.livePath(live), Data: []byte(live)}, r)
		require.NoError(t, err)
		require.Contains(t, string(text), "duration_p95")
		require.NotContains(t, string(text), "exemplar")
	})
	t.Run("viewers have those of their own", func(t *testing.T) {
		own := grafanaOn(t, store, map[string]any{"viewerScope": "own"})
		own.pc.User = &backend.User{Login: "bob", Role: "Viewer"}
		r := own.query(period, models)["hours"]
		require.NoError(t, r.Error)
		require.Equal(t, []string{"fast-59-2", "fast-119-2", "fast-149-2"}, column[string](t, exemplarsIn(r.Frames), "execution"))
	})
}

// What a policy keeps back is kept back of exemplars, and says so; each reading of them
// is recorded.
func TestExemplarsUnderAPolicy(t *testing.T) {
	store, period := newDurations(t)
	ask := func(rule policy.Rule, model string) backend.DataResponse {
		_, err := policy.NewStore(store.Client).Put(t.Context(), tenant, "test", &policy.Document{Roles: map[access.Role]policy.Rule{access.RoleAdmin: rule}})
		require.NoError(t, err)
		settings, secrets := settingsOf(t, store.Client.Database(), map[string]any{"auditRequired": true})
		secrets["pseudonymKey"] = "0123456789abcdef0123456789abcdef"
		r := newGrafana(t, settings, secrets).query(period, map[string]string{"A": model})["A"]
		require.NoError(t, r.Error)
		return r
	}
	const byUser = `{"metrics":["duration_p95"],"granularity":"hour","exemplar":true,"groupBy":["user"],"limit":1}`
	r := ask(policy.Rule{Pseudonyms: true}, byUser)
	require.Equal(t, []string{"slow-59-0", "slow-119-0", "slow-149-0"}, column[string](t, exemplarsIn(r.Frames), "execution"), "groups go by their pseudonyms")

	const plain = `{"metrics":["duration_p95"],"granularity":"hour","exemplar":true}`
	r = ask(policy.Rule{Redact: []string{metric.Execution}}, plain)
	require.Equal(t, query.Redacted, column[string](t, exemplarsIn(r.Frames), "execution")[0])
	require.Empty(t, linksOf(t, exemplarsIn(r.Frames), "execution"))

	r = ask(policy.Rule{MinimumUsers: 2}, plain)
	require.Nil(t, exemplarsIn(r.Frames))
	require.Positive(t, r.Frames[0].Rows(), "the figures are there")
	require.Len(t, r.Frames[0].Meta.Notices, 1)
	require.Contains(t, r.Frames[0].Meta.Notices[0].Text, "There are no exemplars. ")
	require.Contains(t, r.Frames[0].Meta.Notices[0].Text, "single users")

	records, _, err := audit.List(t.Context(), store.Client, tenant, audit.Page{Limit: 10})
	require.NoError(t, err)
	outcomes := map[string]int{}
	for _, r := range records {
		outcomes[r.Kind+" "+r.Outcome]++
	}
	require.Equal(t, map[string]int{"metrics answered": 3, "executions answered": 2, "executions denied": 1}, outcomes)
}

// A panel that has its figures does not wait long for exemplars.
func TestExemplarsThatTakeTooLong(t *testing.T) {
	at, value := time.Unix(0, 0).UTC(), 5.0
	ds := newFake(1, func(ctx context.Context, _ access.Principal, r query.Request) (*query.Result, error) {
		if r.Kind == query.KindExecutions {
			deadline, limited := ctx.Deadline()
			require.True(t, limited)
			require.LessOrEqual(t, time.Until(deadline), exemplarPatience)
			return nil, fmt.Errorf("read: %w", context.DeadlineExceeded)
		}
		return &query.Result{Meta: query.Meta{Granularity: query.Hour}, Frame: data.NewFrame("",
			data.NewField("time", nil, []time.Time{at}), data.NewField("duration_p95", nil, []*float64{&value}))}, nil
	})
	r := ask(ds, `{"metrics":["duration_p95"],"granularity":"hour","exemplar":true}`)["A"]
	require.NoError(t, r.Error)
	require.Len(t, r.Frames, 1)
	require.Contains(t, r.Frames[0].Meta.Notices[0].Text, "could not be read within 5s")
}

func TestExemplarMetricsAreDurations(t *testing.T) {
	for _, name := range exemplarMetrics {
		m, ok := metric.Lookup(name)
		require.True(t, ok, name)
		require.Equal(t, "ms", m.Unit)
		require.Equal(t, []metric.Source{metric.SourceExecutions}, m.Sources, name)
	}
}
