package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

const marchDay = `"from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z"`

// panelWorld is a server with a panel that says all that it is told, and does whatever a
// question wants it to.
type panelWorld struct {
	*server
	secrets map[string]string // of keys, by who has them
}

func newPanelWorld(t *testing.T, more func(plugins string) string) *panelWorld {
	t.Helper()
	dir := t.TempDir()
	secret := filepath.Join(dir, "pseudonyms.key")
	require.NoError(t, os.WriteFile(secret, []byte(strings.Repeat("k", 40)+"\n"), 0o600))
	data := filepath.Join(dir, "data")
	plugins := filepath.Join(data, "plugins")
	hosttest.Install(t, plugins, func(m *host.Manifest, _ string) {
		m.Extends, m.Permissions = []contract.Extension{contract.ExtensionPanel}, host.Permissions{}
	})
	config := filepath.Join(dir, "flowgauge.yaml")
	require.NoError(t, os.WriteFile(config, []byte("plugins:\n  use:\n    - {id: test-misbehave, timeout: 2s, settings: {mark: a-secret-setting}}\n"+more(plugins)), 0o600))
	w := &panelWorld{secrets: map[string]string{}}
	w.server = upAs(t, data, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "FLOWGAUGE_PRIVACY__KEY_FILE="+secret) }, "--config", config)
	var events strings.Builder
	for i := range 40 {
		user := []string{"ann@example.com", "bob@example.com", "cem@example.com", ""}[i%4]
		state, failure := "completed", ""
		if i%5 == 0 {
			state, failure = "failed", fmt.Sprintf(`,"errorType":"quota","errorMessage":"no more for %s"`, user)
		}
		fmt.Fprintf(&events, `{"kind":"execution","id":"e%d","timestamp":"2026-03-01T10:%02d:00Z","workflowId":"w%d","userId":%q,"status":%q,"duration":%d%s}`+"\n", i, i, i%3, user, state, 100+i, failure)
		fmt.Fprintf(&events, `{"kind":"cost","id":"c%d","timestamp":"2026-03-01T10:%02d:00Z","workflowId":"w%d","userId":%q,"actionType":"call","credits":"1.5","dollarAmount":"0.%03d"}`+"\n", i, i, i%3, user, i)
	}
	status, answer := w.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", strings.NewReader(events.String()))
	require.Equal(t, http.StatusAccepted, status, "%s", answer)
	w.settle()
	w.secrets["boss"] = w.key()
	for name, body := range map[string]string{
		"admin": `{"name":"admin","scopes":["read"],"role":"admin"}`,
		"ann":   `{"name":"ann","scopes":["read"],"role":"viewer","userId":"ann@example.com"}`,
		"guest": `{"name":"guest","scopes":["read"],"role":"viewer","userId":"guest@example.com"}`,
	} {
		var made struct{ Secret string }
		status, answer := w.call(http.MethodPost, "/api/v1/keys", "application/json", strings.NewReader(body))
		require.Equal(t, http.StatusCreated, status, "%s", answer)
		require.NoError(t, json.Unmarshal(answer, &made))
		w.secrets[name] = made.Secret
	}
	w.again()
	return w
}

func nothingMore(string) string { return "" }

// as makes a request as somebody.
func (w *panelWorld) as(who, method, path, body string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	require.NoError(w.t, err)
	req.Header.Set("Authorization", "Bearer "+w.secrets[who])
	req.Header.Set("Content-Type", "application/json")
	res, err := w.http.Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	return res.StatusCode, string(answer)
}

func (w *panelWorld) query(who, request string) (int, string) {
	w.t.Helper()
	return w.as(who, http.MethodPost, "/api/v1/analytics/query", request)
}

// echo asks the same through the plugin.
func echo(asks, how string) string {
	params, _ := json.Marshal(map[string]string{"asks": asks, "how": how})
	return `{"kind":"test-misbehave.echo","params":` + string(params) + `,` + marchDay + `}`
}

const plainAsk = `{"metrics":["executions"],"groupBy":["workflow"]}`

// again waits until the plugin answers: it is started anew when it has ended.
func (w *panelWorld) again() {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		status, _ := w.query("boss", echo(plainAsk, ""))
		return status == http.StatusOK
	}, time.Minute, 50*time.Millisecond)
}

// dataOf are an answer's rows.
func dataOf(t *testing.T, answer string) string {
	t.Helper()
	var a struct{ Data json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(answer), &a), answer)
	return string(a.Data)
}

// What a panel is told is what the one who asks is told, and nothing else: whoever it is,
// whatever their policy keeps back.
func TestPanelsShowNobodyMore(t *testing.T) {
	w := newPanelWorld(t, nothingMore)
	asks := []string{
		plainAsk,
		`{"metrics":["executions","dollars"],"groupBy":["user"]}`,
		`{"metrics":["executions"],"groupBy":["user"],"granularity":"15m"}`,
		`{"metrics":["executions"],"filters":[{"dimension":"user","operator":"in","values":["bob@example.com"]}]}`,
		`{"kind":"errors"}`,
		`{"kind":"executions"}`,
		`{"kind":"engagement"}`,
		`{"metrics":["events_rejected"]}`,
		`{"kind":"audit_trail"}`,
	}
	ids := []string{"ann@example.com", "bob@example.com", "cem@example.com"}
	compare := func(t *testing.T, who string) (all string) {
		t.Helper()
		for _, ask := range asks {
			direct, want := w.query(who, ask[:len(ask)-1]+","+marchDay+"}")
			status, got := w.query(who, echo(ask, ""))
			require.Equal(t, direct, status, "%s asks %s: %s, through the plugin: %s", who, ask, want, got)
			if status == http.StatusOK && !strings.Contains(ask, "audit_trail") { // which has this asking in it
				// The question to the plugin has no granularity, and so no buckets that are partial.
				want := strings.ReplaceAll(dataOf(t, want), `,"partial":false`, "")
				require.JSONEq(t, want, dataOf(t, got), "%s asks %s", who, ask)
			}
			if strings.Contains(ask, "values") {
				got = "" // a refusal may say what was asked
			}
			all += got
		}
		return all
	}
	t.Run("without a policy", func(t *testing.T) {
		all := compare(t, "admin")
		for _, id := range ids {
			assert.Contains(t, all, id, "else the test would not notice a leak")
		}
		all = compare(t, "ann")
		assert.Contains(t, all, "ann@example.com")
		assert.NotContains(t, all, "bob@example.com")
		assert.NotContains(t, all, "cem@example.com")
		compare(t, "guest")
	})
	policies := func(document, wait string) {
		status, answer := w.as("boss", http.MethodPut, "/api/v1/policy", document)
		require.Equal(t, http.StatusOK, status, answer)
		require.Eventually(t, func() bool {
			_, got := w.query("admin", `{"metrics":["executions"],"groupBy":["user"],`+marchDay+`}`)
			return strings.Contains(got, wait)
		}, time.Minute, 50*time.Millisecond)
	}
	t.Run("with pseudonyms", func(t *testing.T) {
		policies(`{"roles":{"admin":{"pseudonyms":true},"viewer":{"pseudonyms":true,"redact":["message","sample","error_message"]}}}`, `"u_`)
		for _, who := range []string{"admin", "ann"} {
			all := compare(t, who)
			assert.Contains(t, all, `"u_`)
			for _, id := range ids {
				assert.NotContains(t, all, id, who)
			}
		}
		// A pseudonym stands for its user in what a plugin filters by, too.
		_, users := w.query("admin", `{"metrics":["executions"],"groupBy":["user"],"filters":[{"dimension":"user","operator":"not_in","values":[""]}],`+marchDay+`}`)
		var rows []struct {
			User       string
			Executions float64
		}
		require.NoError(t, json.Unmarshal([]byte(dataOf(t, users)), &rows))
		require.Len(t, rows, 3)
		status, answer := w.query("admin", echo(`{"metrics":["executions"],"filters":[{"dimension":"user","operator":"in","values":["`+rows[0].User+`"]}]}`, ""))
		require.Equal(t, http.StatusOK, status, answer)
		assert.JSONEq(t, fmt.Sprintf(`[{"executions":%v}]`, rows[0].Executions), dataOf(t, answer))
	})
	t.Run("groups of several", func(t *testing.T) {
		policies(`{"roles":{"admin":{"minimumUsers":2}}}`, "withheld")
		all := compare(t, "admin")
		for _, id := range ids {
			assert.NotContains(t, all, id)
		}
		_, answer := w.query("admin", echo(`{"metrics":["executions"],"groupBy":["user"]}`, ""))
		assert.Contains(t, answer, "are withheld", "and says so")
	})
}

// Whatever a panel does, the one who asks is told which plugin it was and why, and all else
// goes on.
func TestPanelsThatMisbehave(t *testing.T) {
	w := newPanelWorld(t, nothingMore)
	for _, c := range []struct {
		asks, how string
		status    int
		says      string
	}{
		{plainAsk, "crash", 503, "its process has gone"},
		{plainAsk, "hang", 504, "no answer within 2s"},
		{plainAsk, "error", 502, "a matrix has no inverse"},
		{plainAsk, "unequal", 502, `\"b\" has 1 values`},
		{plainAsk, "nan", 502, "row 0 has the number NaN"},
		{plainAsk, "utf8", 502, "UTF-8"},
		{plainAsk, "nulls", 502, "row 7 is said to have no value"},
		{plainAsk, "rows", 502, "1000000 rows, 200000 are allowed"},
		{plainAsk, "huge", 502, "larger than max"},
		{plainAsk, "columns", 502, "it has more than 800 columns"},
		{plainAsk, "notices", 502, "1000 notices, 20 are allowed"},
		{plainAsk, "plan crash", 503, "its process has gone"},
		{plainAsk, "plan hang", 504, "no answer within 2s"},
		{plainAsk, "plan error", 502, "the list of workflows is not there"},
		{plainAsk, "plan refused", 400, "asks: name a workflow"},
		{plainAsk, "plan many", 502, "100 questions, 8 are allowed"},
		{`{"metrics":["executions"],"tenant":"another"}`, "", 502, "tenant: no such member"},
		{`{"metrics":["executions"]`, "", 502, "must be a JSON object"},
		{`null`, "", 502, "must be a JSON object"},
		{`{"metrics":null}`, "", 502, "must not be null"},
		{strings.Repeat(" ", 1<<19), "", 502, "question 1 of its plan"},
		{`{"kind":"test-misbehave.echo","params":{"asks":"{}"}}`, "", 502, "only Flowgauge's own"},
		{`{"kind":"nonsense"}`, "", 400, "question 1 that it is made of was refused"},
		{`{"metrics":["nonsense"]}`, "plan twice", 400, "no such metric"},
	} {
		what := c.how + " " + c.asks[:min(60, len(c.asks))]
		status, answer := w.query("boss", echo(c.asks, c.how))
		assert.Equal(t, c.status, status, "%s: %s", what, answer)
		assert.Contains(t, answer, c.says, what)
		if c.status != 400 || c.how == "plan refused" {
			assert.Contains(t, answer, "plugin test-misbehave", what)
		} else {
			assert.Contains(t, answer, "test-misbehave.echo", what)
		}
		status, answer = w.query("boss", plainAsk[:len(plainAsk)-1]+","+marchDay+"}")
		require.Equal(t, http.StatusOK, status, "Flowgauge's own questions are answered meanwhile: %s", answer)
		w.again()
	}
	status, answer := w.query("boss", echo(plainAsk, "plan none"))
	assert.Equal(t, http.StatusOK, status, answer)
	assert.Equal(t, "[]", dataOf(t, answer))

	log, err := os.ReadFile(filepath.Join(w.dir, "flowgauge.log"))
	require.NoError(t, err)
	assert.Contains(t, string(log), "a matrix has no inverse", "the operator sees it as well")
	assert.Contains(t, string(log), "1000000 rows, 200000 are allowed")
	assert.NotContains(t, string(log), "a-secret-setting")
}

// A panel's kinds are where Flowgauge's are: in the catalogue, checked, audited, and listed
// with the plugin for administrators.
func TestPanelsAmongOtherKinds(t *testing.T) {
	folder := ownPlugin(t, "panel", "acme-slo")
	w := newPanelWorld(t, func(plugins string) string {
		_, err := host.Install(plugins, folder)
		require.NoError(t, err)
		return "    - {id: acme-slo, settings: {target: 90}}\n"
	})
	t.Run("an answer", func(t *testing.T) {
		ask := `{"kind":"acme-slo.slo",` + marchDay + `,"params":{"target_percent":"75"}}`
		status, answer := w.query("admin", ask)
		require.Equal(t, http.StatusOK, status, answer)
		// 14, 13 and 13 executions of the workflows, of which 3, 3 and 2 failed.
		assert.JSONEq(t, `[
			{"workflow":"w0","executions":14,"failed":3,"success_percent":78.57142857142857,"budget_left_percent":14.28571428571429},
			{"workflow":"w1","executions":13,"failed":2,"success_percent":84.61538461538461,"budget_left_percent":38.46153846153846},
			{"workflow":"w2","executions":13,"failed":3,"success_percent":76.92307692307692,"budget_left_percent":7.692307692307687}]`, dataOf(t, answer))
		status, answer = w.as("admin", http.MethodPost, "/api/v1/analytics/query?format=csv", ask)
		require.Equal(t, http.StatusOK, status, answer)
		assert.Contains(t, answer, "workflow,executions,failed,success_percent,budget_left_percent")
	})
	t.Run("catalogue", func(t *testing.T) {
		_, answer := w.as("ann", http.MethodGet, "/api/v1/analytics/catalogue", "")
		var catalogue struct {
			Kinds []struct {
				Kind, Title, Plugin string
				Uses                []string
				Params              []struct{ Name, Default string }
				Fields              []struct{ Name string }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &catalogue))
		last := catalogue.Kinds[len(catalogue.Kinds)-1]
		assert.Equal(t, "acme-slo.slo", last.Kind)
		assert.Equal(t, "acme-slo", last.Plugin)
		assert.Equal(t, "Error budgets of workflows", last.Title)
		assert.Empty(t, last.Uses)
		assert.Equal(t, "90", last.Params[0].Default, "of the settings")
		assert.Len(t, last.Fields, 5)
		assert.Equal(t, "metrics", catalogue.Kinds[0].Kind)
		assert.Empty(t, catalogue.Kinds[0].Plugin)
	})
	t.Run("what is wrong", func(t *testing.T) {
		for ask, says := range map[string]string{
			`{"kind":"acme-slo.nonsense"`:                                               "no such kind of question",
			`{"kind":"acme-other.slo"`:                                                  "acme-slo.slo",
			`{"kind":"nonsense"`:                                                        "acme-slo.slo",
			`{"kind":"acme-slo.slo","params":{"target":"1"}`:                            "params.target_percent",
			`{"kind":"acme-slo.slo","params":{"target_percent":"much"}`:                 "want a percentage",
			`{"kind":"acme-slo.slo","granularity":"day"`:                                "does not take it",
			`{"kind":"acme-slo.slo","metrics":["executions"]`:                           "does not take it",
			`{"kind":"test-misbehave.echo"`:                                             "needs it",
			`{"kind":"test-misbehave.echo","params":{"asks":"{}","size":"huge"}`:        "no such value",
			`{"kind":"test-misbehave.echo","params":{"asks":"{}"},"granularity":"yard"`: "no such granularity",
			`{"kind":"test-misbehave.echo","params":{"asks":"{}"},"timeZone":"Mars/A"`:  "time zone",
		} {
			status, answer := w.query("admin", ask+","+marchDay+"}")
			assert.Equal(t, http.StatusBadRequest, status, "%s: %s", ask, answer)
			assert.Contains(t, answer, says, ask)
		}
		status, answer := w.query("admin", `{"kind":"acme-slo.slo"}`)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, answer, "the period needs a beginning and an end")
	})
	t.Run("audit", func(t *testing.T) {
		var kinds []string
		require.Eventually(t, func() bool {
			_, answer := w.as("boss", http.MethodGet, "/api/v1/audit", "")
			var page struct {
				Records []struct{ Kind, KeyID string }
			}
			require.NoError(t, json.Unmarshal([]byte(answer), &page))
			kinds = kinds[:0]
			for _, r := range page.Records {
				kinds = append(kinds, r.Kind)
			}
			return slices.Contains(kinds, "acme-slo.slo")
		}, time.Minute, 50*time.Millisecond)
		assert.Contains(t, kinds, "metrics", "and each question that it was made of")
	})
	t.Run("for Grafana's plugin", func(t *testing.T) {
		w.secrets["nobody"] = "fg_000000000000_none"
		for path, body := range map[string]string{"/plan": "nonsense", "/answer": "{}"} {
			status, _ := w.as("nobody", http.MethodPost, "/api/v1/plugins"+path, "")
			assert.Equal(t, http.StatusUnauthorized, status, path)
			status, answer := w.as("ann", http.MethodPost, "/api/v1/plugins"+path, body)
			assert.Equal(t, http.StatusBadRequest, status, path)
			assert.Contains(t, answer, "in protobuf's binary format", path)
			status, answer = w.as("ann", http.MethodPost, "/api/v1/plugins"+path, "")
			assert.Equal(t, http.StatusBadRequest, status, path)
			assert.Contains(t, answer, "no plugin has the kind", path)
			text, err := proto.Marshal(&contractv1.PlanRequest{Question: &contractv1.Question{Kind: "acme-slo.slo", Parameters: map[string]string{"x": "y"}}})
			require.NoError(t, err)
			status, answer = w.as("ann", http.MethodPost, "/api/v1/plugins"+path, string(text))
			assert.Equal(t, http.StatusBadRequest, status, path)
			assert.Contains(t, answer, "has no such parameter", path)
		}
		status, answer := w.as("ann", http.MethodPost, "/api/v1/plugins/plan", strings.Repeat("x", 2<<20))
		assert.Equal(t, http.StatusRequestEntityTooLarge, status, answer)
	})
	t.Run("operators", func(t *testing.T) {
		status, _ := w.as("admin", http.MethodGet, "/api/v1/plugins", "")
		assert.Equal(t, http.StatusForbidden, status, "a key that may only read")
		status, answer := w.as("boss", http.MethodGet, "/api/v1/plugins", "")
		require.Equal(t, http.StatusOK, status, answer)
		assert.NotContains(t, answer, "a-secret-setting")
		type plugin struct {
			ID, Version, Why, Fault string
			Extends, Kinds          []string
			Up                      bool
			Since                   time.Time
			Restarts                int
		}
		list := func() (all []plugin) {
			_, answer := w.as("boss", http.MethodGet, "/api/v1/plugins", "")
			var got struct{ Plugins []plugin }
			require.NoError(t, json.Unmarshal([]byte(answer), &got))
			return got.Plugins
		}
		all := list()
		require.Len(t, all, 2)
		slo := all[1]
		assert.Equal(t, "acme-slo", slo.ID)
		assert.Equal(t, "0.1.0", slo.Version)
		assert.Equal(t, []string{"panel"}, slo.Extends)
		assert.Equal(t, []string{"acme-slo.slo"}, slo.Kinds)
		assert.True(t, slo.Up)
		assert.Zero(t, slo.Restarts)
		assert.WithinDuration(t, time.Now(), slo.Since, time.Hour)

		// One that cannot start says why, and its kinds say so too.
		program := filepath.Join(w.dir, "plugins", "test-misbehave", "1.0.0", "misbehave")
		require.NoError(t, os.Rename(program, program+".away"))
		w.query("boss", echo(plainAsk, "crash"))
		require.Eventually(t, func() bool { return strings.Contains(list()[0].Why, "the file misbehave is missing") }, time.Minute, 50*time.Millisecond)
		all = list()
		assert.False(t, all[0].Up)
		assert.Positive(t, all[0].Restarts)
		assert.True(t, all[1].Up, "others go on")
		status, answer = w.query("boss", echo(plainAsk, ""))
		assert.Equal(t, http.StatusServiceUnavailable, status)
		assert.Contains(t, answer, "plugin test-misbehave is down")
		_, answer = w.as("ann", http.MethodGet, "/api/v1/analytics/catalogue", "")
		assert.NotContains(t, answer, "test-misbehave.echo", "what cannot be asked is not offered")
		assert.Contains(t, answer, "acme-slo.slo")
		status, answer = w.query("boss", `{"kind":"acme-slo.slo",`+marchDay+`}`)
		assert.Equal(t, http.StatusOK, status, answer)
		require.NoError(t, os.Rename(program+".away", program))
		w.again()
	})
}
