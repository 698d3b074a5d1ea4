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
