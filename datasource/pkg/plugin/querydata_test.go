package plugin

import (
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

// fake answers with what the metric's name says.
type fake struct {
	analytics
	do func(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error)
}

func (f fake) Do(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error) {
	return f.do(ctx, p, r)
}

func newFake(slots int, do func(context.Context, access.Principal, query.Request) (*query.Result, error)) *Datasource {
	s := Settings{Host: "h", Tenant: "acme", Timeout: 5}
	s.fillDefaults()
	return &Datasource{settings: s, engine: fake{do: do}, slots: make(chan struct{}, slots)}
}

func ask(ds *Datasource, models ...string) backend.Responses {
	req := &backend.QueryDataRequest{}
	for i, m := range models {
		req.Queries = append(req.Queries, backend.DataQuery{
			RefID: string(rune('A' + i)), JSON: json.RawMessage(m),
			TimeRange: backend.TimeRange{From: time.Unix(0, 0), To: time.Unix(3600, 0)},
		})
	}
	out, _ := ds.QueryData(context.Background(), req)
	return out.Responses
}

func emptyResult() *query.Result { return &query.Result{Frame: data.NewFrame("")} }

func TestPanicStaysInItsQuery(t *testing.T) {
	ds := newFake(4, func(_ context.Context, _ access.Principal, r query.Request) (*query.Result, error) {
		if r.Metrics[0] == "boom" {
			panic("boom")
		}
		return emptyResult(), nil
	})
	got := ask(ds, `{"metrics":["boom"]}`, `{"metrics":["executions"]}`)
	require.ErrorContains(t, got["A"].Error, "The plugin failed")
	require.Equal(t, backend.ErrorSourcePlugin, got["A"].ErrorSource)
	require.NotContains(t, got["A"].Error.Error(), "boom")
	require.NoError(t, got["B"].Error)
	require.Empty(t, ds.slots, "the slot of a query that panicked is free again")
}

func TestQueriesAreBounded(t *testing.T) {
	var now, most atomic.Int64
	ds := newFake(2, func(context.Context, access.Principal, query.Request) (*query.Result, error) {
		n := now.Add(1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		now.Add(-1)
		return emptyResult(), nil
	})
	ask(ds, strings.Split(strings.Repeat("{} ", 12)[:35], " ")...)
	require.EqualValues(t, 2, most.Load())
}

func TestAskedAsTheTenant(t *testing.T) {
	var who access.Principal
	ds := newFake(1, func(_ context.Context, p access.Principal, _ query.Request) (*query.Result, error) {
		who = p
		return emptyResult(), nil
	})
	ask(ds, `{}`)
	require.Equal(t, "acme", who.Tenant)
	require.Equal(t, access.RoleAdmin, who.Role)
	require.True(t, who.Allows(access.ScopeRead))
	require.False(t, who.Allows(access.ScopeIngest))
}

func TestDisposeLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		instance, err := New(t.Context(), backend.DataSourceInstanceSettings{JSONData: json.RawMessage(`{"host":"127.0.0.1","port":1}`)})
		require.NoError(t, err)
		ds := instance.(*Datasource)
		got := ask(ds, `{}`)
		require.ErrorContains(t, got["A"].Error, "Nothing listens at 127.0.0.1:1.")
		ds.Dispose()
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, 5*time.Second, 20*time.Millisecond)
}
