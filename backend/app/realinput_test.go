package app_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

// realInput is data that nobody on this project made, with totals that a separate
// program counted; see CONTRIBUTING.md.
func realInput(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../../shared/data")
	require.NoError(t, err)
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is absent, and CI must have it: %v", dir, err)
		}
		t.Skipf("%s is absent: real input is left out", dir)
	}
	return dir
}

var inputs = []string{"bpic2012", "nextflow", "focus", "ecom"}

// Importing all real input gives the figures that were counted beside it, to the
// unit and to the last digit, whether REST, PromQL or Grafana's datasource is asked; a
// kill -9 of the server in the middle and a second import of everything change none of
// them.
func TestRealInputGivesTheCountedFigures(t *testing.T) {
	t.Parallel()
	data := realInput(t)
	dir := t.TempDir()
	s := up(t, dir)
	var files []string
	for _, name := range inputs {
		files = append(files, filepath.Join(data, name, "events.ndjson.gz"))
	}

	importing := exec.Command(program, append([]string{"import", "--url", s.url, "--data-dir", dir, "--in-flight", "2"}, files...)...)
	require.NoError(t, importing.Start())
	for storedRecords(s) == 0 { // until some of it is stored, some is in the log and some is not sent
		time.Sleep(20 * time.Millisecond)
	}
	s.kill()
	_ = importing.Process.Signal(os.Interrupt) // the server is gone; it would try for minutes
	_ = importing.Wait()

	s = up(t, dir)
	require.NoError(t, s.importFiles(files...), "an interrupted import goes on")
	s.settle()
	before, requests := requireCounted(t, s, data)
	requireSameFromPlugin(t, newDatasource(t, s), requests, before)
	requireCountedByPromQL(t, s, expected(t, data, "bpic2012"))

	require.NoError(t, s.importFiles(files...), "a finished one is repeated")
	s.settle()
	again, _ := requireCounted(t, s, data)
	require.Equal(t, before, again)

	recompute := exec.Command(program, "recompute", "--data-dir", dir, "--from", "2023-01-01", "--to", "2025-01-01")
	out, err := recompute.CombinedOutput()
	require.NoError(t, err, "%s", out)
	again, _ = requireCounted(t, s, data)
	require.Equal(t, before, again)
}

func storedRecords(s *server) int {
	_, body := s.call("GET", "/metrics", "", nil)
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, "flowgauge_sink_stored_records_total "); ok && strings.TrimSpace(value) != "0" {
			return 1
		}
	}
	return 0
}

// requireCounted checks every figure and returns the answers and what was asked.
func requireCounted(t *testing.T, s *server, data string) (answers map[string][]row, requests map[string]string) {
	t.Helper()
	answers, requests = map[string][]row{}, map[string]string{}
	ask := func(name, request string) []row {
		rows := s.ask(request)
		answers[name], requests[name] = rows, request
		return rows
	}
	loans(t, ask, expected(t, data, "bpic2012"))
	science(t, ask, expected(t, data, "nextflow"))
	charges(t, ask, expected(t, data, "focus"))
	shop(t, ask, expected(t, data, "ecom"))
	return answers, requests
}

func expected(t *testing.T, data, name string) map[string]any {
	t.Helper()
	f, err := os.Open(filepath.Join(data, name, "expected.json"))
	require.NoError(t, err)
	defer f.Close()
	decode := json.NewDecoder(f)
	decode.UseNumber()
	var out map[string]any
	require.NoError(t, decode.Decode(&out))
	return out
}

type asker func(name, request string) []row

const (
	loanPeriod    = `"from":"2011-09-01T00:00:00Z","to":"2012-12-01T00:00:00Z"`
	sciencePeriod = `"from":"2023-01-01T00:00:00Z","to":"2024-01-01T00:00:00Z"`
	chargePeriod  = `"from":"2024-08-01T00:00:00Z","to":"2024-11-01T00:00:00Z"`
	shopPeriod    = `"from":"2023-12-01T00:00:00Z","to":"2024-08-01T00:00:00Z"`
	// The shop and the charges overlap in time with nothing of their own kind.
)

func loans(t *testing.T, ask asker, want map[string]any) {
	t.Helper()
	filter := `"filters":[{"dimension":"workflow","operator":"in","values":["loan-application"]}]`
	total := ask("loans", `{"metrics":["executions","executions_started","executions_completed","executions_failed","duration_sum"],`+loanPeriod+`,`+filter+`}`)
	require.Len(t, total, 1)
	executions := want["executions"].(map[string]any)
	assert.Equal(t, executions["started"], total[0]["executions_started"])
	assert.Equal(t, executions["completed"], total[0]["executions_completed"])
	assert.Equal(t, executions["failed"], total[0]["executions_failed"])
	assert.Equal(t, want["duration_ms_sum_terminal"], total[0]["duration_sum"])
	assert.Equal(t, count(t, want["events"], "execution"), total[0].number(t, "executions")+total[0].number(t, "executions_started"))

	assertByName(t, ask("loan errors", `{"metrics":["executions_failed"],"groupBy":["error_type"],`+loanPeriod+`,"filters":[{"dimension":"error_type","operator":"not_in","values":[""]}]}`),
		"error_type", "executions_failed", want["errors"].(map[string]any))

	day, most := busiest(t, ask("loans by day", `{"metrics":["executions"],"granularity":"day",`+loanPeriod+`,`+filter+`}`), "executions")
	assert.Equal(t, want["terminal_by_day_max"], []any{json.Number(most), day})

	actions := map[string]int64{} // the input's actions end in .start, .complete, …; the totals were counted without
	for _, r := range ask("loan actions", `{"metrics":["actions"],"groupBy":["action"],`+loanPeriod+`}`) {
		name, _, _ := strings.Cut(r.text("action"), ".")
		actions[name] += r.number(t, "actions")
	}
	assert.Equal(t, counts(t, want["activity_by_name"]), actions)
	users := ask("loan users", `{"metrics":["active_users"],`+loanPeriod+`}`)
	assert.Equal(t, want["activity_users"], users[0]["active_users"])
	daily := ask("loan users by day", `{"metrics":["active_users"],"granularity":"day",`+loanPeriod+`}`)
	sum := int64(0)
	for _, r := range daily {
		sum += r.number(t, "active_users")
	}
	assert.Equal(t, want["dau_sum"], json.Number(itoa(sum)))
	day, most = busiest(t, daily, "active_users")
	assert.Equal(t, want["busiest_day"], []any{json.Number(most), day})

	steps := map[string]any{}
	stepTotal := int64(0)
	for _, r := range ask("loan steps", `{"metrics":["steps","step_duration_sum"],"groupBy":["step"],`+loanPeriod+`,`+filter+`}`) {
		steps[r.text("step")] = map[string]any{"count": r["steps"], "duration_ms_sum": r["step_duration_sum"]}
		stepTotal += r.number(t, "steps")
	}
	assert.Equal(t, want["steps"], any(steps))
	assert.Equal(t, count(t, want["events"], "step"), stepTotal)
}

func science(t *testing.T, ask asker, want map[string]any) {
	t.Helper()
	total := ask("science", `{"metrics":["step_input_bytes","step_output_bytes","steps"],`+sciencePeriod+`}`)
	assert.Equal(t, want["input_bytes"], total[0]["step_input_bytes"])
	assert.Equal(t, want["output_bytes"], total[0]["step_output_bytes"])
	assert.Equal(t, count(t, want["events"], "step"), total[0].number(t, "steps"))
	runs := ask("science runs", `{"metrics":["executions","executions_started"],`+sciencePeriod+`}`)
	assert.Equal(t, count(t, want["events"], "execution"), runs[0].number(t, "executions")+runs[0].number(t, "executions_started"))

	got := map[string]any{}
	for _, r := range ask("science workflows", `{"metrics":["steps","step_duration_sum"],"groupBy":["workflow"],`+sciencePeriod+`}`) {
		got[r.text("workflow")] = map[string]any{"steps": r["steps"], "step_duration_ms_sum": r["step_duration_sum"]}
	}
	workflows := want["workflows"].(map[string]any)
	for _, w := range workflows {
		delete(w.(map[string]any), "critical_path_ms") // a later analysis
	}
	assert.Equal(t, any(workflows), any(got))
}

func charges(t *testing.T, ask asker, want map[string]any) {
	t.Helper()
	total := ask("charges", `{"metrics":["dollars","cost_records","cost_records_credited"],`+chargePeriod+`}`)
	assert.Equal(t, dollars(t, want["dollars"]), total[0]["dollars"])
	assert.Equal(t, count(t, want["events"], "cost"), total[0].number(t, "cost_records"))
	assert.Equal(t, want["negative_rows"], total[0]["cost_records_credited"])

	got := map[string]any{}
	for _, r := range ask("charges by action", `{"metrics":["dollars"],"groupBy":["action_type"],`+chargePeriod+`}`) {
		got[r.text("action_type")] = r["dollars"]
	}
	assert.Equal(t, allDollars(t, want["dollars_by_action"]), got)

	got = map[string]any{}
	for _, r := range ask("charges by day", `{"metrics":["dollars"],"granularity":"day",`+chargePeriod+`}`) {
		got[r.text("time")[:10]] = r["dollars"]
	}
	assert.Equal(t, allDollars(t, want["dollars_by_day"]), got)

	assertByName(t, ask("charges by provider", `{"metrics":["cost_records"],"groupBy":["metadata.provider"],`+chargePeriod+`}`),
		"metadata.provider", "cost_records", want["rows_by_provider"].(map[string]any))
}

func shop(t *testing.T, ask asker, want map[string]any) {
	t.Helper()
	assertByName(t, ask("shop actions", `{"metrics":["actions"],"groupBy":["action"],`+shopPeriod+`}`), "action", "actions", want["by_action"].(map[string]any))
	total := ask("shop", `{"metrics":["active_users","sessions","active_time","actions"],`+shopPeriod+`}`)
	assert.Equal(t, want["users"], total[0]["active_users"])
	assert.Equal(t, want["sessions"], total[0]["sessions"])
	seconds, err := want["session_duration_s_sum"].(json.Number).Int64()
	require.NoError(t, err)
	assert.Equal(t, seconds*1000, total[0].number(t, "active_time"))
	assert.Equal(t, count(t, want["events"], "activity"), total[0].number(t, "actions"))

	months := map[string]any{}
	for _, r := range ask("shop months", `{"metrics":["active_users"],"granularity":"month",`+shopPeriod+`}`) {
		months[r.text("time")[:7]] = r["active_users"]
	}
	assert.Equal(t, want["mau"], any(months))

	did := want["users_who_did"].(map[string]any)
	for _, action := range slices.Sorted(maps.Keys(did)) {
		rows := ask("shop "+action, `{"metrics":["active_users"],`+shopPeriod+`,"filters":[{"dimension":"action","operator":"in","values":["`+action+`"]}]}`)
		assert.Equal(t, did[action], rows[0]["active_users"], action)
	}
}

func assertByName(t *testing.T, rows []row, name, figure string, want map[string]any) {
	t.Helper()
	got := map[string]any{}
	for _, r := range rows {
		got[r.text(name)] = r[figure]
	}
	assert.Equal(t, want, got)
}

// busiest returns the day with the highest figure.
func busiest(t *testing.T, rows []row, figure string) (day, most string) {
	t.Helper()
	best := int64(-1)
	for _, r := range rows {
		if n := r.number(t, figure); n >= best { // of several days with the same, the last
			best, day = n, r.text("time")[:10]
		}
	}
	return day, itoa(best)
}

func itoa(n int64) string { b, _ := json.Marshal(n); return string(b) }

func count(t *testing.T, events any, kind string) int64 {
	t.Helper()
	n, err := events.(map[string]any)[kind].(json.Number).Int64()
	require.NoError(t, err)
	return n
}

func counts(t *testing.T, by any) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for name := range by.(map[string]any) {
		out[name] = count(t, by, name)
	}
	return out
}

// dollars writes an amount as answers do: the input has 20.520 and 0E-11.
func dollars(t *testing.T, amount any) any {
	t.Helper()
	d, err := event.ParseDecimal([]byte(amount.(string)))
	require.NoError(t, err)
	return d.String()
}

func allDollars(t *testing.T, by any) map[string]any {
	t.Helper()
	out := map[string]any{}
	for name, amount := range by.(map[string]any) {
		out[name] = dollars(t, amount)
	}
	return out
}
