package rollup

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// load inserts random rows of all kinds, in any order, again, corrected and
// deleted, and marks their minutes as the sink does.
type load struct {
	rng     *rand.Rand
	base    time.Time
	version int
}

func newLoad(seed uint64) *load {
	return &load{rng: rand.New(rand.NewPCG(seed, 2)), base: time.Date(2023, 12, 31, 22, 0, 0, 0, time.UTC)}
}

var loadColumns = map[string]string{
	"executions": "tenant, time, id, phase, workflow_id, workflow_version, user_id, trigger_type, status, duration_ms, duration_bucket, error_type, queued_time, attempt, version, deleted",
	"steps":      "tenant, time, id, execution_id, step_id, step_type, status, duration_ms, duration_bucket, input_bytes, output_bytes, credits, workflow_id, workflow_version, user_id, queued_time, attempt, version, deleted",
	"costs":      "tenant, time, id, workflow_id, user_id, action_type, credits, dollars, version, deleted",
	"activity":   "tenant, time, id, user_id, action, resource, duration_ms, version, deleted",
}

// insert stores rows of one kind.
func (l *load) insert(t *testing.T, client *clickhouse.Client, table string, rows int) {
	t.Helper()
	values := ""
	var tenants proto.ColStr
	kind, minutes := new(proto.ColEnum), new(proto.ColDateTime)
	for range rows {
		tenant, at, row := l.row(table)
		values += row
		tenants.Append(tenant)
		kind.Append(map[string]string{"executions": "execution", "steps": "step", "costs": "cost", "activity": "activity"}[table])
		minutes.Append(at.Truncate(time.Minute))
	}
	mark := func() {
		require.NoError(t, InsertMarks(t.Context(), client, proto.Input{{Name: "tenant", Data: tenants}, {Name: "kind", Data: kind}, {Name: "minute", Data: minutes}}))
	}
	mark()
	run(t, client, "INSERT INTO "+table+" ("+loadColumns[table]+") VALUES "+values)
	mark()
}

func (l *load) row(table string) (tenant string, at time.Time, values string) {
	rng := l.rng
	l.version++
	id, version, deleted := rng.IntN(120), l.version, 0
	at = l.base.Add(time.Duration(rng.IntN(40)) * 317 * time.Second)
	if rng.IntN(40) == 0 {
		at = time.Date(2022, 2, 28, 23, 59, 59, 999e6, time.UTC)
	}
	if rng.IntN(10) == 0 {
		deleted = 1
	}
	tenant = fmt.Sprint("t", rng.IntN(2))
	own, duration := at.Format("2006-01-02 15:04:05.000"), rng.Int64N(1<<[]int{10, 40}[rng.IntN(2)])
	queued := []string{"0", "'" + at.Add(-time.Duration(rng.IntN(100_000))*time.Millisecond).Format("2006-01-02 15:04:05.000") + "'"}[rng.IntN(2)]
	switch table {
	case "executions":
		status, phase := "started", "started"
		if s := rng.IntN(3); s > 0 {
			status, phase = []string{"", "completed", "failed"}[s], "terminal"
		}
		values = fmt.Sprintf("('%s','%s','e%d','%s','w%d',%d,'u%d','api','%s',%d,%d,'',%s,%d,%d,%d)", tenant, own, id%30, phase, rng.IntN(3), rng.IntN(2), rng.IntN(3), status, duration, rng.IntN(9), queued, rng.IntN(4), version, deleted)
	case "steps":
		values = fmt.Sprintf("('%s','%s','s%d','e%d','st%d','http','%s',%d,%d,%d,%d,%d.5,'%s',%d,'%s',%s,%d,%d,%d)", tenant, own, id, rng.IntN(40), rng.IntN(4), []string{"completed", "failed", "skipped"}[rng.IntN(3)], duration, rng.IntN(9), rng.Int64N(1<<40), rng.Int64N(99), rng.IntN(7), []string{"", "w1"}[rng.IntN(2)], rng.IntN(2), []string{"", "u1"}[rng.IntN(2)], queued, rng.IntN(4), version, deleted)
	case "costs":
		values = fmt.Sprintf("('%s','%s','c%d','w%d','u%d','a%d',%d.000000000000001,-%d.1,%d,%d)", tenant, own, id, rng.IntN(3), rng.IntN(3), rng.IntN(3), rng.IntN(99)-50, rng.IntN(9), version, deleted)
	case "activity":
		values = fmt.Sprintf("('%s','%s','a%d','u%d','act%d','r%d',%d,%d,%d)", tenant, own, id, rng.IntN(4), rng.IntN(3), rng.IntN(2), duration, version, deleted)
	}
	return tenant, at, values
}
