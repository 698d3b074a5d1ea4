package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mark is a text that occurs in one field of one owner's rows and nowhere else: whoever
// sees it has seen that row. Neither part has an x, and neither has digits, which groups
// of errors leave out.
func mark(owner, field string) string { return "zz" + owner + "x" + field + "zz" }

var marks = regexp.MustCompile(`zz([a-wyz]+)x([a-z]+?)zz`)

// The marked world. Three tenants: acme, mirror, which has of acme what ann owns and no
// more, and other, in which a user goes by ann's id.
const (
	acme, mirror, other = "acme", "mirror", "other"
	walkDay             = "2026-03-10T"
)

// owners are who has rows, by tenant. nobody's rows have no user. In other, evil's rows
// have ann's id.
var owners = map[string][]string{
	acme:   {"ann", "bob", "mona", "cem", "dan", "nobody"},
	mirror: {"ann"},
	other:  {"eve", "evil"},
}

// sharing are the owners who ran the workflow that is shared.
var sharing = []string{"ann", "bob", "cem", "dan"}

// userOf is the id that an owner's rows have.
func userOf(owner string) string {
	switch owner {
	case "nobody":
		return ""
	case "evil":
		return mark("ann", "user")
	}
	return mark(owner, "user")
}

// rowsOf are an owner's events. Figures differ between owners, so that sums give them away.
func rowsOf(owner string) []map[string]any {
	n := slices.Index([]string{"ann", "bob", "mona", "cem", "dan", "nobody", "eve", "evil"}, owner)
	user, at := userOf(owner), func(minute int) string { return fmt.Sprintf("%s%02d:%02d:00Z", walkDay, 2+n, minute) }
	of := func(field string) string { return mark(owner, field) }
	metadata := map[string]any{"note": of("note"), "owner": user}
	execution := func(id, workflow, status string, minute int, more map[string]any) map[string]any {
		e := map[string]any{
			"kind": "execution", "id": id, "timestamp": at(minute), "workflowId": workflow, "workflowVersion": n + 1, "userId": user,
			"triggerId": of("trigger"), "triggerType": of("triggertype"), "status": status, "metadata": metadata, "source": of("source"),
		}
		for name, v := range more {
			e[name] = v
		}
		return e
	}
	ended := map[string]any{"duration": 240_000 + 1000*(n+1), "stepCount": 2, "queuedTime": at(0), "attempt": 1 + n%3}
	failed := map[string]any{
		"duration": 700 * (n + 1), "errorType": of("errortype"), "errorMessage": of("message") + " of user " + user + " has failed",
	}
	rows := []map[string]any{
		execution(of("execution"), of("workflow"), "started", 1, nil),
		execution(of("execution"), of("workflow"), "completed", 5, ended),
		execution(of("failure"), of("workflow"), "failed", 7, failed),
		execution(of("open"), of("workflow"), "started", 8, nil),
	}
	for i, step := range []string{of("step"), of("laststep")} {
		rows = append(rows, map[string]any{
			"kind": "step", "id": of("stepevent") + step, "executionId": of("execution"), "stepId": step, "stepType": of("steptype"),
			"startTime": at(1 + i), "endTime": at(2 + i), "duration": 60_000, "status": "completed", "inputSize": 10 * (n + 1), "outputSize": n,
			"creditsUsed": strconv.Itoa(n + 1), "dependsOn": []string{of("stepevent") + of("step")}[:i], "source": of("source"),
		})
	}
	rows = append(rows, map[string]any{
		"kind": "cost", "id": of("cost"), "timestamp": at(9), "userId": user, "workflowId": of("workflow"), "executionId": of("execution"),
		"actionType": of("actiontype"), "credits": strconv.Itoa(3 * (n + 1)), "dollarAmount": fmt.Sprintf("%d.%d1", n+1, n), "metadata": metadata,
	})
	for i, resource := range []string{of("resourceid"), user} {
		if owner == "nobody" {
			break
		}
		rows = append(rows, map[string]any{
			"kind": "activity", "id": of("activity") + strconv.Itoa(i), "userId": user, "timestamp": at(10 + i), "sessionId": of("session"),
			"action": of("action"), "resource": of("resource"), "resourceId": resource, "duration": 100 * (n + 1), "metadata": metadata,
		})
	}
	if slices.Contains(sharing, owner) {
		rows = append(rows,
			execution(of("shared"), mark("shared", "workflow"), "completed", 20, ended),
			execution(of("sharedfailure"), mark("shared", "workflow"), "failed", 21, map[string]any{
				"duration": 300 * (n + 1), "errorType": mark("shared", "errortype"),
				"errorMessage": mark("shared", "message") + ` "` + user + `" has failed`,
			}))
	}
	return rows
}

// refusedOf is an event of a tenant that is not taken: a dead letter about one of its users.
func refusedOf(owner string) map[string]any {
	return map[string]any{
		"kind": "cost", "id": mark(owner, "letter"), "timestamp": "yesterday", "userId": userOf(owner), "metadata": map[string]any{"note": mark(owner, "payload")},
	}
}

// teamsOf is a tenant's directory.
func teamsOf(tenant string) string {
	var users []string
	for _, owner := range owners[tenant] {
		if user := userOf(owner); user != "" {
			users = append(users, fmt.Sprintf(`{"id": %q, "name": %q}`, user, mark(owner, "name")))
		}
	}
	known := strings.Join(users, ", ")
	if tenant == other {
		return fmt.Sprintf(`{"users": [`+known+`], "teams": [{"id": %q, "members": [%q, %q]}]}`, mark("olive", "team"), userOf("eve"), userOf("evil"))
	}
	return fmt.Sprintf(`{"users": [`+known+`], "teams": [{"id": %q, "members": [%q, %q], "managers": [%q]}, {"id": %q, "members": [%q]}]}`,
		mark("red", "team"), userOf("ann"), userOf("bob"), userOf("mona"), mark("blue", "team"), userOf("cem"))
}

// caller is somebody with a key, and what they may see.
type caller struct {
	name, tenant, key string
	// sees says whether a mark may be in an answer to them.
	sees func(owner, field string) bool
}

// world is a running server with everything in it.
type world struct {
	*server
	callers   map[string]caller
	documents map[string]map[string]string // ids of documents, by their paths and owners
	letters   map[string]string            // ids of dead letters by tenant
	began     string                       // a moment before the first event
	from, to  string
}

func among(owners ...string) func(string, string) bool {
	return func(owner, _ string) bool { return slices.Contains(owners, owner) }
}

// newWorld starts a server and fills it.
func newWorld(t *testing.T) *world {
	dir := t.TempDir()
	secret := filepath.Join(dir, "pseudonyms.key")
	require.NoError(t, os.WriteFile(secret, []byte(strings.Repeat("k", 40)+"\n"), 0o600))
	w := &world{
		server: upAs(t, filepath.Join(dir, "data"), func(cmd *exec.Cmd) {
			cmd.Env = append(cmd.Env, "FLOWGAUGE_PRIVACY__KEY_FILE="+secret, "FLOWGAUGE_HISTORY__DAYS=30")
		}),
		from: walkDay + "00:00:00Z", to: "2026-03-11T00:00:00Z",
		callers: map[string]caller{}, documents: map[string]map[string]string{}, letters: map[string]string{},
	}
	everything := func(tenant string) func(string, string) bool {
		if tenant == other {
			return func(owner, field string) bool {
				return slices.Contains([]string{"eve", "evil", "olive"}, owner) || owner == "ann" && field == "user"
			}
		}
		return among("ann", "bob", "mona", "cem", "dan", "nobody", "guest", "stranger", "shared", "red", "blue", "public")
	}
	for _, tenant := range []string{acme, mirror, other} {
		boss := strings.TrimSpace(w.keys("create", "--tenant", tenant, "--name", mark("boss", "key"), "--scope", "admin"))
		sees := everything(tenant)
		w.callers[tenant+"'s boss"] = caller{tenant + "'s boss", tenant, boss, func(owner, field string) bool { return owner == "boss" || sees(owner, field) }}
		w.until(http.StatusOK, boss, http.MethodGet, "/api/v1/keys", "")
	}
	type person struct {
		name, tenant, role, user string
		sees                     func(string, string) bool
	}
	for _, p := range []person{
		{"admin", acme, "admin", "", everything(acme)},
		{"ann", acme, "viewer", userOf("ann"), among("ann", "shared", "red", "public")},
		{"guest", acme, "viewer", mark("guest", "user"), among("guest", "public")},
		{"mona", acme, "manager", userOf("mona"), among("ann", "bob", "mona", "shared", "red", "public")},
		{"stranger", acme, "manager", mark("stranger", "user"), among("stranger", "public")},
		{"ann's mirror", mirror, "viewer", userOf("ann"), among("ann", "shared", "red")},
		{"other's admin", other, "admin", "", everything(other)},
	} {
		body := fmt.Sprintf(`{"name": "k", "scopes": ["read"], "role": %q, "userId": %q}`, p.role, p.user)
		var made struct{ Secret string }
		w.must(w.callers[p.tenant+"'s boss"], http.StatusCreated, http.MethodPost, "/api/v1/keys", body, &made)
		w.callers[p.name] = caller{p.name, p.tenant, made.Secret, p.sees}
	}
	w.began = w.history()
	w.fill()
	return w
}

// history waits until changes are kept, and returns a moment of which the state can be asked.
func (w *world) history() string {
	w.t.Helper()
	for {
		now := time.Now().UTC().Format(time.RFC3339Nano)
		period := url.Values{"from": {w.from}, "to": {w.to}, "since": {now}}
		if w.get(w.callers[acme+"'s boss"], ask{method: http.MethodGet, path: "/api/v1/analytics/restatements?" + period.Encode()}).status == http.StatusOK {
			return now
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// must makes a request that works.
func (w *world) must(by caller, status int, method, path, body string, into any) {
	w.t.Helper()
	got := w.get(by, ask{method: method, path: path, body: body})
	require.Equal(w.t, status, got.status, "%s %s: %s", method, path, got.body)
	if into != nil {
		require.NoError(w.t, json.Unmarshal(got.body, into), "%s", got.body)
	}
}

func (w *world) fill() {
	w.t.Helper()
	for _, tenant := range []string{acme, mirror, other} {
		boss := w.callers[tenant+"'s boss"]
		var events bytes.Buffer
		for _, owner := range owners[tenant] {
			for _, row := range rowsOf(owner) {
				line, err := json.Marshal(row)
				require.NoError(w.t, err)
				events.Write(append(line, '\n'))
			}
		}
		if tenant == acme { // it ended twice, which administrators are shown
			again := rowsOf("cem")[2]
			again["timestamp"] = walkDay + "09:09:00Z"
			line, err := json.Marshal(again)
			require.NoError(w.t, err)
			events.Write(append(line, '\n'))
		}
		sent := w.get(boss, ask{method: http.MethodPost, path: "/api/v1/events", body: events.String(), sends: "application/x-ndjson"})
		require.Equal(w.t, http.StatusAccepted, sent.status, "%s", sent.body)
		for _, owner := range map[string][]string{acme: {"cem"}, other: {"eve"}}[tenant] {
			line, err := json.Marshal(refusedOf(owner))
			require.NoError(w.t, err)
			w.must(boss, http.StatusBadRequest, http.MethodPost, "/api/v1/events", string(line), nil)
		}
		w.must(boss, http.StatusOK, http.MethodPut, "/api/v1/directory", teamsOf(tenant), nil)
	}
	w.settle()
	for _, tenant := range []string{acme, other} {
		var letters struct{ Data []struct{ ID string } }
		w.must(w.callers[tenant+"'s boss"], http.StatusOK, http.MethodGet, "/api/v1/collector/dead-letters", "", &letters)
		require.Len(w.t, letters.Data, 1)
		w.letters[tenant] = letters.Data[0].ID
	}
	for _, of := range []struct{ caller, owner string }{
		{"ann", "ann"}, {"mona", "mona"}, {"guest", "public"}, {"acme's boss", "dan"}, {"other's admin", "eve"},
	} {
		by, public := w.callers[of.caller], of.owner == "public"
		w.keep(by, "/analytics/dashboards", of.owner, fmt.Sprintf(`{"name": %q, "widgets": [], "isPublic": %t}`, mark(of.owner, "dashboard"), public))
		w.keep(by, "/analytics/reports", of.owner, fmt.Sprintf(
			`{"name": %q, "isPublic": %t, "requests": [{"metrics": ["executions"], "groupBy": ["workflow"], "from": %q, "to": %q}, {"kind": "errors", "from": %q, "to": %q}]}`,
			mark(of.owner, "report"), public, w.from, w.to, w.from, w.to))
	}
	for _, b := range []struct{ tenant, owner string }{{acme, "ann"}, {acme, "cem"}, {other, "eve"}} {
		w.must(w.callers[b.tenant+"'s boss"], http.StatusOK, http.MethodPut, "/api/v1/analytics/costs/budgets", fmt.Sprintf(
			`{"id": %q, "name": %q, "owner": %q, "of": "dollars", "amount": "5", "period": {"unit": "month", "start": "2026-03-01"}, "filters": [{"dimension": "user", "operator": "in", "values": [%q]}]}`,
			mark(b.owner, "budget"), mark(b.owner, "budgetname"), userOf(b.owner), userOf(b.owner)), nil)
		w.kept("/analytics/costs/budgets", b.owner, mark(b.owner, "budget"))
	}
}

// keep makes a document of a caller's.
func (w *world) keep(by caller, path, owner, body string) {
	w.t.Helper()
	var made struct{ ID string }
	w.must(by, http.StatusCreated, http.MethodPost, "/api/v1"+path, body, &made)
	w.kept(path, owner, made.ID)
}

func (w *world) kept(path, owner, id string) {
	if w.documents[path] == nil {
		w.documents[path] = map[string]string{}
	}
	w.documents[path][owner] = id
}

// ask is one request of the walk.
type ask struct {
	name         string // of what is asked, the same for all callers
	method, path string
	body         string
	sends, wants string // media types
	about        string // a text of the request beside the path and body, which may be repeated
	streams      bool   // the answer does not end
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

// get makes a request.
func (w *world) get(by caller, a ask) reply {
	w.t.Helper()
	ctx := w.t.Context()
	req, err := http.NewRequestWithContext(ctx, a.method, w.url+a.path, strings.NewReader(a.body))
	require.NoError(w.t, err)
	req.Header.Set("Authorization", "Bearer "+by.key)
	if a.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.sends != "" {
		req.Header.Set("Content-Type", a.sends)
	}
	if a.wants != "" {
		req.Header.Set("Accept", a.wants)
	}
	if (a.method == http.MethodPut || a.method == http.MethodDelete) && !strings.HasSuffix(a.path, "/costs/budgets") {
		req.Header.Set("If-Match", "*")
	}
	resp, err := w.http.Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	var body []byte
	if a.streams {
		body = begun(resp.Body)
	} else {
		body, err = io.ReadAll(resp.Body)
		require.NoError(w.t, err)
	}
	return reply{resp.StatusCode, resp.Header, body}
}

// begun reads what a stream gives within two seconds.
func begun(body io.ReadCloser) []byte {
	end := time.AfterFunc(2*time.Second, func() { _ = body.Close() })
	defer end.Stop()
	text, _ := io.ReadAll(body) // ends when it is closed
	return text
}
