package plugin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/backend/access/policy"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/panel/hosted"
	"github.com/flowgauge/flowgauge/backend/pluginapi"
	"github.com/flowgauge/flowgauge/backend/query"
	plugins "github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// aKey is good for reading and for no data: nobody's.
const aKey = "fg_panels"

type onlyKey struct{}

func (onlyKey) Authenticate(r *http.Request) (access.Principal, error) {
	if r.Header.Get("Authorization") != "Bearer "+aKey {
		return access.Principal{}, keystore.ErrUnknown
	}
	return access.Principal{Tenant: "elsewhere", Role: access.RoleViewer, Scopes: []access.Scope{access.ScopeRead}}, nil
}

// pluginServer is as much of a server as the datasource asks, with test-misbehave.
func pluginServer(t *testing.T, settings json.RawMessage, extends ...plugins.Extension) (*httptest.Server, *host.Host) {
	t.Helper()
	dir := hosttest.Misbehave(t, func(m *host.Manifest, _ string) {
		m.Extends, m.Permissions = extends, host.Permissions{}
	})
	h, err := host.New(host.Config{Dir: filepath.Clean(dir), Use: []host.Use{{ID: "test-misbehave", Timeout: time.Second, Settings: settings}}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { h.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	require.Eventually(t, func() bool { return h.Err() == nil }, time.Minute, 10*time.Millisecond, "the plugin is up")
	log := slog.New(slog.DiscardHandler)
	router := gin.New()
	pluginapi.New(h, hosted.New(h, log), onlyKey{}, log).Register(router)
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return server, h
}

func echoModel(asks, how string) string {
	return `{"queryType":"test-misbehave.echo","params":{"how":"` + how + `","asks":"` + asks + `"}}`
}

const byUser = `{\"metrics\":[\"executions\"],\"groupBy\":[\"user\"]}`

// The plugins of a server answer in Grafana of what the datasource has asked itself, as
// whoever looks at the panel.
func TestKindsOfPlugins(t *testing.T) {
	store, day := newStore(t)
	store.Insert(t, event.Event{
		Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: tenant, ID: "mine", Time: day.From.Add(time.Minute).UnixMilli(),
		PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, WorkflowID: "sync", UserID: "admin",
	})
	store.Settle(t)
	server, _ := pluginServer(t, hosttest.Settings(t, "", false), plugins.ExtensionPanel)
	open := func(change map[string]any, key string) *grafana {
		with := map[string]any{"serverUrl": server.URL + "/"}
		for name, value := range change {
			with[name] = value
		}
		settings, secrets := settingsOf(t, store.Client.Database(), with)
		if secrets == nil {
			secrets = map[string]string{}
		}
		secrets["serverKey"] = key
		return newGrafana(t, settings, secrets)
	}
	users := func(g *grafana) ([]string, error) {
		got := g.query(day, map[string]string{"A": echoModel(byUser, "")})["A"]
		if got.Error != nil {
			return nil, got.Error
		}
		require.Equal(t, "Executions", got.Frames[0].Fields[1].Config.DisplayNameFromDS)
		require.Equal(t, "it is an echo", got.Frames[0].Meta.Notices[0].Text)
		return column[string](t, got.Frames[0], "user"), nil
	}
	t.Run("everything", func(t *testing.T) {
		got, err := users(open(nil, aKey))
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"admin", "u"}, got)
	})
	t.Run("one's own", func(t *testing.T) {
		got, err := users(open(map[string]any{"adminScope": "own"}, aKey))
		require.NoError(t, err)
		assert.Equal(t, []string{"admin"}, got)
	})
	t.Run("nothing", func(t *testing.T) {
		_, err := users(open(map[string]any{"adminScope": "none"}, aKey))
		require.Error(t, err)
	})
	t.Run("catalogue", func(t *testing.T) {
		var catalogue struct{ Kinds []Kind }
		open(nil, aKey).get("catalogue", &catalogue)
		require.Len(t, catalogue.Kinds, len(query.Kinds())+3)
		last := catalogue.Kinds[len(catalogue.Kinds)-1]
		assert.EqualValues(t, "test-misbehave.echo", last.Kind)
		assert.Equal(t, "test-misbehave", last.From)
		assert.Equal(t, []string{"table"}, last.Formats)
		assert.Equal(t, []string{"small", "large"}, last.Params[2].Allowed)
	})
	t.Run("what is wrong", func(t *testing.T) {
		g := open(nil, aKey)
		for _, c := range []struct {
			model  string
			status backend.Status
			says   string
		}{
			{echoModel(byUser, "hang"), 504, "plugin test-misbehave: no answer within 1s"},
			{echoModel(byUser, "plan refused"), 400, "plugin test-misbehave: asks: name a workflow"},
			{echoModel(byUser, "nan"), 502, "plugin test-misbehave: "},
			{echoModel(`{\"metrics\":[\"executions\"],\"tenant\":\"other\"}`, ""), 502, "tenant: no such member"},
			{echoModel(byUser, "crash"), 503, "its process has gone"},
			{`{"queryType":"test-misbehave.echo"}`, 400, "params.asks"},
			{`{"queryType":"test-misbehave.nonsense"}`, 400, "there is no such querytype"},
			{`{"queryType":"acme-nobody.nonsense"}`, 400, "there is no such querytype"},
		} {
			got := g.query(day, map[string]string{"A": c.model})["A"]
			require.ErrorContains(t, got.Error, c.says, c.model)
			assert.Equal(t, c.status, got.Status, c.model)
			require.Eventually(t, func() bool { _, err := users(g); return err == nil }, time.Minute, 50*time.Millisecond, "it is up again")
		}
	})
	t.Run("a policy", func(t *testing.T) {
		_, err := policy.NewStore(store.Client).Put(t.Context(), tenant, "test", &policy.Document{Roles: map[access.Role]policy.Rule{access.RoleAdmin: {MinimumUsers: 2}}})
		require.NoError(t, err)
		got, err := users(open(nil, aKey))
		require.NoError(t, err)
		assert.Empty(t, got, "no group has two users")
	})
	t.Run("a wrong key", func(t *testing.T) {
		_, err := users(open(nil, "another"))
		require.ErrorContains(t, err, "does not answer for its plugins")
	})
	t.Run("without a server", func(t *testing.T) {
		settings, secrets := settingsOf(t, store.Client.Database(), nil)
		_, err := users(newGrafana(t, settings, secrets))
		require.ErrorContains(t, err, "setting serverUrl")
	})
	t.Run("the server is away", func(t *testing.T) {
		server.Close()
		g := open(nil, aKey)
		_, err := users(g)
		require.ErrorContains(t, err, "which runs plugins, cannot be asked")
		var catalogue struct{ Kinds []Kind }
		g.get("catalogue", &catalogue)
		assert.Len(t, catalogue.Kinds, len(query.Kinds())+2)
		require.NoError(t, g.query(day, map[string]string{"A": `{"metrics":["executions"]}`})["A"].Error)
	})
}
