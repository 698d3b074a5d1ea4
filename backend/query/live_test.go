package query

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

type kept []AuditRecord

func (k *kept) Audit(_ context.Context, r AuditRecord) error {
	*k = append(*k, r)
	if r.Surface == "full" {
		return errors.New("no room")
	}
	return nil
}

// Live counters are seen within the scope of everything else, and recorded as it is.
func TestLiveScope(t *testing.T) {
	records := new(kept)
	e, err := New(Config{Client: new(clickhouse.Client), Auditor: records, Policies: rolePolicies{
		access.RoleManager: {Minimum: 3}, access.RoleViewer: {Minimum: 9, Redact: []string{"workflow", "executions_*"}},
	}})
	require.NoError(t, err)
	admin := access.Principal{Tenant: "acme", Role: access.RoleAdmin}
	manager := access.Principal{Tenant: "acme", Role: access.RoleManager, TeamUserIDs: []string{"cy", "bo", "", "bo"}}
	viewer := access.Principal{Tenant: "acme", Role: access.RoleViewer, UserID: "ann"}
	grouped := Request{GroupBy: []string{"workflow"}}
	filtered := Request{Filters: []Filter{{Dimension: "workflow", Operator: In, Values: []string{"w"}}}}
	for name, c := range map[string]struct {
		p      access.Principal
		r      Request
		want   LiveScope
		denied string
	}{
		"admin":                     {p: admin, r: grouped, want: LiveScope{Tenant: "acme", All: true}},
		"manager":                   {p: manager, want: LiveScope{Tenant: "acme", Users: []string{"bo", "cy"}, Policy: Policy{Minimum: 3}}},
		"manager by workflow":       {p: manager, r: grouped, denied: "groups of 3 users"},
		"manager of a workflow":     {p: manager, r: filtered, denied: "groups of 3 users"},
		"viewer":                    {p: viewer, want: LiveScope{Tenant: "acme", Users: []string{"ann"}, Policy: Policy{Redact: []string{"workflow", "executions_*"}}}},
		"viewer by what is hidden":  {p: viewer, r: grouped, denied: "workflow is not shown"},
		"viewer of what is hidden":  {p: viewer, r: filtered, denied: "workflow is not shown"},
		"nobody":                    {p: access.Principal{Tenant: "acme", Role: access.RoleViewer}, denied: "no user id"},
		"a manager without a team":  {p: access.Principal{Tenant: "acme", Role: access.RoleManager}, denied: "no team"},
		"a manager of the nameless": {p: access.Principal{Tenant: "acme", Role: access.RoleManager, TeamUserIDs: []string{""}}, denied: "no team"},
	} {
		got, err := e.LiveScope(t.Context(), c.p, c.r)
		if c.denied != "" {
			var denied *AccessError
			require.ErrorAs(t, err, &denied, name)
			assert.Contains(t, err.Error(), c.denied, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
		assert.True(t, got.Same(&c.want), name)
		assert.Equal(t, name == "viewer", got.Hides("executions_failed"), name)
		assert.False(t, got.Hides("steps"), name)
	}
	require.NoError(t, e.RecordLive(WithSurface(t.Context(), "rest"), manager, grouped, 7, nil))
	require.ErrorContains(t, e.RecordLive(WithSurface(t.Context(), "full"), viewer, Request{}, 0, &AccessError{}), "withheld")
	require.Len(t, *records, 2)
	first, second := (*records)[0], (*records)[1]
	assert.Equal(t, Kind("live"), first.Kind)
	assert.Equal(t, "team2 7 answered", fmt.Sprint(first.Scope, first.Users, first.Rows, " ", first.Outcome))
	assert.Equal(t, OutcomeDenied, second.Outcome)
	assert.Equal(t, "own", second.Scope)
}
