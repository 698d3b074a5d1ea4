package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/budget"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// leads gives managers a team.
type leads struct{ roles }

func (l leads) Authenticate(r *http.Request) (access.Principal, error) {
	p, err := l.roles.Authenticate(r)
	if p.Role == access.RoleManager {
		p.TeamUserIDs = []string{"ann", "bob"}
	}
	return p, err
}

type oneTeam struct{}

func (oneTeam) Teams(context.Context, string) (map[string][]string, error) {
	return map[string][]string{"ann": {"research"}, "bob": {"research"}}, nil
}

// Budgets over HTTP, from the first to the last, by who asks.
func TestBudgets(t *testing.T) {
	s := querytest.New(t)
	dollars, err := event.ParseDecimal([]byte("40.000000000000001"))
	require.NoError(t, err)
	now := time.Now().UTC()
	spent := func(id, user string) event.Event {
		return event.Event{Kind: event.KindCost, Tenant: "acme", ID: id, Time: now.UnixMilli() - 1000, PreviousTime: event.NoTime, WorkflowID: "wf", UserID: user, ExecutionID: "x", Dollars: dollars, Credits: dollars}
	}
	s.Insert(t, spent("1", "ann"), spent("2", "cem"))
	s.Settle(t)
	service, err := budget.NewService(budget.Config{Store: budget.NewStore(s.Client), Members: func(_ context.Context, tenant, team string) ([]string, error) {
		return map[string][]string{"acme/research": {"ann", "bob"}}[tenant+"/"+team], nil
	}})
	require.NoError(t, err)
	engine, err := query.New(query.Config{Client: s.Client, Budgets: service, Teams: oneTeam{}})
	require.NoError(t, err)
	a, err := New(Config{Analytics: engine, Authenticator: leads{}, Budgets: service})
	require.NoError(t, err)
	h, root := a.Handler(), Root+"/costs/budgets"
	put := func(role, body string, status int, header ...string) map[string]any {
		t.Helper()
		rec := send(t, h, role, http.MethodPut, root, body, header...)
		require.Equal(t, status, rec.Code, rec.Body.String())
		var out map[string]any
		require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &out))
		return out
	}
	const all = `{"id":"all","name":"All","of":"dollars","amount":"100","period":{"unit":"year"},"thresholds":[{"percent":80}]}`
	const team = `{"id":"team","name":"Team","of":"dollars","amount":50.5,"period":{"unit":"year"},"filters":[{"dimension":"team","operator":"in","values":["research"]}]}`
	put("viewer", team, http.StatusForbidden)
	put("manager", all, http.StatusForbidden)
	// All of several or none.
	put("manager", `{"data":[`+team+`,`+all+`]}`, http.StatusForbidden)
	require.JSONEq(t, `{"data":[]}`, send(t, h, "admin", http.MethodGet, root, "").Body.String())
	put("admin", `{"data":[`+team+`,`+all+`]}`, http.StatusOK)
	require.Equal(t, "revision", put("admin", all, http.StatusConflict)["param"])
	require.Equal(t, "data.1.revision", put("admin", `{"data":[{"id":"new","name":"n","of":"credits","amount":1,"period":{"unit":"day"}},`+all+`]}`, http.StatusConflict)["param"])
	require.Equal(t, http.StatusNotFound, send(t, h, "admin", http.MethodGet, root+"/new", "").Code)

	for role, want := range map[string]int{"admin": 2, "manager": 1, "viewer": 0} {
		_, _, list := call(t, h, role, http.MethodGet, root, "")
		require.Len(t, list["data"], want, role)
		if want > 0 { // the team's is the last, with the costs of its members
			state := list["data"].([]any)[want-1].(map[string]any)["state"].(map[string]any)
			require.Equal(t, "40.000000000000001", state["spent"], role)
			require.Equal(t, "10.499999999999999", state["remaining"], role)
		}
	}
	require.Equal(t, http.StatusNotFound, send(t, h, "manager", http.MethodGet, root+"/all", "").Code)
	one := send(t, h, "admin", http.MethodGet, root+"/all", "")
	require.Equal(t, http.StatusOK, one.Code, one.Body.String())
	var shown struct {
		Data json.RawMessage
		Meta struct{ Budget budget.Detail }
	}
	require.NoError(t, json.Unmarshal(one.Body.Bytes(), &shown))
	require.Equal(t, "80.000000000000002", shown.Meta.Budget.Contributors[0].Amount.String())
	require.NotNil(t, shown.Meta.Budget.Thresholds[0].At, "80 % of 100 are spent")

	// What was read is sent back, by its revision or its ETag; then both are stale.
	tag := one.Header().Get("ETag")
	put("admin", string(shown.Data), http.StatusOK)
	put("admin", string(shown.Data), http.StatusConflict)
	require.Equal(t, "If-Match", put("admin", string(shown.Data), http.StatusPreconditionFailed, "If-Match", tag)["param"])
	put("admin", string(shown.Data), http.StatusOK, "If-Match", "*")
	put("admin", string(shown.Data), http.StatusOK, "If-Match", send(t, h, "admin", http.MethodGet, root+"/all", "").Header().Get("ETag"))
	put("admin", `{"id":"none","name":"n","of":"credits","amount":1,"period":{"unit":"day"}}`, http.StatusPreconditionFailed, "If-Match", "*")

	const twice = `{"id":"twice","name":"n","of":"credits","amount":1,"period":{"unit":"day"}}`
	for body, param := range map[string]string{
		`[]`: "body", `{"data":[]}`: "data", `{"id":"a","colour":1}`: "colour", `{"id":7}`: "id", `{"id":"a","amount":"x"}`: "amount",
		`{"data":[{"id":"a","name":"a","of":"euros"}]}`: "data.0.of", `{"id":"a","name":"a","of":"dollars","amount":-1}`: "amount",
		`{"id":"a","name":"a","of":"dollars","amount":1,"period":{"unit":"decade"}}`: "period.unit", `{"id":"a","period":{"units":"day"}}`: "period",
		`{"data":[` + twice + `,` + twice + `]}`:                                                   "data.1.id",
		`{"id":"a","name":"a","of":"dollars","amount":1,"period":{"unit":"day"},"notify":["ops"]}`: "notify",
	} {
		problem := put("admin", body, http.StatusBadRequest)
		require.Equal(t, param, problem["param"], body)
		require.NotEmpty(t, problem["example"], body)
	}
	require.Equal(t, http.StatusPreconditionFailed, send(t, h, "admin", http.MethodDelete, root+"/all", "", "If-Match", tag).Code)
	require.Equal(t, http.StatusNotFound, send(t, h, "manager", http.MethodDelete, root+"/all", "").Code)
	require.Equal(t, http.StatusNoContent, send(t, h, "admin", http.MethodDelete, root+"/all", "").Code)
	require.Equal(t, http.StatusNoContent, send(t, h, "manager", http.MethodDelete, root+"/team", "").Code)
	require.JSONEq(t, `{"data":[]}`, send(t, h, "admin", http.MethodGet, root, "").Body.String())

	day := fmt.Sprintf("?from=%s&to=%s&by=total", now.AddDate(0, 0, -1).Format(time.DateOnly), now.AddDate(0, 0, 2).Format(time.DateOnly))
	status, _, rows := call(t, h, "admin", http.MethodGet, Root+"/costs/reconciliation"+day, "")
	require.Equal(t, http.StatusOK, status, rows)
	require.Equal(t, "80.000000000000002", rows["data"].([]any)[0].(map[string]any)["difference"])
}
