package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

// letters is a fake of what looks after dead letters.
type letters struct {
	by     access.Principal
	filter DeadLetterFilter
	page   DeadLetterPage
	order  ReplayOrder
	limit  int
	dryRun bool
	result ReplayResult
	err    error
}

func (l *letters) List(_ context.Context, p access.Principal, f DeadLetterFilter, page DeadLetterPage) ([]DeadLetter, string, error) {
	l.by, l.filter, l.page = p, f, page
	one := DeadLetter{ID: "1.0.log", State: "open"}
	one.SetPayload([]byte(`{"ä`)[:3], 100)
	return []DeadLetter{one}, "1.0.log", l.err
}

func (l *letters) Get(_ context.Context, _ access.Principal, id string) (DeadLetter, error) {
	one := DeadLetter{ID: id, State: "open"}
	one.SetPayload([]byte{0xff}, 1)
	return one, l.err
}

func (l *letters) Discard(_ context.Context, p access.Principal, id string) (DeadLetter, error) {
	l.by = p
	return DeadLetter{ID: id, State: "discarded"}, l.err
}

func (l *letters) Replay(_ context.Context, _ access.Principal, id string, o ReplayOrder) (ReplayResult, error) {
	l.order = o
	l.result.ID = id
	return l.result, l.err
}

func (l *letters) ReplayAll(_ context.Context, _ access.Principal, f DeadLetterFilter, limit int, dryRun bool, each func(ReplayResult) error) (ReplaySummary, error) {
	l.filter, l.limit, l.dryRun = f, limit, dryRun
	for _, r := range []ReplayResult{{ID: "1", State: "replayed", Accepted: 1}, {ID: "2", State: "open", Fault: &ReplayFault{Code: "still_rejected"}}} {
		if err := each(r); err != nil {
			return ReplaySummary{}, err
		}
	}
	return ReplaySummary{Matched: 2, Accepted: 1, Rejected: 1, Codes: map[string]int{"missing_field": 1}}, l.err
}

func (f *fake) Conflicts(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error) {
	return f.Do(ctx, p, r)
}

// adminRoles has keys that may do more than read.
type adminRoles struct{ roles }

func (a adminRoles) Authenticate(r *http.Request) (access.Principal, error) {
	if r.Header.Get("X-Role") == "owner" {
		return access.Principal{Tenant: "acme", Role: access.RoleAdmin, Scopes: []access.Scope{access.ScopeAdmin}}, nil
	}
	return a.roles.Authenticate(r)
}

func newCollector(t *testing.T, f *fake, l *letters) http.Handler {
	t.Helper()
	a, err := New(Config{
		Analytics: f, Conflicts: f, Letters: l, Replays: l, Waiting: func() int64 { return 3 },
		Authenticator: adminRoles{}, Denied: func(err error) bool { return errors.Is(err, errNoKey) },
	})
	require.NoError(t, err)
	return a.Handler()
}

const letterPath = CollectorRoot + "/dead-letters"

func TestCompletenessAsksForFigures(t *testing.T) {
	noon := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	f := &fake{result: &query.Result{Frame: data.NewFrame("",
		data.NewField("time", nil, []time.Time{noon}), data.NewField("source", nil, []string{"crm"}), data.NewField("event_kind", nil, []string{""}),
		data.NewField("events_received", nil, []*float64{ptr(7)}), data.NewField("events_accepted", nil, []*float64{ptr(4)}),
		data.NewField("events_duplicate", nil, []*float64{ptr(2)}), data.NewField("events_rejected", nil, []*float64{ptr(1)}),
		data.NewField("events_added", nil, []*float64{ptr(5)}), data.NewField("events_stored", nil, []*float64{ptr(9)}), data.NewField("events_visible", nil, []*float64{ptr(3)}),
		data.NewField("events_replaced", nil, []*float64{nil}),
	)}}
	h := newCollector(t, f, &letters{})
	status, _, body := call(t, h, "admin", http.MethodGet, CollectorRoot+"/completeness?"+period+"&granularity=hour&source=crm&source=erp&kind=step", "")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, []query.Filter{
		{Dimension: "source", Operator: query.In, Values: []string{"crm", "erp"}},
		{Dimension: "event_kind", Operator: query.In, Values: []string{"step"}},
	}, f.asked.Filters)
	require.Empty(t, f.asked.GroupBy, "the total is asked for last")
	require.Contains(t, f.asked.Metrics, "events_visible")
	row := map[string]any{
		"time": "2026-03-29T12:00:00Z", "source": "crm", "kind": "", "received": 7.0, "accepted": 4.0, "duplicate": 2.0, "rejected": 1.0,
		"added": 5.0, "stored": 9.0, "visible": 3.0, "replaced": 0.0,
	}
	require.Equal(t, []any{row}, body["data"])
	require.InDelta(t, 3, body["meta"].(map[string]any)["waiting"], 0)

	_, _, body = call(t, h, "admin", http.MethodGet, CollectorRoot+"/completeness?from=2026-01-01&to=2026-04-01", "")
	require.NotContains(t, f.asked.Metrics, "events_visible", "too much to read")
	require.Contains(t, body["meta"].(map[string]any)["notices"].([]any)[0], "31 days")
	status, _, body = call(t, h, "admin", http.MethodGet, CollectorRoot+"/completeness?"+period+"&event_kind=step", "")
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "event_kind", body["param"])
}

func TestConflictsAreGrouped(t *testing.T) {
	noon := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	f := &fake{result: &query.Result{Frame: data.NewFrame("",
		data.NewField("execution", nil, []string{"a", "a", "b"}), data.NewField("workflow", nil, []string{"w", "v", "w"}),
		data.NewField("time", nil, []time.Time{noon, noon, noon}), data.NewField("status", nil, []string{"failed", "completed", "failed"}),
		data.NewField("attempt", nil, []int64{1, 2, 0}), data.NewField("source", nil, []string{"crm", "crm", ""}),
		data.NewField("received_at", nil, []time.Time{noon, noon, noon}),
	)}}
	status, _, body := call(t, newCollector(t, f, &letters{}), "admin", http.MethodGet, CollectorRoot+"/conflicts?"+period+"&limit=7&workflow=w&execution=a", "")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, 7, f.asked.Limit)
	rows := body["data"].([]any)
	require.Len(t, rows, 2)
	first := rows[0].(map[string]any)
	require.Equal(t, "v", first["workflow"], "of the last end")
	require.Equal(t, map[string]any{"time": "2026-03-29T12:00:00Z", "status": "completed", "attempt": 2.0, "source": "crm", "receivedAt": "2026-03-29T12:00:00Z"}, first["ends"].([]any)[1])
}

func TestDeadLetters(t *testing.T) {
	l := &letters{}
	h := newCollector(t, &fake{}, l)
	status, _, body := call(t, h, "admin", http.MethodGet, letterPath+"?from=2026-03-01&timeZone=Europe/Berlin&source=a&source=b&kind=cost&code=too_long&field=id&key=k&state=open&search=x&limit=5&cursor=c&payload=10", "")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, time.Date(2026, 2, 28, 23, 0, 0, 0, time.UTC), l.filter.From.UTC())
	l.filter.From = time.Time{}
	require.Equal(t, DeadLetterFilter{
		Sources: []string{"a", "b"}, Kinds: []string{"cost"}, Codes: []string{"too_long"}, Fields: []string{"id"}, Keys: []string{"k"}, States: []string{"open"}, Search: "x",
	}, l.filter)
	require.Equal(t, DeadLetterPage{Cursor: "c", Limit: 5, Payload: 10}, l.page)
	require.Equal(t, "1.0.log", body["next"])
	row := body["data"].([]any)[0].(map[string]any)
	require.Equal(t, `{"`, row["payload"], "half a letter is not shown")
	require.Equal(t, true, row["cut"])
	require.NotContains(t, row, "changedAt")

	_, _, body = call(t, h, "admin", http.MethodGet, letterPath+"/1.0.log", "")
	require.Equal(t, "/w==", body["data"].(map[string]any)["payloadBase64"])
	for query, param := range map[string]string{
		"state=gone": "state", "limit=0": "limit", "limit=1001": "limit", "payload=-1": "payload", "from=x": "from", "nope=1": "nope",
		"search=a&search=b": "search", "from=2026-03-02&to=2026-03-01": "to", "timeZone=Local": "timeZone",
	} {
		status, _, body := call(t, h, "admin", http.MethodGet, letterPath+"?"+query, "")
		require.Equal(t, http.StatusBadRequest, status, query)
		require.Equal(t, param, body["param"], query)
	}
	l.err = Refused(http.StatusNotFound, "not-found", "there is none")
	status, _, body = call(t, h, "admin", http.MethodGet, letterPath+"/1.0.log", "")
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, "there is none", body["detail"])
}

func TestReplayOne(t *testing.T) {
	l := &letters{result: ReplayResult{State: "replayed", Accepted: 1, Events: []EventNamed{{Kind: "cost", ID: "c"}}}}
	h := newCollector(t, &fake{}, l)
	status, _, body := call(t, h, "owner", http.MethodPost, letterPath+"/1.0.log/replay?dryRun=true&as=events", `{"kind":"cost"}`)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, ReplayOrder{Body: []byte(`{"kind":"cost"}`), AsEvents: true, DryRun: true}, l.order)
	require.Equal(t, "1.0.log", body["data"].(map[string]any)["id"])
	status, _, _ = call(t, h, "owner", http.MethodPost, letterPath+"/1.0.log/replay", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, ReplayOrder{}, l.order)

	l.result.Fault = &ReplayFault{Code: "still_rejected", Detail: "no", Status: 422, Errors: []EventFault{{Code: "missing_field", Field: "id", Message: "m"}}}
	status, header, body := call(t, h, "owner", http.MethodPost, letterPath+"/1.0.log/replay", "")
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Equal(t, "application/problem+json", header.Get("Content-Type"))
	require.Equal(t, "still_rejected", body["code"])
	require.Equal(t, "missing_field", body["errors"].([]any)[0].(map[string]any)["code"])
	l.result.Fault = &ReplayFault{Code: "log_full", Status: 503, Retry: 5 * time.Second}
	status, header, _ = call(t, h, "owner", http.MethodPost, letterPath+"/1.0.log/replay", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "5", header.Get("Retry-After"))
	for query, param := range map[string]string{"dryRun=yes": "dryRun", "as=csv": "as", "as=events": "as", "x=1": "x"} {
		status, _, body := call(t, h, "owner", http.MethodPost, letterPath+"/1.0.log/replay?"+query, "")
		require.Equal(t, http.StatusBadRequest, status, query)
		require.Equal(t, param, body["param"])
	}
}

func TestReplayMany(t *testing.T) {
	l := &letters{}
	h := newCollector(t, &fake{}, l)
	status, _, body := call(t, h, "owner", http.MethodPost, letterPath+"/replay", `{"code":["too_long"]}`)
	require.Equal(t, http.StatusOK, status, body)
	require.True(t, l.dryRun, "unless one says otherwise")
	require.Equal(t, 1000, l.limit)
	require.Equal(t, map[string]any{"dryRun": true, "matched": 2.0, "accepted": 1.0, "rejected": 1.0, "codes": map[string]any{"missing_field": 1.0}, "more": false}, body["data"])
	require.Len(t, body["rejected"], 1)
	for _, wrong := range []string{"", "[]", `{"codes":["a"]}`, `{"limit":0}`, `{"limit":10001}`, `{"state":["gone"]}`, `{} {}`} {
		status, _, body := call(t, h, "owner", http.MethodPost, letterPath+"/replay", wrong)
		require.Equal(t, http.StatusBadRequest, status, wrong)
		require.NotEmpty(t, body["detail"])
	}
	stream := func() []map[string]any {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, letterPath+"/replay", strings.NewReader(`{"dryRun":false,"limit":2}`))
		req.Header.Set("X-Role", "owner")
		req.Header.Set("Accept", "application/x-ndjson")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		require.Equal(t, http.StatusOK, w.Code)
		var lines []map[string]any
		for line := range strings.Lines(w.Body.String()) {
			var v map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &v))
			lines = append(lines, v)
		}
		return lines
	}
	lines := stream()
	require.False(t, l.dryRun)
	require.Len(t, lines, 3)
	require.Equal(t, "replayed", lines[0]["state"])
	require.Contains(t, lines[2], "summary")
	l.err = Busy("log_full", "full", 5)
	lines = stream()
	require.Equal(t, "log_full", lines[2]["problem"].(map[string]any)["code"])
}

func TestWhoMayChangeDeadLetters(t *testing.T) {
	l := &letters{}
	h := newCollector(t, &fake{}, l)
	for _, tc := range []struct {
		role, method, path string
		status             int
	}{
		{"", http.MethodGet, letterPath, 401},
		{"ingest", http.MethodGet, letterPath, 403},
		{"admin", http.MethodGet, letterPath, 200},
		{"admin", http.MethodDelete, letterPath + "/1.0.log", 403},
		{"admin", http.MethodPost, letterPath + "/1.0.log/replay", 403},
		{"admin", http.MethodPost, letterPath + "/replay", 403},
		{"owner", http.MethodDelete, letterPath + "/1.0.log", 200},
	} {
		status, _, _ := call(t, h, tc.role, tc.method, tc.path, "")
		require.Equal(t, tc.status, status, tc)
	}
	bare, _ := newHandler(t, &fake{})
	for _, path := range []string{"/dead-letters", "/conflicts?" + period} {
		status, _, body := call(t, bare, "admin", http.MethodGet, CollectorRoot+path, "")
		require.Equal(t, http.StatusNotImplemented, status)
		require.NotEmpty(t, body["detail"])
	}
}
