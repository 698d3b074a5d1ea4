package query

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// rolePolicies are policies by role.
type rolePolicies map[access.Role]Policy

func (r rolePolicies) Policy(_ context.Context, p access.Principal) (Policy, error) {
	return r[p.Role], nil
}

var key = []byte("a key of the test's own")

// guarded is a tenant of four users of workflow wf-N each, N of whom ran it. Every
// error message names its user.
func guarded(t *testing.T, policies rolePolicies) (*Engine, Request) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var events []event.Event
	for n, workflow := range []string{"", "wf-1", "wf-2", "wf-3", "wf-4"} {
		for u := range n {
			user := []string{"ann", "bob@example.com", "cem o'r", "zoë"}[u]
			e := executionAt(workflow+"-"+user, workflow, from.Add(time.Hour))
			e.Status, e.UserID, e.ErrorType, e.ErrorMessage = event.StatusFailed, user, "denied-"+workflow, "no access for \""+user+"\", announced to ann."
			e.Metadata = fmt.Sprintf(`{"owner":%q,"region":"eu"}`, user)
			events = append(events, e)
		}
	}
	nobodys := executionAt("system", "wf-0", from.Add(time.Hour))
	nobodys.Status, nobodys.Metadata = event.StatusCompleted, "{}"
	events = append(events, nobodys)
	s.Insert(t, events...)
	s.Settle(t)
	e, err := New(Config{Client: s.Client, Now: func() time.Time { return from.Add(48 * time.Hour) }, PendingTTL: -1, Policies: policies})
	require.NoError(t, err)
	return e, Request{From: from, To: from.Add(24 * time.Hour)}
}

func TestPseudonyms(t *testing.T) {
	e, r := guarded(t, rolePolicies{access.RoleAdmin: {PseudonymKey: key}})
	r.Metrics, r.GroupBy = []string{"executions_failed"}, []string{metric.User}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	got := figuresBy(res, metric.User, "executions_failed")
	want := map[string]string{"": "0"}
	for user, n := range map[string]string{"ann": "4", "bob@example.com": "3", "cem o'r": "2", "zoë": "1"} {
		want[access.Pseudonym(key, user)] = n
	}
	assert.Equal(t, want, got)

	// A pseudonym is a filter, also in a process that has not shown it; an id is none.
	ann := access.Pseudonym(key, "ann")
	e.pseudonyms = &pseudonyms{}
	for value, n := range map[string]string{ann: "4", "ann": "0", access.Pseudonym(key, "stranger"): "0"} {
		r := r
		r.GroupBy, r.Filters = nil, []Filter{{metric.User, In, []string{value}}}
		res, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		assert.Equal(t, n, textOf(res, res.Frame.Fields[0], 0), value)
		assert.Equal(t, value, r.Filters[0].Values[0], "the caller's filter is the caller's")
	}

	values := ValuesRequest{Dimension: metric.User, From: r.From, To: r.To}
	list, err := e.Values(t.Context(), admin, values)
	require.NoError(t, err)
	assert.Len(t, list, 4)
	assert.Contains(t, list, ann)
	values.Search = "ann"
	list, err = e.Values(t.Context(), admin, values)
	require.NoError(t, err)
	for _, v := range list {
		assert.Contains(t, v, "ann", "a part of an id finds nothing")
	}
	values.Search = ann[4:9]
	list, err = e.Values(t.Context(), admin, values)
	require.NoError(t, err)
	assert.Equal(t, []string{ann}, list)

	// Errors' samples name users, and so does metadata.
	res, err = e.Do(t.Context(), admin, Request{Kind: KindErrors, From: r.From, To: r.To})
	require.NoError(t, err)
	sample, _ := res.Frame.FieldByName("sample")
	for row := range res.Frame.Rows() {
		text := sample.At(row).(string)
		assert.True(t, strings.HasSuffix(text, "announced to "+ann+"."), text)
		assert.NotContains(t, text, "bob@")
		assert.NotContains(t, text, "cem")
		assert.NotContains(t, text, "zoë")
	}
	r.GroupBy = []string{"metadata.owner"}
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	want[""] = "0"
	assert.Equal(t, want, figuresBy(res, "metadata.owner", "executions_failed"))
}

func TestPseudonymsAreOfATenantAndAKey(t *testing.T) {
	a, b := access.TenantKey(key, "acme"), access.TenantKey(key, "other")
	assert.NotEqual(t, access.Pseudonym(a, "ann"), access.Pseudonym(b, "ann"))
	assert.NotEqual(t, access.Pseudonym(a, "ann"), access.Pseudonym(a, "bob"))
	assert.Equal(t, access.Pseudonym(access.TenantKey(key, "acme"), "ann"), access.Pseudonym(a, "ann"))
	assert.True(t, access.IsPseudonym(access.Pseudonym(a, "ann")))
	assert.Len(t, access.Pseudonym(a, "ann"), 18)
	assert.Empty(t, access.Pseudonym(a, ""))
	assert.False(t, access.IsPseudonym("u_ann"))
}

func TestSmallGroupsAreWithheld(t *testing.T) {
	mona := access.Principal{Tenant: "acme", Role: access.RoleManager, UserID: "ann", TeamUserIDs: []string{"ann", "bob@example.com", "cem o'r", "zoë"}}
	e, r := guarded(t, rolePolicies{access.RoleManager: {Minimum: 3}, access.RoleViewer: {Minimum: 3}, access.RoleAdmin: {Minimum: 4}})
	ask := func(p access.Principal, groupBy ...string) map[string]string {
		t.Helper()
		r := r
		r.Metrics, r.GroupBy = []string{"executions"}, groupBy
		res, err := e.Do(t.Context(), p, r)
		require.NoError(t, err)
		if len(groupBy) == 0 {
			require.Equal(t, 1, res.Frame.Rows())
			return map[string]string{"": textOf(res, res.Frame.Fields[0], 0)}
		}
		got := figuresBy(res, groupBy[0], "executions")
		if len(got) < 5 {
			require.Len(t, res.Meta.Notices, 1)
			assert.Contains(t, res.Meta.Notices[0], "withheld")
		}
		return got
	}
	assert.Equal(t, map[string]string{"wf-3": "3", "wf-4": "4"}, ask(mona, metric.Workflow))
	assert.Equal(t, map[string]string{"": "10"}, ask(mona))
	assert.Empty(t, ask(mona, metric.User))
	// The administrator's minimum leaves out wf-1 to wf-3. What is nobody's is about nobody.
	assert.Equal(t, map[string]string{"wf-0": "1", "wf-4": "4"}, ask(admin, metric.Workflow))
	// One group alone is not left out: it would be the whole without the others.
	e.policies = rolePolicies{access.RoleManager: {Minimum: 2}}
	assert.Equal(t, map[string]string{"wf-3": "3", "wf-4": "4"}, ask(mona, metric.Workflow))
	e.policies = rolePolicies{access.RoleManager: {Minimum: 3}, access.RoleViewer: {Minimum: 3}}

	// Nobody is hidden from themselves.
	ann := access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}
	own := r
	own.Metrics, own.GroupBy = []string{"executions"}, []string{metric.User}
	res, err := e.Do(t.Context(), ann, own)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"ann": "4"}, figuresBy(res, metric.User, "executions"))

	// Chosen users, lists of users, and metrics that cannot be counted are refused.
	for _, ask := range []func() error{
		func() error {
			r := r
			r.Metrics, r.Filters = []string{"executions"}, []Filter{{metric.User, NotIn, []string{"ann"}}}
			_, err := e.Do(t.Context(), mona, r)
			return err
		},
		func() error {
			r := r
			r.Metrics = []string{"sessions"}
			_, err := e.Do(t.Context(), mona, r)
			return err
		},
		func() error {
			_, err := e.Values(t.Context(), mona, ValuesRequest{Dimension: metric.User, From: r.From, To: r.To})
			return err
		},
	} {
		var denied *AccessError
		require.ErrorAs(t, ask(), &denied)
	}
	// Errors are counted by their users.
	res, err = e.Do(t.Context(), mona, Request{Kind: KindErrors, From: r.From, To: r.To})
	require.NoError(t, err)
	types, _ := res.Frame.FieldByName("error_type")
	require.Equal(t, 2, res.Frame.Rows())
	assert.Equal(t, "denied-wf-4", types.At(0))
	assert.Equal(t, "denied-wf-3", types.At(1))
}

func TestRedactedFields(t *testing.T) {
	e, r := guarded(t, rolePolicies{access.RoleAdmin: {Redact: []string{"sample", "metadata.own*"}}})
	res, err := e.Do(t.Context(), admin, Request{Kind: KindErrors, From: r.From, To: r.To})
	require.NoError(t, err)
	sample, _ := res.Frame.FieldByName("sample")
	message, _ := res.Frame.FieldByName("message")
	require.NotZero(t, res.Frame.Rows())
	for row := range res.Frame.Rows() {
		assert.Equal(t, Redacted, sample.At(row))
		assert.NotEqual(t, Redacted, message.At(row))
	}
	r.Metrics = []string{"executions"}
	for _, change := range []func(*Request){
		func(r *Request) { r.GroupBy = []string{"metadata.owner"} },
		func(r *Request) { r.Filters = []Filter{{"metadata.owner", In, []string{"ann"}}} },
	} {
		r := r
		change(&r)
		_, err := e.Do(t.Context(), admin, r)
		var denied *AccessError
		require.ErrorAs(t, err, &denied)
	}
	r.GroupBy = []string{"metadata.region"}
	res, err = e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"eu": "10", "": "1"}, figuresBy(res, "metadata.region", "executions"))
}

// recorded is an auditor that remembers, or fails.
type recorded struct {
	records []AuditRecord
	err     error
}

func (a *recorded) Audit(_ context.Context, r AuditRecord) error {
	a.records = append(a.records, r)
	return a.err
}

func TestEachReadingIsRecorded(t *testing.T) {
	e, r := guarded(t, nil)
	audit := &recorded{}
	e.auditor = audit
	ctx := WithSurface(t.Context(), "rest")
	r.Metrics, r.GroupBy = []string{"executions"}, []string{metric.Workflow}
	mona := access.Principal{Tenant: "acme", Role: access.RoleManager, UserID: "mona", KeyID: "k1", TeamUserIDs: []string{"ann", "mona"}}
	_, err := e.Do(ctx, mona, r)
	require.NoError(t, err)
	_, err = e.Values(ctx, admin, ValuesRequest{Dimension: metric.User, From: r.From, To: r.To})
	require.NoError(t, err)
	_, err = e.Conflicts(ctx, admin, Request{From: r.From, To: r.To})
	require.NoError(t, err)
	_, err = e.Do(ctx, access.Principal{Tenant: "acme"}, r)
	require.Error(t, err)
	r.Metrics = []string{"nonsense"}
	_, err = e.Do(ctx, admin, r)
	require.Error(t, err)
	require.Len(t, audit.records, 5)
	for i, want := range []AuditRecord{
		{Kind: "metrics", Scope: "team", Users: 2, Rows: 4, Outcome: OutcomeAnswered},
		{Kind: "values", Scope: "all", Rows: 4, Outcome: OutcomeAnswered},
		{Kind: "conflicts", Scope: "all", Outcome: OutcomeAnswered},
		{Kind: "metrics", Outcome: OutcomeDenied},
		{Kind: "metrics", Scope: "all", Outcome: OutcomeInvalid},
	} {
		got := audit.records[i]
		assert.Equal(t, "rest", got.Surface)
		assert.Equal(t, want, AuditRecord{Kind: got.Kind, Scope: got.Scope, Users: got.Users, Rows: got.Rows, Outcome: got.Outcome}, i)
	}
	assert.Equal(t, "k1", audit.records[0].Principal.KeyID)

	audit.err = context.DeadlineExceeded
	r.Metrics = []string{"executions"}
	res, err := e.Do(ctx, admin, r)
	require.ErrorContains(t, err, "could not be recorded")
	assert.Nil(t, res)
}
