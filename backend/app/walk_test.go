package app_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// rowless are asks whose answers have no texts of rows: everybody gets the same, or figures
// alone, which are held against those of a tenant without others' rows.
var rowless = []string{
	"GET /analytics/executions", "GET /analytics/executions/summary", "GET /analytics/activity", "GET /analytics/activity/users/{id}", "GET /analytics/costs",
	"GET /analytics/costs/forecast", "GET /analytics/workflows/comparison", "GET /analytics/workflows/{id}/performance",
	"GET /analytics/workflows/{id}/steps groupBy metadata.owner", "GET /analytics/activity/users/{id} groupBy user", "GET /analytics/activity/users/{id} groupBy metadata.owner",
	"kind annotations", "kind anomalies", "kind comparison", "kind durations", "kind forecast", "plugin figures filtered by source", "plugin catalogue", "plugin granularities", "plugin nothing",
	"plugin values by metadata.note", "plugin values by metadata.owner", "plugin values by execution", // too many to be listed
	"GET /analytics/openapi.yaml", "GET /analytics/catalogue", "GET /", "GET /metrics", "GET /api/v1/policy", "GET /api/v1/prices", "GET /api/v1/audit/verify",
	"promql /metadata", "promql /rules", "promql /alerts", "promql /status/buildinfo", "promql /query_exemplars", "promql /labels",
	// Nothing has been received lately: tests of the endpoint see to whom it shows what.
	"GET /analytics/live", "GET /analytics/live groupBy user", "GET /analytics/live groupBy metadata.owner",
	// Tests of the kind draw who asks.
	"GET /analytics/restatements", "GET /analytics/restatements groupBy user", "GET /analytics/restatements groupBy metadata.owner", "kind restatements",
}

// walk holds answers against what their callers may see.
type walk struct {
	*world
	hides func(by caller, field string) bool // what a policy keeps from a caller

	mu    sync.Mutex
	asked map[string]bool
	shown map[string]bool // asks that showed somebody what a guest without rows must not see
	fails int

	requests int
}

// check looks for marks that are not the caller's to see.
func (w *walk) check(by caller, a ask, status int, text []byte) {
	request, _ := url.QueryUnescape(a.path)
	request += a.body + a.about
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.name != "" { // else it is the walk's own housekeeping
		w.asked[a.name] = true
	}
	problem := ""
	if status >= http.StatusInternalServerError && status != http.StatusNotImplemented {
		problem = fmt.Sprintf("failed with %d", status)
	}
	for _, found := range marks.FindAllSubmatch(text, -1) {
		owner, field := string(found[1]), string(found[2])
		if strings.Contains(request, string(found[0])) { // it says what was asked for
			continue
		}
		if !w.callers["guest"].sees(owner, field) && by.tenant == acme {
			w.shown[a.name] = true
		}
		switch {
		case a.name == "GET /metrics" && field == "source": // what the whole process has received
		case !by.sees(owner, field):
			problem = "shows " + string(found[0])
		case w.hides != nil && w.hides(by, field):
			problem = "shows " + string(found[0]) + " in spite of the policy"
		}
	}
	w.requests++
	if problem != "" && w.fails < 20 {
		w.fails++
		assert.Fail(w.t, problem, "%s: %s %s %s\n%.2000s", by.name, a.method, a.path, a.body, text)
	}
}

var walkAll = flag.Bool("walk-all", false, "TestNobodySeesAnothersRow asks everything in every variation, not a few of each")

// some keeps at most n asks of each name: the first, the last, and between them.
func some(asks []ask, n int) []ask {
	if *walkAll {
		return asks
	}
	byName := map[string][]ask{}
	var names []string
	for _, a := range asks {
		if byName[a.name] == nil {
			names = append(names, a.name)
		}
		byName[a.name] = append(byName[a.name], a)
	}
	var out []ask
	for _, name := range names {
		of := byName[name]
		if len(of) <= n {
			out = append(out, of...)
			continue
		}
		for i := range n {
			out = append(out, of[i*(len(of)-1)/max(n-1, 1)])
		}
	}
	return out
}

// everyAsk makes asks, several at once, and returns the answers.
func (w *walk) everyAsk(by caller, asks []ask) []reply {
	w.t.Helper()
	out := make([]reply, len(asks))
	var group errgroup.Group
	group.SetLimit(4)
	for i, a := range asks {
		group.Go(func() error {
			out[i] = w.get(by, a)
			w.check(by, a, out[i].status, whole(w.t, out[i]))
			return nil
		})
	}
	require.NoError(w.t, group.Wait())
	return out
}

// whole is all that an answer says: headers, body, and files in it.
func whole(t testing.TB, r reply) []byte {
	var text bytes.Buffer
	_ = r.header.Write(&text)
	text.Write(r.body)
	if r.header.Get("Content-Type") == "application/zip" {
		files, err := zip.NewReader(bytes.NewReader(r.body), int64(len(r.body)))
		require.NoError(t, err)
		for _, f := range files.File {
			open, err := f.Open()
			require.NoError(t, err)
			_, err = io.Copy(&text, open)
			require.NoError(t, err)
			text.WriteString(f.Name)
		}
	}
	return text.Bytes()
}

func (w *walk) as(name string) caller {
	by, ok := w.callers[name]
	require.True(w.t, ok, name)
	return by
}

// alike wants two callers to get the same answers: what is only in the world of one of
// them makes no difference.
func (w *walk) alike(asks []ask, a, b []reply) {
	w.t.Helper()
	for i := range asks {
		if w.fails > 20 {
			return
		}
		if !assert.Equal(w.t, a[i].status, b[i].status, "%s %s %s", asks[i].method, asks[i].path, asks[i].body) ||
			!assert.Equal(w.t, figuresOf(a[i]), figuresOf(b[i]), "%s %s %s", asks[i].method, asks[i].path, asks[i].body) {
			w.fails++
		}
	}
}

// figuresOf is an answer without what is about the work that it took.
func figuresOf(r reply) any {
	var v map[string]any
	if json.Unmarshal(r.body, &v) != nil {
		return nil
	}
	delete(v, "meta")
	delete(v, "value") // of a problem: it may be a time
	return v
}

// policy puts a policy in force and waits until it is.
func (w *walk) policy(document string, inForce func(status int, values string) bool) {
	w.t.Helper()
	w.must(w.as("acme's boss"), http.StatusOK, http.MethodPut, "/api/v1/policy", document, nil)
	period := url.Values{"from": {w.from}, "to": {w.to}}.Encode()
	for {
		got := w.get(w.as("admin"), ask{method: http.MethodGet, path: "/api/v1/analytics/values/user?" + period})
		if inForce(got.status, string(got.body)) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Nobody sees another's row: every endpoint and every question, asked by every role, of
// their own and other tenants, teams and users, through the cache, PromQL and the plugin,
// with policies and without.
func TestNobodySeesAnothersRow(t *testing.T) {
	t.Parallel()
	w := &walk{world: newWorld(t), asked: map[string]bool{}, shown: map[string]bool{}}
	reading, outside, prom := w.reading(), w.outside(), w.prom()
	everybody := []string{"acme's boss", "admin", "mona", "ann", "guest", "stranger", "other's admin", "other's boss"}

	t.Run("endpoints", func(*testing.T) {
		// Records say what was asked for: only the tenant's own, so far.
		for name, owner := range map[string]string{"admin": "cem", "ann": "ann", "other's admin": "eve"} {
			period := url.Values{"from": {w.from}, "to": {w.to}, "user": {mark(owner, "user")}}
			w.everyAsk(w.as(name), []ask{{name: "GET /analytics/executions", method: http.MethodGet, path: "/api/v1/analytics/executions?" + period.Encode()}})
		}
		time.Sleep(time.Second) // records are written in batches
		for _, name := range everybody {
			w.everyAsk(w.as(name), outside)
		}
		compared := func(asks []ask) []ask {
			return slices.DeleteFunc(slices.Clone(asks), func(a ask) bool {
				return slices.ContainsFunc([]string{"dashboards", "reports", "budgets", "/live", "restatements"}, func(part string) bool { return strings.Contains(a.name, part) })
			})
		}
		w.everyAsk(w.as("admin"), some(reading, 2))
		w.everyAsk(w.as("ann"), some(reading, 2))
		w.everyAsk(w.as("mona"), some(reading, 1))
		w.everyAsk(w.as("guest"), some(reading, 1))
		for _, name := range []string{"stranger", "other's admin"} {
			w.everyAsk(w.as(name), some(reading, 1))
		}
		same := compared(some(reading, 1))
		w.alike(same, w.everyAsk(w.as("ann"), same), w.everyAsk(w.as("ann's mirror"), same))
	})
	t.Run("questions and the cache", func(*testing.T) {
		first := w.questions(w.from)
		w.everyAsk(w.as("admin"), some(first, 3))
		asked := slices.DeleteFunc(some(first, 2), func(a ask) bool { return a.name == "kind budgets" })
		w.everyAsk(w.as("ann"), some(first, 1))
		w.alike(asked, w.everyAsk(w.as("ann"), asked), w.everyAsk(w.as("ann's mirror"), asked))
		w.everyAsk(w.as("mona"), some(first, 1))
		w.everyAsk(w.as("other's admin"), some(first, 1))
		// Another's answer may be there before one's own, or after it.
		second := some(slices.DeleteFunc(w.questions(walkDay+"01:00:00Z"), func(a ask) bool { return !strings.HasPrefix(a.name, "figures by ") && a.name != "kind errors" }), 1)
		before := map[string][]reply{}
		for _, name := range []string{"ann", "admin", "mona", "ann", "admin"} {
			got := w.everyAsk(w.as(name), second)
			if earlier, again := before[name]; again {
				w.alike(second, earlier, got)
			}
			before[name] = got
		}
	})
	t.Run("PromQL", func(*testing.T) {
		for _, name := range []string{"admin", "mona", "stranger", "other's admin"} {
			w.everyAsk(w.as(name), some(prom, 1))
		}
		w.alike(prom, w.everyAsk(w.as("ann"), prom), w.everyAsk(w.as("ann's mirror"), prom))
	})
	t.Run("changes", func(t *testing.T) {
		for _, name := range everybody {
			by := w.as(name)
			asks := w.changing(by)
			for i, got := range w.everyAsk(by, asks) {
				// An administrator's budget has the id that they choose, whoever else has it.
				chosen := strings.Contains(asks[i].path, "budgets") && slices.Contains([]string{"acme's boss", "admin", "other's admin", "other's boss"}, name)
				if asks[i].body != `{"dryRun": true}` && !chosen {
					assert.GreaterOrEqual(t, got.status, http.StatusBadRequest, "%s: %s %s", name, asks[i].method, asks[i].path)
				}
			}
			for _, a := range asks { // Else a budget of theirs goes on having the id of another's.
				if a.method == http.MethodPut && strings.HasSuffix(a.path, "/costs/budgets") {
					var taken struct{ ID string }
					require.NoError(t, json.Unmarshal([]byte(a.body), &taken))
					w.get(by, ask{method: http.MethodDelete, path: a.path + "/" + taken.ID})
				}
			}
		}
		for path, of := range w.documents {
			for owner, id := range of {
				by := w.as("acme's boss")
				if owner == "eve" {
					by = w.as("other's boss")
				}
				require.Equal(t, http.StatusOK, w.get(by, ask{method: http.MethodGet, path: "/api/v1" + path + "/" + id}).status, "%s of %s is still there", path, owner)
			}
		}
	})
	t.Run("Grafana's plugin", func(*testing.T) { w.plugin() })
	for name := range w.asked {
		name = strings.TrimSuffix(name, " as of now")
		if kind := strings.TrimPrefix(name, "plugin "); !slices.Contains(rowless, name) && !slices.Contains(rowless, kind) && !isRowless(name) {
			assert.True(t, w.shown[name], "no answer to %q shows anybody anything: the walk would not notice a leak", name)
		}
	}
	t.Logf("%d answers without policies", w.requests)
	policies := []struct {
		name, document string
		by             []string
		inForce        func(status int, values string) bool
		hides          func(by caller, field string) bool
	}{
		{
			"pseudonyms and redaction", `{"roles": {"admin": {"pseudonyms": true}, "manager": {"pseudonyms": true, "redact": ["metadata.*"]},
				"viewer": {"pseudonyms": true, "redact": ["message", "sample", "error_message", "metadata.*", "resource_id"]}}}`,
			[]string{"admin", "mona", "ann"},
			func(_ int, values string) bool { return strings.Contains(values, `"u_`) },
			func(by caller, field string) bool {
				switch field {
				case "user":
					return by.tenant == acme
				case "message", "resourceid":
					return by.name == "ann"
				case "note":
					return by.name == "ann" || by.name == "mona"
				case "payload", "letter":
					return by.tenant == acme
				}
				return false
			},
		},
		{
			"groups of several", `{"roles": {"admin": {"minimumUsers": 3}, "manager": {"minimumUsers": 2}}}`,
			[]string{"admin", "mona"},
			func(status int, _ string) bool { return status == http.StatusForbidden }, nil,
		},
	}
	for _, p := range policies {
		t.Run(p.name, func(*testing.T) {
			w.policy(p.document, p.inForce)
			w.hides = p.hides
			if p.hides == nil { // only groups of several users, and rows of nobody
				w.callers["admin"] = narrowed(w.as("admin"), "shared", "nobody", "public", "red", "blue", "ann budget", "cem budget", "dan dashboard", "mona dashboard", "ann dashboard", "ann user", "mona user", "guest user")
				w.callers["mona"] = narrowed(w.as("mona"), "shared", "public", "red", "mona dashboard", "mona user", "guest user")
			}
			asks := slices.Concat(some(reading, 1), some(w.questions(w.from), 1), some(prom, 1))
			for _, name := range p.by {
				w.everyAsk(w.as(name), asks)
			}
			w.plugin()
		})
	}
}

// isRowless tells asks by what has no text.
func isRowless(name string) bool {
	for _, d := range []string{metric.Version, metric.HourOfDay, metric.Weekday, metric.EventKind, metric.RejectCode, metric.DeadLetterState} {
		if strings.HasSuffix(name, " by "+d) {
			return true
		}
	}
	for _, words := range []string{"GET /analytics/live", "GET /analytics/docs", "PUT ", "POST ", "DELETE ", "promql query absent", "promql query count"} {
		if strings.HasPrefix(name, words) {
			return true
		}
	}
	return strings.HasPrefix(name, "figures of ") || strings.HasPrefix(name, "figures over time of ")
}

// narrowed is a caller who sees less: owners, or an owner's fields of documents.
func narrowed(by caller, owners ...string) caller {
	before := by.sees
	by.sees = func(owner, field string) bool {
		if !before(owner, field) {
			return false
		}
		return field == "source" || slices.ContainsFunc(owners, func(o string) bool { // a source is a system, no user
			name, document, part := strings.Cut(o, " ")
			return name == owner && (!part || strings.HasPrefix(field, document) || document == "dashboard" && field == "report")
		})
	}
	return by
}
