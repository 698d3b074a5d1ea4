package query

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// BenchmarkRead compares an answer with the columns that its statement gives,
// read and thrown away: the difference is what planning and building cost.
//
//	go test ./backend/query -run '^$' -bench Read
func BenchmarkRead(b *testing.B) {
	s := querytest.New(b)
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const days = 100
	s.Exec(b, "INSERT INTO "+s.Table("rollup_executions")+fmt.Sprintf(` (tenant, level, bucket, workflow_id, completed, failed, duration_ms, version)
		SELECT 'acme', 'day', toDateTime(%d + intDiv(number, 1000) * 86400), concat('wf-', toString(number %% 1000)), number, 7, number * 13, 10
		FROM numbers(%d)`, from.Unix(), days*1000))
	s.Exec(b, "INSERT INTO "+s.Table("bucket_versions")+fmt.Sprintf(` SELECT 'acme', 'execution', 'day', toDateTime(%d + number * 86400), 10, 1 FROM numbers(%d)`, from.Unix(), days))
	e, err := New(Config{Client: s.Client, Now: func() time.Time { return from.AddDate(1, 0, 0) }})
	require.NoError(b, err)
	for _, rows := range []int{1, days} {
		r := Request{
			Metrics: []string{"executions_completed", "executions_failed", "duration_sum"}, From: from, To: from.AddDate(0, 0, rows),
			Granularity: Day, GroupBy: []string{metric.Workflow},
		}
		b.Run(fmt.Sprintf("answer/%dk", rows), func(b *testing.B) {
			for b.Loop() {
				res, err := e.Do(b.Context(), admin, r)
				require.NoError(b, err)
				require.Equal(b, rows*1000, res.Frame.Rows())
			}
		})
		b.Run(fmt.Sprintf("columns/%dk", rows), func(b *testing.B) {
			q, err := e.check(admin, r)
			require.NoError(b, err)
			w := &run{e: e, levels: map[string]bool{}}
			st := w.render(q, metric.SourceExecutions, q.calendar(), ordering{limit: e.limits.Rows + 1})
			for b.Loop() {
				var label, completed, failed, sum proto.ColInt64
				var workflow proto.ColStr
				n := 0
				require.NoError(b, s.Client.Do(b.Context(), clickhouse.Query{
					SQL: st.sql, Params: st.params,
					Result: proto.Results{
						{Name: "t", Data: &label},
						{Name: "d_workflow", Data: &workflow},
						{Name: "a_completed", Data: &completed},
						{Name: "a_failed", Data: &failed},
						{Name: "a_duration", Data: &sum},
					},
					OnResult: func(_ context.Context, block proto.Block) error {
						n += block.Rows
						return nil
					},
				}))
				require.Equal(b, rows*1000, n)
			}
		})
	}
}
