package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/engine"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

var (
	injections    = flag.Int("injections", 5000, "how many hostile texts TestInjection sends")
	injectionSeed = flag.Uint64("injection-seed", 1, "which ones")
)

// hostile are the pieces of hostile texts: what ends a literal or a comment, stands for a
// parameter or a directive, names what there is in the database, or is hard to read.
var hostile = []string{
	"'", `"`, "`", `\`, `\'`, "''", "--", "/*", "*/", "#", ";", "\x00", "\n", "\r\n", "\t", "\v", "\b", "\x1b[31m", "(", ")", "[", "]", "{", "}", ",",
	"{tenant:String}", "{p0:String}", "{p1:Array(String)}", "{canary:Identifier}", "{", "}}", `{{table "canary"}}`, "%s", "%d", "%!s(MISSING)", "%", "$1", "${x}", "$__all",
	") OR 1=1 --", "' OR ''='", "') OR ('1'='1", "') UNION ALL SELECT secret FROM canary --", `\') UNION ALL SELECT secret FROM canary -- `, "; DROP TABLE canary", "' || (SELECT secret FROM canary) || '",
	" SETTINGS readonly = 0", " FORMAT JSONEachRow", " INTO OUTFILE '/tmp/canary'", " LIMIT 0 OFFSET 1", "sleep(3)", "file('/etc/passwd')", "url('http://127.0.0.1/')", "remote('127.0.0.1', system.one)",
	"dictGet('d', 'a', 1)", "throwIf(1)", "numbers(1000000000)", "system.tables", "canary", "secret", "executions", "toString(secret)", "SELECT secret FROM canary", "UNION ALL", "NULL", `\N`, "tenant",
	"é", "日本", "\u202e", "\ufeff", "\u2028", "😀", "\xff", "\xc0\xaf", "ʼ", "＇", "%27", "%2527", "&#39;", "0x27", "a", "1", "-1", "1e309", "NaN", "0", "..", "../../etc/passwd", "/", "?", "&", "=", " ",
	"Europe/Berlin", "UTC", "Local", "Etc/GMT+14", "2026-03-01T00:00:00Z", "metadata.", "metadata.note", "user", "workflow", "executions_failed", "params.user",
	"[[:alpha:]]", "(a+)+$", ".*", "(((a{100}){100}){100})", "(?i)", `\Q`, "|", "=~", "!~", "sum by", "flowgauge_executions_total", "[5m]", " offset 1d", "@ end()",
}

// injector makes hostile texts and sends them to wherever a caller can write something.
type injector struct {
	*server
	secret string
	bearer string       // the administrator's key
	ops    []operation  // that read, and do not stream
	made   atomic.Int64 // texts

	mu     sync.Mutex
	stored map[string]bool // texts that are names of workflows
}

// text makes a hostile text.
func (in *injector) text(r *rand.Rand) string {
	in.made.Add(1)
	var out strings.Builder
	for range 1 + r.IntN(5) {
		out.WriteString(hostile[r.IntN(len(hostile))])
	}
	switch r.IntN(20) {
	case 0:
		return strings.Repeat(out.String(), 1+r.IntN(200))
	case 1: // a text that is cut anywhere
		return out.String()[:r.IntN(out.Len()+1)]
	}
	return out.String()
}

// stays reports whether an event may have the text as a name.
func stays(text string) bool {
	return text != "" && len(text) <= 200 && utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == utf8.RuneError || r == 0x7f })
}

// send makes a request and holds its answer against what may be.
func (in *injector) send(method, path, body string, header ...string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, in.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, nil //nolint:nilerr // no address: no client can send it
	}
	req.Header.Set("Authorization", "Bearer "+in.bearer)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return -1
			}
			return r
		}, header[i+1]))
	}
	resp, err := in.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	var headers bytes.Buffer
	_ = resp.Header.Write(&headers)
	switch {
	case bytes.Contains(answer, []byte(in.secret)), bytes.Contains(headers.Bytes(), []byte(in.secret)):
		err = errors.New("the canary's secret is in the answer")
	case resp.StatusCode >= http.StatusInternalServerError && resp.StatusCode != http.StatusNotImplemented:
		err = fmt.Errorf("the answer is %d", resp.StatusCode)
	case sqlWords.Match(answer):
		err = errors.New("the answer speaks of the database's language")
	}
	if err != nil {
		err = fmt.Errorf("%w: %s %s %.2000q\n%.2000s", err, method, path, body, answer)
	}
	return resp.StatusCode, answer, err
}

// sqlWords are what only an error of ClickHouse says.
var sqlWords = regexp.MustCompile(`DB::Exception|Syntax error|code: 62\b|UNKNOWN_IDENTIFIER|UNKNOWN_FUNCTION`)

const injectionPeriod = `"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"`

func quoted(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// question sends a query.Request with more members.
func (in *injector) question(members string) (int, []byte, error) {
	return in.send(http.MethodPost, "/api/v1/analytics/query", "{"+injectionPeriod+", "+members+"}")
}

// slots are the places that a caller can write something into; each gets texts of its own.
func (in *injector) slots(r *rand.Rand) []func() error {
	t := func() string { return in.text(r) }
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	status := func(_ int, _ []byte, err error) error { return err }
	get := func(path string, values url.Values) error {
		return status(in.send(http.MethodGet, path+"?"+values.Encode(), ""))
	}
	period := func(v url.Values) url.Values {
		v.Set("from", "2026-03-01")
		v.Set("to", "2026-03-02")
		return v
	}
	dimension := func() string { return pick(append(metric.DimensionNames(), "metadata.note", "metadata."+t())...) }
	return []func() error{
		// Members of a question.
		func() error {
			member := pick("metrics", "groupBy")
			other := map[string]string{"metrics": `"groupBy": ["workflow"]`, "groupBy": `"metrics": ["executions"]`}[member]
			return status(in.question(other + `, "` + member + `": ` + quoted([]string{t()})))
		},
		func() error {
			member := pick("kind", "timeZone", "granularity", "orderBy", "compare", "fill", t())
			return status(in.question(`"metrics": ["executions"], ` + quoted(member) + `: ` + quoted(t())))
		},
		func() error {
			f := map[string]any{"dimension": pick("workflow", t()), "operator": pick("in", "not_in", t()), "values": []string{t()}}
			return status(in.question(`"metrics": ["executions"], "filters": [` + quoted(f) + `]`))
		},
		func() error {
			d := "metadata." + t()
			return status(in.question(fmt.Sprintf(`"metrics": ["executions", "dollars"], "groupBy": [%s], "filters": [{"dimension": %s, "operator": "not_in", "values": [%s]}]`, quoted(d), quoted(d), quoted(t()))))
		},
		// Parameters of kinds.
		func() error {
			k := query.Kinds()[r.IntN(len(query.Kinds()))]
			params := map[string]string{}
			for _, p := range k.Params {
				if len(p.Allowed) == 0 || r.IntN(4) == 0 {
					params[p.Name] = t()
				}
			}
			if r.IntN(6) == 0 {
				params[t()] = t()
			}
			filters := ""
			if slices.Contains(k.Uses, "filters") {
				filters = fmt.Sprintf(`, "filters": [{"dimension": %q, "operator": "in", "values": [%s]}]`, pick("workflow", "user", "team"), quoted(t()))
			}
			return status(in.question(`"kind": ` + quoted(k.Kind) + filters + `, "params": ` + quoted(params)))
		},
		// Values.
		func() error {
			return get("/api/v1/analytics/values/"+url.PathEscape(pick(dimension(), t())), period(url.Values{"search": {t()}, pick("workflow", "user", "team", "source"): {t(), t()}}))
		},
		// PromQL: a query, its parts, and the other parameters.
		func() error {
			return get("/prometheus/api/v1/query", url.Values{"query": {t()}, "time": {pick("1772323200", t())}})
		},
		func() error {
			label := pick("workflow", "user", "error_type", "action", strconv.Quote(t()))
			matcher := pick("=", "!=", "=~", "!~")
			q := fmt.Sprintf(pick(`flowgauge_executions_total{%s%s%s}`, `sum by (workflow) (flowgauge_user_executions_total{%s%s%s})`, `{__name__=~"flowgauge_.+",%s%s%s}`), label, matcher, strconv.Quote(t()))
			return get("/prometheus/api/v1/query", url.Values{"query": {q}, "time": {"2026-03-02T00:00:00Z"}})
		},
		func() error {
			q := fmt.Sprintf(`label_replace(%s(flowgauge_executions_total[1h]), %s, %s, "workflow", %s)`, pick("rate", "increase", t()), strconv.Quote(t()), strconv.Quote(t()), strconv.Quote(t()))
			return get("/prometheus/api/v1/query_range", url.Values{"query": {q}, "start": {pick("2026-03-01T00:00:00Z", t())}, "end": {"2026-03-02T00:00:00Z"}, "step": {pick("1h", t())}})
		},
		func() error {
			return get("/prometheus/api/v1/"+pick("series", "labels", "label/"+url.PathEscape(t())+"/values", "label/workflow/values"), url.Values{"match[]": {pick(t(), `{workflow=`+strconv.Quote(t())+`}`)}, "start": {pick("2026-03-01T00:00:00Z", t())}})
		},
		// Documents, budgets, the directory, keys, policies.
		func() error {
			body := fmt.Sprintf(`{"name": %s, "description": %s, "widgets": [], "isPublic": true}`, quoted(t()), quoted(t()))
			return status(in.send(http.MethodPost, "/api/v1/analytics/dashboards", body))
		},
		func() error {
			body := fmt.Sprintf(`{"name": %s, "timeZone": %s, "requests": [{"title": %s, "metrics": ["executions"], "groupBy": [%s]}]}`, quoted(t()), quoted(pick("UTC", t())), quoted(t()), quoted(pick("workflow", t())))
			return status(in.send(http.MethodPost, "/api/v1/analytics/reports", body))
		},
		func() error {
			return status(in.send(pick(http.MethodGet, http.MethodPut, http.MethodDelete), "/api/v1/analytics/"+pick("dashboards", "reports", "costs/budgets")+"/"+url.PathEscape(t()), `{"name": "x", "widgets": []}`, "If-Match", t()))
		},
		func() error {
			body := fmt.Sprintf(`{"id": %s, "name": %s, "owner": %s, "of": "dollars", "amount": %s, "period": {"unit": "month", "timeZone": %s}, "filters": [{"dimension": %s, "operator": "in", "values": [%s]}]}`,
				quoted(pick("b"+strconv.Itoa(r.IntN(50)), t())), quoted(t()), quoted(t()), quoted(pick("5", t())), quoted(pick("UTC", t())), quoted(pick("user", "team", t())), quoted(t()))
			return status(in.send(http.MethodPut, "/api/v1/analytics/costs/budgets", body))
		},
		func() error {
			if r.IntN(10) > 0 { // each is a revision of the whole directory
				return get("/api/v1/directory/"+pick("users", "teams")+"/"+url.PathEscape(t()), nil)
			}
			return status(in.send(http.MethodPut, "/api/v1/directory/"+pick("users", "teams")+"/"+url.PathEscape(t()), fmt.Sprintf(`{"name": %s, %q: [%s]}`, quoted(t()), pick("teams", "members"), quoted(t()))))
		},
		func() error {
			return status(in.send(http.MethodPost, "/api/v1/keys", fmt.Sprintf(`{"name": %s, "scopes": [%s], "role": %s, "userId": %s}`, quoted(t()), quoted(pick("read", t())), quoted(pick("viewer", t())), quoted(t()))))
		},
		func() error {
			return status(in.send(http.MethodPut, "/api/v1/policy", fmt.Sprintf(`{"roles": {%s: {"redact": [%s]}}}`, quoted(pick("viewer", t())), quoted(t()))))
		},
		// Lists of dead letters and of records.
		func() error {
			values := url.Values{"limit": {"3"}}
			for _, name := range []string{"source", "kind", "code", "field", "key", "search", "cursor", "state", "from"} {
				if r.IntN(3) == 0 {
					values.Set(name, t())
				}
			}
			return get("/api/v1/collector/dead-letters"+pick("", "", "", "/"+url.PathEscape(t())), values)
		},
		func() error {
			return status(in.send(http.MethodPost, "/api/v1/collector/dead-letters/replay", fmt.Sprintf(`{"dryRun": true, %q: [%s], "search": %s}`, pick("source", "code", "kind"), quoted(t()), quoted(t()))))
		},
		func() error {
			values := url.Values{"limit": {"3"}}
			for _, name := range []string{"userId", "keyId", "kind", "outcome", "cursor", "from"} {
				if r.IntN(3) == 0 {
					values.Set(name, t())
				}
			}
			return get("/api/v1/audit", values)
		},
		// Events: every field.
		func() error {
			var e map[string]any
			switch r.IntN(4) {
			case 0:
				e = map[string]any{"kind": "execution", "status": pick("failed", t()), "timestamp": "2026-04-01T10:00:00Z", "errorType": t(), "errorMessage": t(), "triggerType": t(), "metadata": map[string]any{t(): t()}}
			case 1:
				e = map[string]any{"kind": "step", "status": "completed", "executionId": t(), "stepId": t(), "stepType": t(), "startTime": "2026-04-01T10:00:00Z", "endTime": "2026-04-01T10:00:01Z", "dependsOn": []string{t()}}
			case 2:
				e = map[string]any{"kind": "cost", "timestamp": "2026-04-01T10:00:00Z", "credits": pick("1", t()), "actionType": t()}
			case 3:
				e = map[string]any{"kind": "activity", "timestamp": pick("2026-04-01T10:00:00Z", t()), "action": t(), "resource": t(), "resourceId": t(), "sessionId": t()}
			}
			e["id"], e["userId"], e["source"] = t(), t(), t()
			if e["kind"] == "execution" || e["kind"] == "cost" {
				e["workflowId"] = "injected"
			}
			return status(in.send(http.MethodPost, "/api/v1/events", quoted(e)))
		},
		// Any parameter of any endpoint.
		func() error { return in.anyParameter(r, t) },
	}
}

// anyParameter sends a text in one parameter of one endpoint of openapi.yaml.
func (in *injector) anyParameter(r *rand.Rand, t func() string) error {
	o := in.ops[r.IntN(len(in.ops))]
	values := url.Values{}
	var free []string
	for _, p := range o.parameters {
		switch {
		case p.In != "query":
		case p.Name == "from" || p.Name == "to":
			values.Set(p.Name, map[string]string{"from": "2026-03-01", "to": "2026-03-02"}[p.Name])
			free = append(free, p.Name)
		default:
			if p.Required {
				values.Set(p.Name, fmt.Sprint(p.Example))
			}
			free = append(free, p.Name)
		}
	}
	if len(free) > 0 {
		values[free[r.IntN(len(free))]] = []string{t()}
	}
	path := strings.NewReplacer("{id}", url.PathEscape(t()), "{dimension}", "workflow").Replace(o.path)
	_, _, err := in.send(o.method, "/api/v1"+path+"?"+values.Encode(), "", "Accept", []string{"application/json", t()}[r.IntN(2)], "If-None-Match", t())
	return err
}

// batch asks for figures of many values of a dimension at once, and wants those that there are.
func (in *injector) batch(r *rand.Rand, dimension string) error {
	values, want := []string{}, map[string]string{}
	in.mu.Lock()
	stored := slices.Sorted(maps.Keys(in.stored))
	in.mu.Unlock()
	for range 150 {
		text := in.text(r)
		if r.IntN(4) == 0 && len(stored) > 0 {
			text = stored[r.IntN(len(stored))]
		}
		values = append(values, text)
		if slices.Contains(stored, text) {
			want[text] = "1"
		}
	}
	code, answer, err := in.question(fmt.Sprintf(`"metrics": ["executions_failed"], "groupBy": [%q], "filters": [{"dimension": %q, "operator": "in", "values": %s}]`, dimension, dimension, quoted(values)))
	if err != nil {
		return err
	}
	var got struct{ Data []map[string]any }
	decode := json.NewDecoder(bytes.NewReader(answer))
	decode.UseNumber()
	if err := decode.Decode(&got); err != nil {
		return fmt.Errorf("a list of values is answered with what is no JSON: %d %s: %w", code, answer, err)
	}
	if code != http.StatusOK {
		return fmt.Errorf("a list of values is refused: %d %s", code, answer)
	}
	have := map[string]string{}
	for _, row := range got.Data {
		have[fmt.Sprint(row[dimension])] = fmt.Sprint(row["executions_failed"])
	}
	if !maps.Equal(want, have) {
		return fmt.Errorf("figures by %s of %q: %v, and not %v", dimension, values, have, want)
	}
	return nil
}

// store makes failed executions whose names are hostile texts: each has one as workflow,
// user, error type and metadata.
func (in *injector) store(r *rand.Rand, n int) {
	in.t.Helper()
	var lines bytes.Buffer
	for i := range n {
		text := in.text(r)
		if !stays(text) || in.stored[text] {
			continue
		}
		in.stored[text] = true
		line := quoted(map[string]any{
			"kind": "execution", "id": fmt.Sprint("stored-", i), "timestamp": "2026-03-01T10:00:00Z", "status": "failed", "duration": 5,
			"workflowId": text, "userId": text, "errorType": text, "errorMessage": text, "metadata": map[string]string{"note": text},
		})
		lines.WriteString(line + "\n")
	}
	status, answer := in.call(http.MethodPost, "/api/v1/events", "application/x-ndjson", &lines)
	require.Equal(in.t, http.StatusAccepted, status, "%s", answer)
	in.settle()
}

// TestInjection sends hostile texts to wherever a caller can write something. Beside the
// tables is one that nothing asks for: its secret is in no answer, it is unchanged in the
// end, and so is every table. Every answer is the right one, or an error of the caller's.
func TestInjection(t *testing.T) {
	in := &injector{server: up(t, t.TempDir()), stored: map[string]bool{}}
	at, err := engine.Running(filepath.Join(in.dir, "clickhouse"))
	require.NoError(t, err)
	client, err := clickhouse.New(clickhouse.Config{Addr: at.TCPAddr(), Database: at.Database, User: at.Writer.Name, Password: at.Writer.Password})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	in.secret = fmt.Sprintf("sings%dsilently", rand.Uint64())
	require.NoError(t, client.Exec(t.Context(), "CREATE TABLE canary (secret String) ENGINE = MergeTree ORDER BY secret", nil))
	require.NoError(t, client.Exec(t.Context(), "INSERT INTO canary SELECT {secret:String}", map[string]any{"secret": in.secret}))
	in.bearer = in.key()
	in.ops = slices.DeleteFunc((&world{server: in.server}).operations(), func(o operation) bool { return o.method != http.MethodGet || strings.HasSuffix(o.path, "/live") })
	before := databaseState(t, client)
	require.Contains(t, before, in.secret)

	seeded := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(*injectionSeed, n)) }
	in.store(seeded(0), min(*injections/10, 2000))
	var group errgroup.Group
	group.SetLimit(4)
	for round := uint64(1); in.made.Load() < int64(*injections); round++ {
		group.Go(func() error {
			r := seeded(round)
			for _, do := range in.slots(r) {
				if err := do(); err != nil {
					return fmt.Errorf("round %d: %w", round, err)
				}
			}
			for _, dimension := range []string{metric.Workflow, metric.User, metric.ErrorType, "metadata.note"} {
				if err := in.batch(r, dimension); err != nil {
					return fmt.Errorf("round %d: %w", round, err)
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, before, databaseState(t, client))
	text, err := os.ReadFile(filepath.Join(in.dir, "flowgauge.log"))
	require.NoError(t, err)
	require.NotContains(t, string(text), in.secret)
	require.False(t, bytes.Contains(text, []byte("Syntax error")), "a statement was wrong")
	t.Logf("%d texts were sent", in.made.Load())
}

// databaseState are the tables as they were made, the accounts, and the canary.
func databaseState(t *testing.T, client *clickhouse.Client) string {
	t.Helper()
	var out strings.Builder
	for _, sql := range []string{
		"SELECT concat(name, ' ', create_table_query) AS line FROM system.tables WHERE database = currentDatabase() ORDER BY name",
		"SELECT secret AS line FROM canary ORDER BY secret",
	} {
		var line proto.ColStr
		require.NoError(t, client.Do(t.Context(), clickhouse.Query{
			SQL: sql, Result: proto.Results{{Name: "line", Data: &line}},
			OnResult: func(context.Context, proto.Block) error {
				for i := range line.Rows() {
					out.WriteString(line.Row(i) + "\n")
				}
				return nil
			},
		}))
	}
	return out.String()
}
