package otlp

import (
	"context"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/sink"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// A run of n8n that the SDK sends, its spans in several requests and some of them
// twice, is one execution with its steps in ClickHouse, and they took as long as they
// did.
func TestStored(t *testing.T) {
	client := schematest.Client(t)
	e := serve(t, "", nil, receive.Limits{})
	provider := tracer(t, e.server.URL)
	began := time.Date(2024, 5, 31, 10, 0, 0, 0, time.UTC)
	runWorkflow(provider, began)
	require.NoError(t, provider.ForceFlush(t.Context()))

	// A node whose span comes before its workflow's, each in two requests.
	node, root := aSpan("node.execute", "n8n.node.name", "Late", "n8n.node.type", "wait"), aSpan("workflow.execute", "n8n.workflow.id", "wf-2", "n8n.execution.status", "success")
	root.SpanId, root.ParentSpanId = node.ParentSpanId, nil
	for range 2 {
		e.post(Paths[0], mediaProtobuf, marshal(t, request(node)))
	}
	for range 2 {
		e.post(Paths[1], mediaJSON, otlpJSON(t, request(root)))
	}

	s, err := sink.New(sink.Config{Consumer: e.log, Client: client, Linger: 10 * time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	require.Eventually(t, func() bool { return e.log.Stats().Pending == 0 }, time.Minute, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)

	require.Equal(t, []string{
		"wf-1 failed 250 ms from 10:00:00.000: refused",
		"wf-2 completed 1500 ms from 10:00:00.000: ",
	}, lines(t, client, `
SELECT concat(workflow_id, ' ', toString(status), ' ', toString(duration_ms), ' ms from ', substring(toString(subtractMilliseconds(time, duration_ms)), 12), ': ', error_message) AS line
FROM executions FINAL WHERE phase = 'terminal' ORDER BY line`))
	require.Equal(t, []string{
		"wf-1: Fetch http completed 60 ms at 10:00:00.000",
		"wf-1: Store http failed 60 ms at 10:00:00.100",
		"wf-2: Late wait completed 1500 ms at 10:00:00.000",
	}, lines(t, client, `
SELECT concat(e.workflow_id, ': ', step_id, ' ', step_type, ' ', toString(s.status), ' ', toString(s.duration_ms), ' ms at ', substring(toString(s.time), 12)) AS line
FROM steps AS s FINAL JOIN executions AS e FINAL ON e.id = s.execution_id AND e.phase = 'terminal' ORDER BY line`))
}

func lines(t *testing.T, client *clickhouse.Client, sql string) []string {
	t.Helper()
	var column proto.ColStr
	var out []string
	require.NoError(t, client.Do(t.Context(), clickhouse.Query{
		SQL: sql, Result: proto.Results{{Name: "line", Data: &column}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range column.Rows() {
				out = append(out, column.Row(i))
			}
			return nil
		},
	}))
	return out
}
