package promql

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

// notebook remembers records, or cannot.
type notebook struct {
	mu      sync.Mutex
	records []query.AuditRecord
	errs    []error
	err     error
}

func (n *notebook) RecordAs(_ context.Context, p access.Principal, r query.AuditRecord, err error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	r.Principal = p
	n.records, n.errs = append(n.records, r), append(n.errs, err)
	return n.err
}

// counting counts what a store is asked.
type counting struct {
	Store
	asked int
}

func (c *counting) Totals(ctx context.Context, p access.Principal, r query.TotalsRequest) (*query.Totals, error) {
	c.asked++
	return c.Store.Totals(ctx, p, r)
}

func recording(t *testing.T, store Store, n *notebook, l Limits) *httptest.Server {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	a, err := New(Config{Store: store, Recorder: n, Authenticator: keys{}, Limits: l, Now: func() time.Time { return testNow }})
	require.NoError(t, err)
	server := httptest.NewServer(a.Handler())
	t.Cleanup(server.Close)
	return server
}

// A request is one reading, however many selectors it has.
func TestOneRecordForEachRequest(t *testing.T) {
	n, store := &notebook{}, &counting{Store: newStore(t, sampleEvents(60, 3))}
	server := recording(t, store, n, Limits{})
	window := url.Values{"start": {dayStart.Format(time.RFC3339)}, "end": {testNow.Format(time.RFC3339)}}
	with := func(v url.Values, more ...string) url.Values {
		out := url.Values{}
		for name, values := range v {
			out[name] = values
		}
		for i := 0; i < len(more); i += 2 {
			out.Set(more[i], more[i+1])
		}
		return out
	}
	const several = `sum by (workflow) (flowgauge_executions_total{workflow=~"wf.*"}) / sum by (workflow) (flowgauge_executions_started_total) + 0 * sum by (workflow) (flowgauge_steps_total)`
	for _, c := range []struct {
		path   string
		values url.Values
		status int
		kind   query.Kind
		params map[string]string
		failed bool
	}{
		{"query", url.Values{"query": {several}}, http.StatusOK, "promql", map[string]string{"query": several}, false},
		{"query_range", with(window, "query", several, "step", "1h"), http.StatusOK, "promql", map[string]string{"query": several, "step": "1h"}, false},
		{"query", url.Values{"query": {"sum("}}, http.StatusBadRequest, "promql", map[string]string{"query": "sum("}, true},
		{"query", url.Values{"query": {"1 + 1"}}, http.StatusOK, "promql", map[string]string{"query": "1 + 1"}, false},
		{"series", with(window, "match[]", "flowgauge_actions_total"), http.StatusOK, "promql_series", map[string]string{"match[]": "flowgauge_actions_total"}, false},
		{"labels", window, http.StatusOK, "promql_labels", nil, false},
		{"label/workflow/values", window, http.StatusOK, "promql_labels", map[string]string{"label": "workflow"}, false},
	} {
		before := len(n.records)
		status, body := get(t, server, "fg_admin", c.path, c.values)
		require.Equal(t, c.status, status, "%s: %s", c.path, body)
		require.Len(t, n.records, before+1, c.path)
		r := n.records[before]
		require.Equal(t, c.kind, r.Kind)
		for name, want := range c.params {
			require.Equal(t, want, r.Params[name], c.path)
		}
		require.Equal(t, "acme", r.Principal.Tenant)
		require.Equal(t, c.failed, n.errs[before] != nil)
		if c.failed {
			var wrong *query.RequestError
			require.ErrorAs(t, n.errs[before], &wrong, "it is the caller's fault")
		} else {
			require.Positive(t, r.Rows, c.path)
		}
	}
	require.Greater(t, store.asked, 7, "several readings of the store are one")

	n.err = query.ErrNotRecorded
	for _, path := range []string{"query", "series", "labels"} {
		status, body := get(t, server, "fg_admin", path, with(window, "query", several, "match[]", "flowgauge_actions_total"))
		require.Equal(t, http.StatusServiceUnavailable, status, body)
		require.NotContains(t, body, "wf-a", "what is not recorded is withheld")
	}
}

// What a request holds is bounded over all of its selectors.
func TestSelectorsAreBoundedTogether(t *testing.T) {
	store := newStore(t, sampleEvents(200, 3))
	hints := &storage.SelectHints{Start: dayStart.UnixMilli(), End: testNow.UnixMilli(), Step: time.Minute.Milliseconds()}
	held := func(most int, names ...string) (held int, err error) {
		q := &queryable{store: store, who: admin, lookback: lookback, maxSeries: 1000, most: most, exact: true}
		for _, name := range names {
			querier, err := q.Querier(hints.Start, hints.End)
			require.NoError(t, err)
			set := querier.Select(t.Context(), true, hints, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name))
			if set.Err() != nil {
				return int(q.held.Load()), set.Err()
			}
		}
		return int(q.held.Load()), nil
	}
	one, err := held(1_000_000, "flowgauge_executions_total")
	require.NoError(t, err)
	both, err := held(1_000_000, "flowgauge_executions_total", "flowgauge_steps_total")
	require.NoError(t, err)
	require.Greater(t, both, one)
	_, err = held(both, "flowgauge_executions_total", "flowgauge_steps_total")
	require.NoError(t, err)
	got, err := held(both-1, "flowgauge_executions_total", "flowgauge_steps_total")
	var wrong *query.RequestError
	require.ErrorAs(t, err, &wrong, "the second has no room")
	require.Equal(t, one, got)
	_, err = held(one, "flowgauge_executions_total", "flowgauge_steps_total")
	var much *tooMuchError
	require.ErrorAs(t, err, &much, "the second is not even asked for")
	status, body := get(t, recording(t, store, &notebook{}, Limits{Samples: 2}), "fg_admin", "query", url.Values{"query": {"flowgauge_executions_total"}, "time": {testNow.Format(time.RFC3339)}})
	require.Equal(t, http.StatusUnprocessableEntity, status, body)
}

// Questions about series wait for their turn as queries do, and give it back.
func TestSeriesWaitForTheirTurn(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	store := newStore(t, sampleEvents(5, 1))
	for _, c := range []struct {
		timeout time.Duration
		busy    bool
		status  int
	}{{50 * time.Millisecond, true, http.StatusServiceUnavailable}, {time.Minute, false, http.StatusOK}} {
		a, err := New(Config{Store: store, Authenticator: keys{}, Limits: Limits{Queries: 1, Timeout: c.timeout}, Now: func() time.Time { return testNow }})
		require.NoError(t, err)
		server := httptest.NewServer(a.Handler())
		t.Cleanup(server.Close)
		if c.busy {
			a.slots <- struct{}{} // somebody else's query
		}
		for _, path := range []string{"series", "labels", "label/workflow/values"} {
			status, body := get(t, server, "fg_admin", path, url.Values{"match[]": {"flowgauge_actions_total"}})
			require.Equal(t, c.status, status, body)
		}
	}
}
