package openlineage_test

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
	"github.com/flowgauge/flowgauge/backend/servertest"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/openlineage"
	"github.com/flowgauge/flowgauge/collector/receive/receivetest"
	"github.com/flowgauge/flowgauge/collector/sink"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// The rows of the pipeline that testdata/client/emit.py sends.
var pipeline = []string{
	"execution failed 10:01:05 65000 airflow/dag ann  ValueError no rows AIRFLOW Airflow 2.10.0 2024-05-30T00:00:00Z",
	"execution started 10:00:00 0 airflow/dag ann    AIRFLOW Airflow 2.10.0 2024-05-30T00:00:00Z",
	"step completed 10:00:10 30000 airflow/dag dag.ok TASK 4096 of the DAG",
	"step failed 10:00:40 20000 airflow/dag dag.bad TASK 0 of the DAG",
	"step failed 10:00:45 5000 airflow/dag app.insert  0 of the DAG",
}

// OpenLineage's own client for Python works without a change, by each of its
// transports, and in whatever order its events come.
func TestClient(t *testing.T) {
	interpreter := servertest.Python(t, "the test with OpenLineage's client", "testdata/client/requirements.txt")
	for name, tc := range map[string]struct {
		transport string
		env       []string
	}{
		"http":                {"http", nil},
		"http, out of order":  {"http", []string{"OUT_OF_ORDER=1"}},
		"gzip":                {"gzip", nil},
		"async":               {"async_http", nil},
		"async, out of order": {"async_http", []string{"OUT_OF_ORDER=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := collect(t)
			cmd := exec.CommandContext(t.Context(), interpreter, "testdata/client/emit.py", c.url, receivetest.Key, tc.transport)
			cmd.Env = append(os.Environ(), append(tc.env, "NO_PROXY=127.0.0.1", "OPENLINEAGE_DISABLED=false")...)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			c.stored()
			require.Equal(t, pipeline, c.rows())
			require.Equal(t, []string{"9 fragments, 9 of them once"}, c.lines(
				"SELECT concat(toString(count()), ' fragments, ', toString(uniq(digest)), ' of them once') AS line FROM run_fragments"))
		})
	}
}

// collector is a receiver, a log, a sink and a database.
type collector struct {
	t      *testing.T
	url    string
	log    *wal.Log
	client *clickhouse.Client
}

func collect(t *testing.T) *collector {
	t.Helper()
	c := &collector{t: t, client: schematest.Client(t)}
	var err error
	c.log, err = wal.New(wal.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	r, err := receive.New(receive.Config{Queue: c.log, Auth: receivetest.Auth})
	require.NoError(t, err)
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	cfg := openlineage.Config{JobNamespace: true}
	router.POST(openlineage.Path, r.Handle(openlineage.New(r, cfg)))
	router.POST(openlineage.BatchPath, r.Handle(openlineage.NewBatch(r, cfg)))
	server := httptest.NewServer(router)
	c.url = server.URL

	s, err := sink.New(sink.Config{Consumer: c.log, Client: c.client, Linger: time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		server.Close()
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, c.log.Close())
	})
	return c
}

func (c *collector) stored() {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return c.log.Stats().Pending == 0 }, time.Minute, 5*time.Millisecond)
}

func (c *collector) rows() []string {
	return c.lines(`SELECT line FROM (
SELECT concatWithSeparator(' ', 'execution', toString(status), formatDateTime(time, '%H:%i:%S'), toString(duration_ms), workflow_id, user_id, trigger_type,
    error_type, substring(error_message, 13), JSONExtractString(metadata, 'integration'), JSONExtractString(metadata, 'engine'),
    JSONExtractString(metadata, 'engine_version'), JSONExtractString(metadata, 'nominal_start')) AS line
FROM executions FINAL
UNION ALL
SELECT concatWithSeparator(' ', 'step', toString(status), formatDateTime(time, '%H:%i:%S'), toString(duration_ms), workflow_id, step_id, step_type, toString(output_bytes),
    if(execution_id IN (SELECT id FROM executions FINAL), 'of the DAG', execution_id)) AS line
FROM steps FINAL
) ORDER BY line`)
}

func (c *collector) lines(sql string) []string {
	c.t.Helper()
	var col proto.ColStr
	var out []string
	require.NoError(c.t, c.client.Do(c.t.Context(), clickhouse.Query{
		SQL: sql, Result: proto.Results{{Name: "line", Data: &col}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range col.Rows() {
				out = append(out, strings.TrimSpace(col.Row(i)))
			}
			return nil
		},
	}))
	return out
}
