package gather_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/backend/queue/wal"
	"github.com/flowgauge/flowgauge/backend/rollup"
	"github.com/flowgauge/flowgauge/collector/gather"
	"github.com/flowgauge/flowgauge/collector/sink"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// history is what comes of a few runs, and when the sink is killed.
type history struct {
	said       []event.Fragment
	deliveries []event.Fragment
	batch      int   // of the sink
	kills      []int // the steps before which it is killed
}

func drawHistory(t *rapid.T) history {
	h := history{said: gather.DrawFragments(t, 4, 14)}
	again := rapid.SliceOfN(rapid.SampledFrom(h.said), 0, 6).Draw(t, "again")
	h.deliveries = rapid.Permutation(slices.Concat(h.said, again)).Draw(t, "deliveries")
	h.batch = rapid.IntRange(1, 5).Draw(t, "batch")
	h.kills = rapid.SliceOfNDistinct(rapid.IntRange(0, 8), 0, 3, rapid.ID[int]).Draw(t, "kills")
	return h
}

// killer counts the steps of a sink, and ends it before some of them.
type killer struct {
	at    []int
	steps int
	end   context.CancelFunc
}

func (k *killer) step(ctx context.Context) error {
	if slices.Contains(k.at, k.steps) {
		k.end()
	}
	k.steps++
	return ctx.Err()
}

// gathering is killed after fragments are kept and before their rows are stored.
type gathering struct {
	inner sink.Gather
	*killer
}

func (g gathering) Gather(ctx context.Context, fragments []gather.Fragment) ([]gather.Row, error) {
	rows, err := g.inner.Gather(ctx, fragments)
	if err != nil {
		return nil, err
	}
	return rows, g.step(ctx)
}

// consuming is killed after rows are stored and before the log forgets them.
type consuming struct {
	queue.Consumer
	*killer
	left int
}

func (c *consuming) Fetch(ctx context.Context, limit int) ([]queue.Record, error) {
	if c.left == 0 {
		c.end()
	}
	return c.Consumer.Fetch(ctx, limit)
}

func (c *consuming) Commit(ctx context.Context) error {
	if err := c.step(ctx); err != nil {
		return err
	}
	err := c.Consumer.Commit(ctx)
	if log := c.Consumer.(*wal.Log); err == nil {
		c.left = int(log.Stats().Pending)
	}
	return err
}

// play stores a history as a tenant of its own.
func (h *history) play(t *testing.T, client *clickhouse.Client, tenant string) {
	t.Helper()
	dir := t.TempDir()
	log, err := wal.New(wal.Options{Dir: dir})
	require.NoError(t, err)
	for _, f := range h.deliveries {
		f.Tenant = tenant
		require.NoError(t, log.Append(t.Context(), [][]byte{event.AppendFragment(nil, &f)}))
	}
	for k := (&killer{at: h.kills}); log.Stats().Pending > 0; {
		g, err := gather.New(client)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		k.end = cancel
		s, err := sink.New(sink.Config{
			Consumer: &consuming{log, k, int(log.Stats().Pending)}, Client: client,
			Gather: gathering{g, k}, BatchSize: h.batch, Linger: time.Millisecond,
		})
		require.NoError(t, err)
		require.NoError(t, s.Run(ctx))
		cancel()
		require.NoError(t, log.Close())
		log, err = wal.New(wal.Options{Dir: dir})
		require.NoError(t, err)
	}
	require.NoError(t, log.Close())
}

// want returns the rows of a tenant that follow from what was said.
func (h *history) want(tenant string) []string {
	runs := map[string][]event.Fragment{}
	for _, f := range h.said {
		f.Tenant = tenant
		runs[f.Run] = append(runs[f.Run], f)
	}
	out := []string{}
	for _, said := range runs {
		for _, e := range gather.Derive(said...) {
			line := fmt.Sprint(e.ID, " ", e.Status, " ", e.Time, " ", e.Duration, " ", e.WorkflowID, " ", e.UserID, " ", e.Attempt, " ", max(0, e.QueuedTime))
			if e.Kind == event.KindStep {
				depends, _ := json.Marshal(e.DependsOn)
				if e.DependsOn == nil {
					depends = []byte("[]")
				}
				line += fmt.Sprint(" ", e.ExecutionID, " ", e.StepID, " ", e.StepType, " ", e.EndTime, " ", e.OutputSize, " ", string(depends))
			} else {
				line += fmt.Sprint(" ", e.ErrorType, " ", e.ErrorMessage, " ", e.Metadata)
			}
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}

// stored returns the rows of a tenant.
func stored(t *testing.T, client *clickhouse.Client, tenant string) []string {
	t.Helper()
	var col proto.ColStr
	out := []string{}
	require.NoError(t, client.Do(t.Context(), clickhouse.Query{
		SQL: `SELECT concatWithSeparator(' ', id, toString(status), toString(toUnixTimestamp64Milli(time)), toString(duration_ms), workflow_id, user_id, toString(attempt),
    toString(toUnixTimestamp64Milli(queued_time)), error_type, error_message, metadata) AS line
FROM executions FINAL WHERE tenant = {tenant:String}
UNION ALL
SELECT concatWithSeparator(' ', id, toString(status), toString(toUnixTimestamp64Milli(time)), toString(duration_ms), workflow_id, user_id, toString(attempt),
    toString(toUnixTimestamp64Milli(queued_time)), execution_id, step_id, step_type, toString(toUnixTimestamp64Milli(end_time)), toString(output_bytes), toJSONString(depends_on))
FROM steps FINAL WHERE tenant = {tenant:String}`,
		Params: map[string]any{"tenant": tenant},
		Result: proto.Results{{Name: "line", Data: &col}},
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

// Whatever happens on the way through a real log, sink and ClickHouse, the rows are
// those that follow from what was said, and so are the rollups.
func TestHistoriesInClickHouse(t *testing.T) {
	client := schematest.Client(t)
	roller, err := rollup.New(rollup.Config{Client: client})
	require.NoError(t, err)
	histories := rapid.Custom(drawHistory)
	count := 12
	if testing.Short() {
		count = 5
	}
	settle := func() {
		for range 3 { // Executions mark the steps that inherit from them.
			_, err := roller.Settle(t.Context())
			require.NoError(t, err)
		}
	}
	for i := range count {
		h, tenant := histories.Example(i), fmt.Sprint("t", i)
		h.play(t, client, tenant)
		require.Equal(t, h.want(tenant), stored(t, client, tenant), "%+v", h)
		if i%4 == 0 {
			settle() // What was rolled up moves, too.
		}
		if i%6 == 1 {
			h.play(t, client, tenant)
			require.Equal(t, h.want(tenant), stored(t, client, tenant), "again")
		}
	}
	settle()
	from := time.UnixMilli(1_700_000_000_000)
	checked, err := rollup.Verify(t.Context(), client, "", from, from.Add(time.Hour), func(time.Time, rollup.Checked) {})
	require.NoError(t, err)
	require.Empty(t, checked.Differences)
	require.NotZero(t, checked.Groups)
}
