package query

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

var keptFrom = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// oneBudget is a budget of ann's that wf-1 has spent the most of.
type oneBudget struct{}

func (oneBudget) States(context.Context, Ask, access.Principal, time.Time, string) ([]BudgetState, error) {
	return []BudgetState{{ID: "b", Owner: "ann", Driver: "wf-1"}}, nil
}

func (oneBudget) Crossings(context.Context, Ask, access.Principal, time.Time, time.Time, string) ([]BudgetCrossing, error) {
	return []BudgetCrossing{{Budget: "b", Name: "of ann", Of: "dollars", At: keptFrom, Reached: event.Decimal{Lo: 1}, Amount: event.Decimal{Lo: 2}}}, nil
}

// keptBack is a tenant in which ann, bob and cem each paid for an execution and did
// something, to ann for one.
func keptBack(t *testing.T, policy Policy) *Engine {
	s := querytest.New(t)
	var events []event.Event
	for i, user := range []string{"ann", "bob", "cem"} {
		at := keptFrom.Add(time.Duration(i+1) * time.Hour).UnixMilli()
		price, err := event.ParseDecimal([]byte{"321"[i]})
		require.NoError(t, err)
		events = append(events,
			event.Event{
				Kind: event.KindCost, Tenant: "acme", ID: "c-" + user, Time: at, PreviousTime: event.NoTime,
				UserID: user, WorkflowID: "wf-1", ActionType: "llm", Dollars: price, Credits: price,
			},
			event.Event{
				Kind: event.KindActivity, Tenant: "acme", ID: "a-" + user, Time: at, PreviousTime: event.NoTime,
				UserID: user, Action: "grant", Resource: "account", ResourceID: "ann", SessionID: "s-" + user,
			})
	}
	s.Insert(t, events...)
	s.Settle(t)
	e, err := New(Config{
		Client: s.Client, Now: func() time.Time { return keptFrom.Add(48 * time.Hour) }, PendingTTL: -1,
		Policies: rolePolicies{access.RoleAdmin: policy}, Budgets: oneBudget{},
	})
	require.NoError(t, err)
	return e
}

func keptQuestion(kind Kind, params map[string]string) Request {
	return Request{Kind: kind, From: keptFrom, To: keptFrom.Add(24 * time.Hour), Params: params}
}

// Fields that are not named as the dimension that they show have pseudonyms too.
func TestPseudonymsInFieldsOfOtherNames(t *testing.T) {
	e := keptBack(t, Policy{PseudonymKey: key})
	r := keptQuestion(KindCostBreakdown, map[string]string{"by": metric.User})
	r.Limit = 2
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	assert.Equal(t, []string{access.Pseudonym(key, "ann"), access.Pseudonym(key, "bob"), otherGroup}, fieldOf[string](t, res.Frame, "group"))
	res, err = e.Do(t.Context(), admin, keptQuestion(KindCostBreakdown, map[string]string{"by": metric.Workflow}))
	require.NoError(t, err)
	assert.Equal(t, []string{"wf-1"}, fieldOf[string](t, res.Frame, "group"), "no user's")
	res, err = e.Do(t.Context(), admin, keptQuestion(KindBudgets, nil))
	require.NoError(t, err)
	assert.Equal(t, []string{access.Pseudonym(key, "ann")}, fieldOf[string](t, res.Frame, "owner"))
}

// A dimension that is redacted is not shown by another name either.
func TestRedactionOfOtherNames(t *testing.T) {
	e := keptBack(t, Policy{Redact: []string{metric.User, metric.Workflow, metric.Action, "action_*", "resource*"}})
	for _, r := range []Request{
		keptQuestion(KindCostBreakdown, map[string]string{"by": metric.User}),
		keptQuestion(KindCostBreakdown, map[string]string{"by": metric.Workflow}),
		keptQuestion(KindCostBreakdown, nil), // by action_type
		keptQuestion(KindReconciliation, map[string]string{"by": "workflow"}),
		keptQuestion(KindReconciliation, map[string]string{"by": "type"}),
		keptQuestion(KindAuditTrail, map[string]string{"user": "ann"}),
		keptQuestion(KindAuditTrail, map[string]string{"resource": "account"}),
		keptQuestion(KindAnnotations, nil), // their titles name workflows
	} {
		_, err := e.Do(t.Context(), admin, r)
		var denied *AccessError
		require.ErrorAs(t, err, &denied, "%s %v", r.Kind, r.Params)
	}
	_, err := e.Do(t.Context(), admin, keptQuestion(KindReconciliation, nil))
	require.NoError(t, err)
	res, err := e.Do(t.Context(), admin, keptQuestion(KindBudgets, nil))
	require.NoError(t, err)
	assert.Equal(t, []string{Redacted}, fieldOf[string](t, res.Frame, "driver"))
	res, err = e.Do(t.Context(), admin, keptQuestion(KindSessions, nil))
	require.NoError(t, err)
	require.Equal(t, 3, res.Frame.Rows())
	for _, name := range []string{"first_action", "last_action"} {
		assert.Equal(t, []string{Redacted, Redacted, Redacted}, fieldOf[string](t, res.Frame, name))
	}
	e = keptBack(t, Policy{Redact: []string{"resource_id"}})
	_, err = e.Do(t.Context(), admin, keptQuestion(KindAuditTrail, map[string]string{"resource": "account", "resource_id": "ann"}))
	var denied *AccessError
	require.ErrorAs(t, err, &denied)
}

// Asked for by its pseudonym a user has a trail; trying ids tells nothing.
func TestTrailsOfPseudonyms(t *testing.T) {
	e := keptBack(t, Policy{PseudonymKey: key})
	for _, c := range []struct {
		params map[string]string
		rows   int
	}{
		{map[string]string{"user": "ann"}, 0},
		{map[string]string{"user": access.Pseudonym(key, "ann")}, 1},
		{map[string]string{"resource": "account"}, 3},
		{map[string]string{"resource": "account", "resource_id": "ann"}, 0},
		{map[string]string{"resource": "account", "resource_id": access.Pseudonym(key, "ann")}, 3},
	} {
		r := keptQuestion(KindAuditTrail, c.params)
		res, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		assert.Equal(t, c.rows, res.Frame.Rows(), "%v", c.params)
	}
}

// What single users spent is not told by when their budgets were spent.
func TestBudgetsOfSmallGroupsAreRefused(t *testing.T) {
	e := keptBack(t, Policy{Minimum: 2})
	for _, r := range []Request{keptQuestion(KindBudgets, nil), keptQuestion(KindAnnotations, map[string]string{"of": budgetCrossings})} {
		_, err := e.Do(t.Context(), admin, r)
		var denied *AccessError
		require.ErrorAs(t, err, &denied, r.Kind)
	}
	res, err := keptBack(t, Policy{}).Do(t.Context(), admin, keptQuestion(KindAnnotations, map[string]string{"of": budgetCrossings}))
	require.NoError(t, err)
	assert.Equal(t, []string{"of ann: 50 % spent"}, fieldOf[string](t, res.Frame, "title"))
}

// Rolling counts of users do not say whom they are about in each group.
func TestRollingUsersOfSmallGroupsAreRefused(t *testing.T) {
	e := keptBack(t, Policy{Minimum: 2})
	for _, name := range []string{"active_users_7d", "active_users_28d", "stickiness"} {
		r := keptQuestion(KindMetrics, nil)
		r.Metrics, r.GroupBy = []string{name}, []string{metric.Action}
		_, err := e.Do(t.Context(), admin, r)
		var denied *AccessError
		require.ErrorAs(t, err, &denied, name)
	}
	r := keptQuestion(KindMetrics, nil)
	r.Metrics = []string{"active_users"}
	_, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
}

// A filter by metadata is no way to try ids either: metadata may hold them.
func TestFiltersByMetadataUnderPseudonyms(t *testing.T) {
	e, r := guarded(t, rolePolicies{access.RoleAdmin: {PseudonymKey: key}})
	r.Metrics = []string{"executions"}
	for _, c := range []struct {
		operator Operator
		value    string
		want     string
	}{
		{In, "ann", "0"},
		{In, "bob@example.com", "0"},
		{In, access.Pseudonym(key, "ann"), "4"},
		{NotIn, "ann", "11"},
		{NotIn, access.Pseudonym(key, "ann"), "7"},
		{In, access.Pseudonym(key, "stranger"), "0"},
	} {
		r := r
		r.Filters = []Filter{{"metadata.owner", c.operator, []string{c.value}}}
		res, err := e.Do(t.Context(), admin, r)
		require.NoError(t, err)
		assert.Equal(t, c.want, textOf(res, res.Frame.Fields[0], 0), "%s %s", c.operator, c.value)
		assert.Equal(t, c.value, r.Filters[0].Values[0], "the caller's filter is the caller's")
	}
	r.Filters = []Filter{{"metadata.region", In, []string{"eu"}}}
	res, err := e.Do(t.Context(), admin, r)
	require.NoError(t, err)
	assert.Equal(t, "10", textOf(res, res.Frame.Fields[0], 0), "what is no user's stays what it is")
}

// Users whose first events wait for their rollup have pseudonyms as well.
func TestPseudonymsOfWhatWaits(t *testing.T) {
	s := querytest.New(t)
	failed := executionAt("x1", "wf", keptFrom.Add(time.Hour))
	failed.Status, failed.UserID, failed.ErrorType, failed.ErrorMessage = event.StatusFailed, "newcomer", "denied", "no access for newcomer"
	s.Insert(t, failed)
	e, err := New(Config{
		Client: s.Client, Now: func() time.Time { return keptFrom.Add(48 * time.Hour) }, PendingTTL: -1,
		Policies: rolePolicies{access.RoleAdmin: {PseudonymKey: key}},
	})
	require.NoError(t, err)
	res, err := e.Do(t.Context(), admin, keptQuestion(KindErrors, nil))
	require.NoError(t, err)
	assert.Equal(t, []string{"no access for " + access.Pseudonym(key, "newcomer")}, fieldOf[string](t, res.Frame, "sample"))
}

// Outside of answers users are called as in them, and nobody finds out whose a pseudonym is.
func TestNames(t *testing.T) {
	e := keptBack(t, Policy{PseudonymKey: key})
	names, err := e.Names(t.Context(), admin)
	require.NoError(t, err)
	ann := access.Pseudonym(key, "ann")
	assert.True(t, names.Keep())
	assert.Equal(t, ann, names.Shown("ann"))
	assert.Equal(t, "key:k1", names.Shown("key:k1"))
	assert.Empty(t, names.Shown(""))
	e.pseudonyms = &pseudonyms{} // another process
	for text, want := range map[string]string{ann: "ann", "key:k1": "key:k1", "": ""} {
		id, ok, err := names.Meant(t.Context(), text)
		require.NoError(t, err)
		assert.True(t, ok, text)
		assert.Equal(t, want, id)
	}
	for _, text := range []string{"ann", access.Pseudonym(key, "stranger"), "u_"} {
		_, ok, err := names.Meant(t.Context(), text)
		require.NoError(t, err)
		assert.False(t, ok, text)
	}
	e.policies = rolePolicies{access.RoleAdmin: {Redact: []string{metric.User}}}
	names, err = e.Names(t.Context(), admin)
	require.NoError(t, err)
	assert.Equal(t, Redacted, names.Shown("ann"))
	_, ok, err := names.Meant(t.Context(), "ann")
	require.NoError(t, err)
	assert.False(t, ok)
	e.policies = nil
	names, err = e.Names(t.Context(), admin)
	require.NoError(t, err)
	assert.False(t, names.Keep())
	assert.Equal(t, "ann", names.Shown("ann"))
	for _, none := range []*Names{names, nil} {
		id, ok, err := none.Meant(t.Context(), "ann")
		require.NoError(t, err)
		assert.True(t, ok)
		assert.Equal(t, "ann", id)
		assert.Equal(t, "ann", none.Shown("ann"))
	}
}

// Where groups of few users are withheld, what one user alone has is not listed, and no
// row is shown as a sample of others'.
func TestValuesAndSamplesOfSmallGroups(t *testing.T) {
	e, r := guarded(t, rolePolicies{access.RoleAdmin: {Minimum: 3}})
	for dimension, want := range map[string][]string{
		metric.Workflow:  {"wf-4", "wf-3", "wf-0"}, // nobody's is shown
		metric.ErrorType: {"denied-wf-4", "denied-wf-3"},
	} {
		list, err := e.Values(t.Context(), admin, ValuesRequest{Dimension: dimension, From: r.From, To: r.To})
		require.NoError(t, err)
		assert.Equal(t, want, list)
	}
	list, err := e.Values(t.Context(), admin, ValuesRequest{Dimension: metric.ErrorType, From: r.From, To: r.To, Search: "wf-1"})
	require.NoError(t, err)
	assert.Empty(t, list)
	res, err := e.Do(t.Context(), admin, Request{Kind: KindErrors, From: r.From, To: r.To})
	require.NoError(t, err)
	assert.Equal(t, []string{Redacted, Redacted}, fieldOf[string](t, res.Frame, "sample"))
}
