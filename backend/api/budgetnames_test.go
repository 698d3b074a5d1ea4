package api

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/budget"
	"github.com/flowgauge/flowgauge/backend/document"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// disguised is a policy with pseudonyms for administrators.
type disguised []byte

func (key disguised) Policy(_ context.Context, p access.Principal) (query.Policy, error) {
	if p.Role != access.RoleAdmin {
		return query.Policy{}, nil
	}
	return query.Policy{PseudonymKey: key}, nil
}

// Budgets and documents call users as answers do.
func TestBudgetsAndDocumentsUnderPseudonyms(t *testing.T) {
	s := querytest.New(t)
	key := disguised("a key of the test's own")
	ann := access.Pseudonym(key, "ann")
	s.Insert(t, event.Event{Kind: event.KindCost, Tenant: "acme", ID: "1", Time: 1_772_000_000_000, PreviousTime: event.NoTime, UserID: "ann"})
	s.Settle(t)
	service, err := budget.NewService(budget.Config{Store: budget.NewStore(s.Client)})
	require.NoError(t, err)
	engine, err := query.New(query.Config{Client: s.Client, Budgets: service, Policies: key})
	require.NoError(t, err)
	a, err := New(Config{
		Analytics: engine, Authenticator: leads{}, Budgets: service, People: engine,
		Dashboards: document.NewStore(s.Client, document.Dashboard), Reports: document.NewStore(s.Client, document.Report),
	})
	require.NoError(t, err)
	h, root := a.Handler(), Root+"/costs/budgets"
	put := func(user string) (int, string) {
		body, err := json.Marshal(map[string]any{
			"id": "b", "name": "B", "owner": user, "of": "dollars", "amount": "1", "period": map[string]any{"unit": "year"},
			"filters": []any{map[string]any{"dimension": "user", "operator": "in", "values": []string{user}}},
		})
		require.NoError(t, err)
		rec := send(t, h, "admin", http.MethodPut, root, string(body))
		return rec.Code, rec.Body.String()
	}
	status, text := put("ann")
	require.Equal(t, http.StatusBadRequest, status, text)
	require.Contains(t, text, "pseudonym")
	require.NotContains(t, text, ann)
	status, text = put(ann)
	require.Equal(t, http.StatusOK, status, text)
	for _, target := range []string{root, root + "/b"} {
		got := send(t, h, "admin", http.MethodGet, target, "").Body.String()
		require.Contains(t, got, `"owner":"`+ann+`"`)
		require.Contains(t, got, `"values":["`+ann+`"]`)
		require.NotContains(t, got, `"ann"`, "the author is ann as well")
	}
	stored, err := service.Get(t.Context(), access.Principal{Tenant: "acme", Role: access.RoleAdmin}, "b")
	require.NoError(t, err)
	require.Equal(t, "ann", stored.Owner)
	require.Equal(t, []string{"ann"}, stored.Filters[0].Values)
	require.Contains(t, send(t, h, "manager", http.MethodGet, root+"/b", "").Body.String(), `"owner":"ann"`, "the manager's role has no policy")

	made := send(t, h, "viewer", http.MethodPost, Root+"/dashboards", `{"name":"mine","widgets":[],"isPublic":true}`)
	require.Equal(t, http.StatusCreated, made.Code, made.Body.String())
	require.Contains(t, made.Body.String(), `"userId":"ann"`)
	for _, target := range []string{Root + "/dashboards", made.Header().Get("Location")} {
		got := send(t, h, "admin", http.MethodGet, target, "").Body.String()
		require.Contains(t, got, `"userId":"`+ann+`"`)
		require.NotContains(t, got, `"ann"`)
	}
}
