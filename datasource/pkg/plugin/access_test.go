package plugin

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/audit"
	"github.com/flowgauge/flowgauge/backend/access/directory"
	"github.com/flowgauge/flowgauge/backend/access/policy"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// What a tenant has decided about access holds in Grafana: teams, policies and records.
func TestPoliciesTeamsAndRecords(t *testing.T) {
	store, period := newStore(t)
	const secret = "0123456789abcdef0123456789abcdef"
	people := directory.NewStore(store.Client, 0)
	_, err := people.Replace(t.Context(), tenant, directory.By{Author: "test"}, &directory.Document{Teams: []directory.Team{{ID: "research", Members: []string{"u"}}}})
	require.NoError(t, err)
	policies := policy.NewStore(store.Client)
	settings, secrets := settingsOf(t, store.Client.Database(), map[string]any{"auditRequired": true})
	open := func(key string) *grafana {
		with := map[string]string{"pseudonymKey": key}
		for name, value := range secrets {
			with[name] = value
		}
		return newGrafana(t, settings, with)
	}
	ask := func(g *grafana, dimension string) (string, error) {
		got := g.query(period, map[string]string{"A": `{"metrics":["executions"],"groupBy":["` + dimension + `"],"format":"table","limit":100}`})["A"]
		var out bytes.Buffer
		for _, f := range got.Frames {
			text, err := data.FrameToJSON(f, data.IncludeDataOnly)
			require.NoError(t, err)
			out.Write(text)
		}
		return out.String(), got.Error
	}
	text, err := ask(open(""), "team")
	require.NoError(t, err)
	require.Contains(t, text, "research")
	text, err = ask(open(""), "user")
	require.NoError(t, err)
	require.Contains(t, text, `"u"`)

	_, err = policies.Put(t.Context(), tenant, "test", &policy.Document{Roles: map[access.Role]policy.Rule{access.RoleAdmin: {Pseudonyms: true, Redact: []string{"error_type"}}}})
	require.NoError(t, err)
	pseudonym := access.Pseudonym(access.TenantKey([]byte(secret), tenant), "u")
	text, err = ask(open(secret+"\n"), "user")
	require.NoError(t, err)
	require.Contains(t, text, pseudonym, "the same as on every other surface")
	require.NotContains(t, text, `"u"`)
	_, err = ask(open(secret), "error_type")
	require.ErrorContains(t, err, "not shown")
	_, err = ask(open(""), "user")
	require.ErrorContains(t, err, "no key is configured")

	// Each datasource has a chain, which names Grafana's user.
	report, err := audit.Verify(t.Context(), store.Client, tenant)
	require.NoError(t, err)
	require.Nil(t, report.Broken)
	require.EqualValues(t, 5, report.Records)
	require.Len(t, report.Chains, 5)
	records, _, err := audit.List(t.Context(), store.Client, tenant, audit.Page{Limit: 10})
	require.NoError(t, err)
	outcomes := map[string]int{}
	for _, r := range records {
		require.Equal(t, "grafana", r.Surface)
		require.Equal(t, "admin", r.UserID)
		require.Equal(t, "grafana:"+t.Name(), r.KeyID)
		outcomes[r.Outcome]++
	}
	require.Equal(t, map[string]int{"answered": 3, "denied": 2}, outcomes)
}

// What waits is written when Grafana disposes of a datasource.
func TestRecordsAreWrittenInTheEnd(t *testing.T) {
	store, period := newStore(t)
	settings, secrets := settingsOf(t, store.Client.Database(), nil)
	text, err := json.Marshal(settings)
	require.NoError(t, err)
	made, err := New(t.Context(), backend.DataSourceInstanceSettings{UID: "one", JSONData: text, DecryptedSecureJSONData: secrets, Updated: time.Now()})
	require.NoError(t, err)
	ds, ok := made.(*Datasource)
	require.True(t, ok)
	got, err := ds.QueryData(t.Context(), &backend.QueryDataRequest{Queries: []backend.DataQuery{{RefID: "A", JSON: []byte(`{}`), TimeRange: period, Interval: time.Hour}}})
	require.NoError(t, err)
	require.NoError(t, got.Responses["A"].Error)
	ds.Dispose()
	records, _, err := audit.List(t.Context(), store.Client, tenant, audit.Page{Limit: 10})
	require.NoError(t, err)
	require.Len(t, records, 1)
	require.Empty(t, records[0].UserID, "alert rules have no user")
}

func TestAShortKeyOfPseudonymsIsRefused(t *testing.T) {
	_, err := ParseSettings(backend.DataSourceInstanceSettings{JSONData: []byte(`{"host":"db"}`), DecryptedSecureJSONData: map[string]string{"pseudonymKey": "short"}})
	var wrong *SettingsError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "pseudonymKey", wrong.Setting)
	require.NotContains(t, err.Error(), "short")
}

// Grafana's role decides by the datasource's rules whose data somebody sees, on every
// way to it.
func TestScopes(t *testing.T) {
	store := querytest.New(t)
	end := time.Now().UTC().Truncate(time.Hour)
	var events []event.Event
	for i, user := range []string{"ann", "bob", "cy"} {
		events = append(events, event.Event{
			Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: tenant, ID: user, UserID: user, WorkflowID: "of-" + user,
			Time: end.Add(-time.Duration(i+1) * time.Hour).UnixMilli(), PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		})
	}
	store.Insert(t, events...)
	store.Settle(t)
	_, err := directory.NewStore(store.Client, 0).Replace(t.Context(), tenant, directory.By{Author: "test"}, &directory.Document{
		Users: []directory.User{{ID: "root", Role: access.RoleAdmin}},
		Teams: []directory.Team{{ID: "research", Members: []string{"ann", "bob"}, Managers: []string{"ann"}}},
	})
	require.NoError(t, err)
	period := backend.TimeRange{From: end.Add(-24 * time.Hour), To: end}
	g := grafanaOn(t, store, map[string]any{"adminScope": "all", "editorScope": "directory", "viewerScope": "own", "alertScope": "none"})

	for _, test := range []struct {
		user    *backend.User
		sees    []string
		refused string
	}{
		{user: &backend.User{Login: "x", Role: "Admin"}, sees: []string{"ann", "bob", "cy"}},
		{user: &backend.User{Login: "ann", Role: "Editor"}, sees: []string{"ann", "bob"}},
		{user: &backend.User{Login: "bob", Role: "Editor"}, sees: []string{"bob"}},
		{user: &backend.User{Login: "root", Role: "Editor"}, sees: []string{"ann", "bob", "cy"}},
		{user: &backend.User{Login: "nobody", Role: "Editor"}, sees: nil},
		{user: &backend.User{Login: "cy", Role: "Viewer"}, sees: []string{"cy"}},
		{user: &backend.User{Login: "cy"}, sees: []string{"cy"}},
		{user: &backend.User{Login: "ann", Role: "None"}, sees: []string{"ann"}},
		{user: &backend.User{Role: "Viewer"}, refused: "Grafana does not say who asks"},
		{user: nil, refused: "alert rules see nothing"},
	} {
		g.pc.User = test.user
		name := "alert rules"
		if test.user != nil {
			name = test.user.Role + " " + test.user.Login
		}
		t.Run(name, func(t *testing.T) {
			got := g.query(period, map[string]string{
				"metrics": `{"metrics":["executions"],"groupBy":["user"],"granularity":"none","format":"table"}`,
				"promql":  `{"queryType":"promql","expr":"count by (user) (flowgauge_user_executions_total)","format":"table"}`,
			})
			for refID, r := range got {
				if test.refused != "" {
					require.ErrorContains(t, r.Error, test.refused, refID)
					require.Equal(t, backend.StatusForbidden, r.Status)
					continue
				}
				require.NoError(t, r.Error, refID)
				var users []string
				if f := r.Frames[0]; f.Rows() > 0 {
					users = column[string](t, f, "user")
				}
				require.ElementsMatch(t, test.sees, users, refID)
			}
			if test.refused != "" {
				var problem struct{ Detail string }
				status, _ := g.get("values?dimension=user", &problem)
				require.Equal(t, 403, status)
				require.Contains(t, problem.Detail, test.refused)
				var answer struct{ Error string }
				status, _ = g.get("prometheus/api/v1/label/user/values", &answer)
				require.Equal(t, 401, status)
				require.Contains(t, answer.Error, test.refused)
				return
			}
			var values struct{ Values, Data []string }
			g.get("values?dimension=user", &values)
			require.ElementsMatch(t, test.sees, values.Values)
			g.get("prometheus/api/v1/label/user/values", &values)
			require.ElementsMatch(t, test.sees, values.Data)
		})
	}

	t.Run("by mail", func(t *testing.T) {
		g := grafanaOn(t, store, map[string]any{"viewerScope": "own", "userId": "email"})
		g.pc.User = &backend.User{Login: "ann", Email: "bob", Role: "Viewer"}
		got := g.query(period, map[string]string{"A": `{"metrics":["executions"],"groupBy":["user"],"granularity":"none","format":"table"}`})
		require.Equal(t, []string{"bob"}, column[string](t, got["A"].Frames[0], "user"))
	})
	t.Run("unknown rules are refused", func(t *testing.T) {
		for setting, value := range map[string]string{"viewerScope": "team", "alertScope": "own", "userId": "name"} {
			_, err := ParseSettings(backend.DataSourceInstanceSettings{JSONData: []byte(`{"host":"db","` + setting + `":"` + value + `"}`)})
			var wrong *SettingsError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, setting, wrong.Setting)
		}
	})
}
