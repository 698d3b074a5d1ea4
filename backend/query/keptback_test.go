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
	} {
		_, err := e.Do(t.Context(), admin, r)
		var denied *AccessError
		require.ErrorAs(t, err, &denied, "%s %v", r.Kind, r.Params)
	}
	_, err := e.Do(t.Context(), admin, keptQuestion(KindReconciliation, nil))
	require.NoError(t, err)
	res, err := e.Do(t.Context(), admin, keptQuestion(KindBudgets, nil))
	require.NoError(t, err)
	assert.Equal(t, []string{redacted}, fieldOf[string](t, res.Frame, "driver"))
	res, err = e.Do(t.Context(), admin, keptQuestion(KindSessions, nil))
	require.NoError(t, err)
	require.Equal(t, 3, res.Frame.Rows())
	for _, name := range []string{"first_action", "last_action"} {
		assert.Equal(t, []string{redacted, redacted, redacted}, fieldOf[string](t, res.Frame, name))
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
