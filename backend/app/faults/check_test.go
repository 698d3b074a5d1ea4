package faults_test

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// tables is everything that stands, in the model's words.
const tables = `
SELECT concat('execution ', id, ' ', toString(phase), ' ', toString(toUnixTimestamp64Milli(time)), ' ', workflow_id, ' ', user_id, ' ', toString(status), ' ', toString(duration_ms)) AS line FROM executions FINAL
UNION ALL
SELECT concat('step ', id, '  ', toString(toUnixTimestamp64Milli(time)), ' ', workflow_id, ' ', user_id, ' ', execution_id, ' ', toString(duration_ms)) AS line FROM steps FINAL
UNION ALL
SELECT concat('cost ', id, '  ', toString(toUnixTimestamp64Milli(time)), ' ', workflow_id, ' ', user_id, ' ', toString(dollars)) AS line FROM costs FINAL
UNION ALL
SELECT concat('activity ', id, '  ', toString(toUnixTimestamp64Milli(time)), ' ', user_id, ' ', toString(duration_ms)) AS line FROM activity FINAL`

// unsettled counts the minutes that wait for the roller.
const unsettled = `
SELECT toString(count()) AS line FROM (SELECT tenant, kind, minute, max(marked_at) AS marked FROM bucket_marks GROUP BY tenant, kind, minute) AS m
LEFT ANY JOIN (SELECT tenant, kind, bucket, max(version) AS version FROM bucket_versions WHERE level = 'minute' GROUP BY tenant, kind, bucket) AS v
ON m.tenant = v.tenant AND m.kind = v.kind AND m.minute = v.bucket WHERE m.marked >= v.version`

func lines(t testing.TB, client *clickhouse.Client, sql string) (out []string) {
	t.Helper()
	var col proto.ColStr
	require.NoError(t, client.Do(context.Background(), clickhouse.Query{
		SQL: sql, Result: proto.Results{{Name: "line", Data: &col}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range col.Rows() {
				out = append(out, col.Row(i))
			}
			return nil
		},
	}))
	slices.Sort(out)
	return out
}

// check is the one question: what was acknowledged is there, once, as it was last
// said; nothing else is; and the rollups equal a recount. settled says that every
// log is empty.
func (p *platform) check(l *load, settled func() bool) {
	p.t.Helper()
	var want []string
	for _, m := range l.models {
		for _, e := range m.events {
			want = append(want, e.line)
		}
	}
	slices.Sort(want)
	require.NotEmpty(p.t, want)
	for !settled() || lines(p.t, p.client, unsettled)[0] != "0" {
		time.Sleep(100 * time.Millisecond)
	}
	got := lines(p.t, p.client, tables)
	require.Empty(p.t, difference(want, got), "acknowledged and not there, or not as it was last said")
	require.Empty(p.t, difference(got, want), "there and never acknowledged so, or twice")

	recent := time.Now().AddDate(0, 0, -3).Format(time.DateOnly)
	for _, period := range [][2]string{{recent, time.Now().AddDate(0, 0, 1).Format(time.DateOnly)}, {"2024-02-29", "2024-03-02"}} {
		out, err := p.command("verify", "--from", period[0], "--to", period[1]).CombinedOutput()
		require.NoError(p.t, err, string(out))
		require.Contains(p.t, string(out), "equal the rollups")
	}
	p.t.Logf("%d events stand, each once and as it was last sent; the rollups equal a recount", len(got))
}

// difference returns what a has and b has not, or not as often; both are sorted.
func difference(a, b []string) (out []string) {
	for i, j := 0, 0; i < len(a); {
		switch {
		case j == len(b) || a[i] < b[j]:
			out = append(out, a[i])
			i++
		case a[i] > b[j]:
			j++
		default:
			i, j = i+1, j+1
		}
	}
	return out[:min(len(out), 20)]
}

// command is the program, with the configuration of this platform.
func (p *platform) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.program, args...)
	cmd.Env = p.env()
	return cmd
}

// metric returns the text of a metric without labels, "" when nobody answers.
func metric(url, name string) string {
	res, err := httpGet(url + "/metrics")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(res) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
