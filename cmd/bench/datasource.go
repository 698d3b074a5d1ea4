package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/gin-gonic/gin"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/datasource/pkg/plugin"
)

// datasourceBench measures what Grafana's plugin adds to the database's own time.
type datasourceBench struct {
	dir    string
	rounds int
	sizes  []int
}

// panelShapes are what panels show, as tables that are ready: what is measured is the
// way of the rows, not how they came about.
var panelShapes = []struct {
	name, table, columns string
	series               bool
}{
	{"one series", "one", "time, n", true},
	{"several figures a series", "figures", "time, executions, failed, p50, p95", true},
	{"series by workflow", "workflows", "time, workflow_id, executions", true},
	{"table of executions", "executions_list", "time, id, workflow_id, status, duration_ms, error_message", false},
	{"groups with null where there is none", "groups", "workflow_id, user_id, executions, success_rate, p95", false},
	{"heatmap", "heat", "time, bucket, n", false},
}

// shapesSQL makes them. Times are a minute apart, or as many minutes as series share.
const shapesSQL = `
CREATE TABLE %[1]s.one ENGINE = MergeTree ORDER BY time AS
SELECT toDateTime64('2026-01-01', 3, 'UTC') + number * 60 AS time, toUInt64(sipHash64(number) %% 1000) AS n FROM numbers(%[2]d);
CREATE TABLE %[1]s.figures ENGINE = MergeTree ORDER BY time AS
SELECT toDateTime64('2026-01-01', 3, 'UTC') + number * 60 AS time, toUInt64(sipHash64(number) %% 1000) AS executions, toUInt64(executions / 20) AS failed,
    sipHash64(number) %% 10007 / 7 AS p50, p50 * 3 AS p95 FROM numbers(%[2]d);
CREATE TABLE %[1]s.workflows ENGINE = MergeTree ORDER BY (time, workflow_id) AS
SELECT toDateTime64('2026-01-01', 3, 'UTC') + intDiv(number, 50) * 60 AS time, concat('workflow-', toString(number %% 50)) AS workflow_id,
    toUInt64(sipHash64(number) %% 1000) AS executions FROM numbers(%[2]d);
CREATE TABLE %[1]s.executions_list ENGINE = MergeTree ORDER BY time AS
SELECT toDateTime64('2026-01-01', 3, 'UTC') + number AS time, lower(hex(sipHash64(number))) AS id, concat('workflow-', toString(number %% 1000)) AS workflow_id,
    CAST(if(number %% 20 = 0, 'failed', 'completed'), 'Enum8(\'completed\' = 2, \'failed\' = 3)') AS status, toInt64(sipHash64(number) %% 100000) AS duration_ms,
    if(number %% 20 = 0, 'the server did not answer within 30 seconds', '') AS error_message FROM numbers(%[2]d);
CREATE TABLE %[1]s.groups ENGINE = MergeTree ORDER BY (workflow_id, user_id) AS
SELECT concat('workflow-', toString(intDiv(number, 25))) AS workflow_id, concat('user-', toString(number %% 25)) AS user_id, toUInt64(sipHash64(number) %% 1000) AS executions,
    if(number %% 10 = 0, NULL, (sipHash64(number) %% 101) / 100)::Nullable(Float64) AS success_rate, if(number %% 10 = 0, NULL, sipHash64(number) / 7)::Nullable(Float64) AS p95 FROM numbers(%[2]d);
CREATE TABLE %[1]s.heat ENGINE = MergeTree ORDER BY (time, bucket) AS
SELECT toDateTime64('2026-01-01', 3, 'UTC') + intDiv(number, 40) * 60 AS time, pow(2, number %% 40) AS bucket, toUInt64(sipHash64(number) %% 1000) AS n FROM numbers(%[2]d)`

func newDatasource() *cobra.Command {
	b := &datasourceBench{}
	cmd := &cobra.Command{
		Use:   "datasource",
		Short: "Grafana's datasource beside a bare read of the same columns, and beside Grafana's own way to ClickHouse",
		Long: `Measures how long a panel's query takes in the plugin's process until its frames are Arrow:

  R5  beside a columnar read of the same statement, which throws the columns away
  R6  beside grafana/sqlds over clickhouse-go, on which Grafana's own datasource for ClickHouse stands

Six shapes of panels, statements in SQL, all in turn in each round. Medians are printed, and ratios of them.`,
		Example: "  go run ./cmd/bench datasource\n  go run ./cmd/bench datasource --rounds 5 --sizes 1000",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return b.run(cmd.Context()) },
	}
	cmd.Flags().StringVar(&b.dir, "dir", "", "folder for the data (default a temporary one)")
	cmd.Flags().IntVar(&b.rounds, "rounds", 31, "how often each statement is asked")
	cmd.Flags().IntSliceVar(&b.sizes, "sizes", []int{1000, 100_000}, "rows of an answer")
	return cmd
}

// A side is one way of the rows.
type side struct {
	name string
	ask  func(ctx context.Context, sql string, series bool) (took time.Duration, values int, err error)
}

func (b *datasourceBench) run(ctx context.Context) error {
	if b.rounds < 1 || len(b.sizes) == 0 || slices.Min(b.sizes) < 50 {
		return fmt.Errorf("want a round at least, and sizes of 50 rows or more: %d, %v", b.rounds, b.sizes)
	}
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "flowgauge-bench-*")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		b.dir = dir
	}
	gin.SetMode(gin.ReleaseMode) // as the plugin's program does
	log.DefaultLogger = log.NewNullLogger()
	backend.Logger = log.DefaultLogger
	fmt.Printf("%d processors, %s/%s, %s, %s, load average %s\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, processor(), runtime.Version(), loadAverage())
	db, err := startDatabase(ctx, filepath.Join(b.dir, "clickhouse"))
	if err != nil {
		return err
	}
	defer db.stop()
	if err := b.fill(ctx, db); err != nil {
		return err
	}
	sides, stop, err := b.sides(ctx, db)
	if err != nil {
		return err
	}
	defer stop()
	for _, rows := range b.sizes {
		if err := b.measure(ctx, sides, rows); err != nil {
			return err
		}
	}
	return nil
}

// fill makes the tables, where the user for SQL reads.
func (b *datasourceBench) fill(ctx context.Context, db *database) error {
	writer, err := clickhouse.New(clickhouse.Config{Addr: db.endpoint.TCPAddr(), Database: db.name, User: db.endpoint.Writer.Name, Password: db.endpoint.Writer.Password})
	if err != nil {
		return err
	}
	defer writer.Close()
	if err := schema.Migrate(ctx, writer); err != nil {
		return err
	}
	name := db.endpoint.SQL.Name
	if err := schema.MakeSQLViews(ctx, writer, name, benchTenant); err != nil {
		return err
	}
	for statement := range strings.SplitSeq(fmt.Sprintf(shapesSQL, name, slices.Max(b.sizes)), ";\n") {
		if err := writer.Exec(ctx, statement, nil); err != nil {
			return err
		}
	}
	return nil
}

func (b *datasourceBench) sides(ctx context.Context, db *database) ([]side, func(), error) {
	user := db.endpoint.SQL
	raw, err := clickhouse.New(clickhouse.Config{Addr: db.endpoint.TCPAddr(), Database: user.Name, User: user.Name, Password: user.Password, Plain: true})
	if err != nil {
		return nil, nil, err
	}
	own, err := newOwn(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	peer, err := startSqlds(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	columns := func(ctx context.Context, sql string, _ bool) (time.Duration, int, error) {
		return readColumns(ctx, raw, sql)
	}
	stop := func() {
		peer.stop()
		own.datasource.Dispose()
		raw.Close()
	}
	return []side{{"columns", columns}, {"flowgauge", own.ask}, {"sqlds", peer.ask}}, stop, nil
}

func (b *datasourceBench) measure(ctx context.Context, sides []side, rows int) error {
	fmt.Printf("\n%d rows, median of %d\n%-38s %10s %10s %10s %8s %8s\n", rows, b.rounds, "", "columns", "flowgauge", "sqlds", "R5", "R6")
	var r5, r6 []float64
	for _, shape := range panelShapes {
		sql := fmt.Sprintf("SELECT %s FROM %s ORDER BY ALL LIMIT %d", shape.columns, shape.table, rows)
		took, values := make([][]time.Duration, len(sides)), make([]int, len(sides))
		for round := range b.rounds + 1 {
			for i := range sides {
				at := (i + round) % len(sides)
				d, n, err := sides[at].ask(ctx, sql, shape.series)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", sides[at].name, shape.name, err)
				}
				if values[at] = n; round > 0 { // the first warms up
					took[at] = append(took[at], d)
				}
			}
		}
		if values[1] != values[2] {
			return fmt.Errorf("%s: the frames have %d values, and those of sqlds %d", shape.name, values[1], values[2])
		}
		c, f, s := quantile(took[0], 0.5), quantile(took[1], 0.5), quantile(took[2], 0.5)
		r5, r6 = append(r5, float64(f)/float64(c)), append(r6, float64(f)/float64(s))
		fmt.Printf("%-38s %8.2fms %8.2fms %8.2fms %8.2f %8.2f\n", shape.name, ms(c), ms(f), ms(s), r5[len(r5)-1], r6[len(r6)-1])
	}
	slices.Sort(r5)
	slices.Sort(r6)
	fmt.Printf("R5  the datasource ÷ a bare read of the columns   median %.2f, worst %.2f   (wanted 1.15 at 1,000 rows, 1.3 at 100,000)\n", r5[len(r5)/2], r5[len(r5)-1])
	fmt.Printf("R6  the datasource ÷ sqlds                        median %.2f, worst %.2f   (wanted 0.4 at 100,000 rows)\n", r6[len(r6)/2], r6[len(r6)-1])
	return nil
}

// readColumns reads an answer and does nothing with it.
func readColumns(ctx context.Context, client *clickhouse.Client, sql string) (time.Duration, int, error) {
	var results proto.Results
	rows := 0
	began := time.Now()
	err := client.Do(ctx, clickhouse.Query{SQL: sql, Result: results.Auto(), OnResult: func(_ context.Context, block proto.Block) error {
		rows += block.Rows
		return nil
	}})
	return time.Since(began), rows, err
}

// own is Flowgauge's datasource in this process.
type own struct {
	datasource *plugin.Datasource
	context    backend.PluginContext
}

func newOwn(ctx context.Context, db *database) (*own, error) {
	user := db.endpoint.SQL
	settings, err := json.Marshal(map[string]any{
		"host": db.endpoint.Host, "port": db.endpoint.TCPPort, "database": db.name, "username": db.endpoint.Reader.Name, "tenant": benchTenant, "sqlUsername": user.Name,
	})
	if err != nil {
		return nil, err
	}
	instance := backend.DataSourceInstanceSettings{UID: "bench", JSONData: settings, DecryptedSecureJSONData: map[string]string{"password": db.endpoint.Reader.Password, "sqlPassword": user.Password}}
	made, err := plugin.New(ctx, instance)
	if err != nil {
		return nil, err
	}
	return &own{made.(*plugin.Datasource), backend.PluginContext{
		DataSourceInstanceSettings: &instance, User: &backend.User{Login: "bench", Role: "Admin"},
	}}, nil
}

func (o *own) ask(ctx context.Context, sql string, series bool) (time.Duration, int, error) {
	format := "table"
	if series {
		format = "timeseries"
	}
	text, err := json.Marshal(map[string]any{"queryType": "sql", "expr": sql, "format": format, "version": 2})
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	res, err := o.datasource.QueryData(ctx, &backend.QueryDataRequest{PluginContext: o.context, Queries: []backend.DataQuery{{RefID: "A", JSON: text, MaxDataPoints: 1000}}})
	if err != nil {
		return 0, 0, err
	}
	if err := res.Responses["A"].Error; err != nil {
		return 0, 0, err
	}
	// What Grafana gets; the SDK does this before gRPC does the rest.
	out, err := backend.ToProto().QueryDataResponse(backend.DataFrameFormat_ARROW, res)
	if err != nil {
		return 0, 0, err
	}
	if err := plugin.Redeem(out); err != nil {
		return 0, 0, err
	}
	took := time.Since(began)
	values := 0
	for _, frame := range out.Responses["A"].Frames {
		n, err := valuesIn(frame)
		if err != nil {
			return 0, 0, err
		}
		values += n
	}
	return took, values, nil
}

// valuesIn counts the values of a frame in Arrow that are neither times nor null.
func valuesIn(frame []byte) (values int, err error) {
	r, err := ipc.NewMappedFileReader(frame)
	if err != nil {
		return 0, fmt.Errorf("read a frame: %w", err)
	}
	defer func() { _ = r.Close() }()
	for i := range r.NumRecords() {
		batch, err := r.RecordBatch(i)
		if err != nil {
			return 0, fmt.Errorf("read a frame's rows: %w", err)
		}
		for _, column := range batch.Columns() {
			if column.DataType().ID() != arrow.TIMESTAMP {
				values += column.Len() - column.NullN()
			}
		}
	}
	return values, nil
}

// sqldsPeer is Grafana's own way to ClickHouse, in a process of its own that times
// itself.
type sqldsPeer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// startSqlds builds the peer, which is a module of its own.
func startSqlds(ctx context.Context, db *database) (*sqldsPeer, error) {
	user := db.endpoint.SQL
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	program := filepath.Join(cache, "flowgauge", "bench-sqlds")
	//nolint:gosec // our own paths
	build := exec.CommandContext(ctx, "go", "build", "-C", "cmd/bench/sqlds", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the peer (run this in the project's folder): %w\n%s", err, out)
	}
	//nolint:gosec // what was just built
	p := &sqldsPeer{cmd: exec.CommandContext(ctx, program)}
	p.cmd.Env = append(os.Environ(), "PEER_ADDR="+db.endpoint.TCPAddr(), "PEER_DATABASE="+user.Name, "PEER_USER="+user.Name, "PEER_PASSWORD="+user.Password)
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(bufio.NewReader(out))
	return p, p.cmd.Start()
}

func (p *sqldsPeer) ask(_ context.Context, sql string, series bool) (time.Duration, int, error) {
	format := 1
	if series {
		format = 0
	}
	if err := json.NewEncoder(p.in).Encode(map[string]any{"rawSql": sql, "format": format}); err != nil {
		return 0, 0, err
	}
	var a struct {
		NS     int64 `json:"ns"`
		Values int   `json:"values"`
	}
	if err := p.out.Decode(&a); err != nil {
		return 0, 0, err
	}
	return time.Duration(a.NS), a.Values, nil
}

func (p *sqldsPeer) stop() {
	_ = p.in.Close() // it ends when there is nothing more to read
	_ = p.cmd.Wait()
}
