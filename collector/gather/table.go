package gather

import (
	"context"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
)

// table is run_fragments. Each delivery is a row, because it matters when a fragment
// came first; what is read is each fragment once.
type table struct{ client *clickhouse.Client }

const (
	// chunkRuns is how many runs are asked for at once.
	chunkRuns = 5000
	// mostOfRun is how many fragments of a run are read. A sender that uses one id
	// for all its runs would else make every batch read all it ever sent.
	mostOfRun = "5000"
)

// put is one INSERT of one block, which ClickHouse stores whole or not at all.
func (t *table) put(ctx context.Context, fragments []Fragment) error {
	c := newColumns()
	for i := range fragments {
		c.append(&fragments[i])
	}
	return t.client.Insert(ctx, "run_fragments", c.input())
}

func (t *table) known(ctx context.Context, runs []run) ([]Fragment, error) {
	var out []Fragment
	for len(runs) > 0 {
		n := min(len(runs), chunkRuns)
		var tenants, ids []string
		for _, r := range runs[:n] {
			tenants, ids = append(tenants, r.tenant), append(ids, r.id)
		}
		runs = runs[n:]
		c := newColumns()
		err := t.client.Do(ctx, clickhouse.Query{
			SQL: "SELECT " + c.selected() + ` FROM run_fragments
WHERE (tenant, run_id) IN (
    SELECT r.1, r.2 FROM (SELECT arrayJoin(arrayZip({tenants:Array(String)}, {runs:Array(String)})) AS r)
)
GROUP BY tenant, run_id, status, time, digest
ORDER BY tenant, run_id, status, time, digest
LIMIT ` + mostOfRun + " BY tenant, run_id",
			Params: map[string]any{"tenants": tenants, "runs": ids},
			Result: c.results(),
			OnResult: func(context.Context, proto.Block) error {
				for i := range c.version.Rows() {
					out = append(out, c.row(i))
				}
				return nil
			},
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// columns are those of run_fragments that fragments have.
type columns struct {
	list []column

	texts   [12]*proto.ColStr // in the order of texts
	times   [3]*proto.ColDateTime64
	numbers [3]*proto.ColInt64
	status  *proto.ColEnum8
	attempt *proto.ColUInt32
	depends *proto.ColArr[string]
	facts   *proto.ColMap[string, string]
	digest  *proto.ColUInt64
	version *proto.ColUInt64
	first   *proto.ColUInt64 // of results only
}

type column struct {
	name string
	data proto.Column
}

func newColumns() *columns {
	c := &columns{
		status:  new(proto.ColEnum8),
		attempt: new(proto.ColUInt32),
		depends: new(proto.ColStr).Array(),
		facts:   proto.NewMap[string, string](new(proto.ColStr), new(proto.ColStr)),
		digest:  new(proto.ColUInt64),
		version: new(proto.ColUInt64),
		first:   new(proto.ColUInt64),
	}
	for i, name := range [...]string{
		"tenant", "source", "run_id", "execution_id", "workflow_id", "step_id", "step_type",
		"user_id", "trigger_id", "trigger_type", "error_type", "error_message",
	} {
		c.texts[i] = new(proto.ColStr)
		c.list = append(c.list, column{name, c.texts[i]})
	}
	for i, name := range [...]string{"time", "start_time", "queued_time"} {
		c.times[i] = new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
		c.list = append(c.list, column{name, c.times[i]})
	}
	for i, name := range [...]string{"duration_ms", "input_bytes", "output_bytes"} {
		c.numbers[i] = new(proto.ColInt64)
		c.list = append(c.list, column{name, c.numbers[i]})
	}
	c.list = append(c.list,
		column{"status", proto.Alias(c.status, statusType)}, column{"attempt", c.attempt}, column{"depends_on", c.depends},
		column{"facts", c.facts}, column{"digest", c.digest}, column{"version", c.version})
	return c
}

const statusType = "Enum8('other' = 0, 'started' = 1, 'completed' = 2, 'failed' = 3, 'skipped' = 4)"

// selected returns what results are filled from.
func (c *columns) selected() string {
	var b strings.Builder
	for _, col := range c.list {
		switch col.name {
		case "tenant", "run_id", "status", "time", "digest":
			b.WriteString(col.name)
		case "version":
			b.WriteString("max(run_fragments.version) AS version")
		default:
			b.WriteString("any(run_fragments." + col.name + ") AS " + col.name)
		}
		b.WriteString(", ")
	}
	return b.String() + "min(run_fragments.version) AS first"
}

func (c *columns) input() proto.Input {
	in := make(proto.Input, len(c.list))
	for i, col := range c.list {
		in[i] = proto.InputColumn{Name: col.name, Data: col.data}
	}
	return in
}

func (c *columns) results() proto.Results {
	out := make(proto.Results, len(c.list))
	for i, col := range c.list {
		out[i] = proto.ResultColumn{Name: col.name, Data: col.data}
	}
	return append(out, proto.ResultColumn{Name: "first", Data: c.first})
}

// texts returns the texts of a fragment in the order of the columns.
func texts(f *event.Fragment) [12]*string {
	return [...]*string{
		&f.Tenant, &f.Source, &f.Run, &f.Execution, &f.Workflow, &f.StepID, &f.StepType,
		&f.UserID, &f.TriggerID, &f.TriggerType, &f.ErrorType, &f.ErrorMessage,
	}
}

func times(f *event.Fragment) [3]*int64 { return [...]*int64{&f.Time, &f.Start, &f.QueuedTime} }
func numbers(f *event.Fragment) [3]*int64 {
	return [...]*int64{&f.Duration, &f.InputSize, &f.OutputSize}
}

func (c *columns) append(f *Fragment) {
	for i, s := range texts(&f.Fragment) {
		c.texts[i].Append(*s)
	}
	for i, ms := range times(&f.Fragment) {
		c.times[i].AppendRaw(proto.DateTime64(*ms))
	}
	for i, n := range numbers(&f.Fragment) {
		c.numbers[i].Append(*n)
	}
	c.status.Append(proto.Enum8(f.Status))
	c.attempt.Append(f.Attempt)
	c.depends.Append(f.DependsOn)
	facts := make([]proto.KV[string, string], len(f.Facts))
	for i, fact := range f.Facts {
		facts[i] = proto.KV[string, string]{Key: fact.Name, Value: fact.Value}
	}
	c.facts.AppendKV(facts)
	c.digest.Append(f.digest)
	c.version.Append(uint64(f.Version))
}

func (c *columns) row(i int) Fragment {
	f := Fragment{Version: queue.Version(c.version.Row(i)), first: queue.Version(c.first.Row(i)), digest: c.digest.Row(i)}
	for j, s := range texts(&f.Fragment) {
		*s = c.texts[j].Row(i)
	}
	for j, ms := range times(&f.Fragment) {
		*ms = int64(c.times[j].Data[i])
	}
	for j, n := range numbers(&f.Fragment) {
		*n = c.numbers[j].Row(i)
	}
	f.Status, f.Attempt = event.Status(c.status.Row(i)), c.attempt.Row(i)
	if f.DependsOn = c.depends.Row(i); len(f.DependsOn) == 0 {
		f.DependsOn = nil
	}
	for _, kv := range c.facts.RowKV(i) {
		f.Facts = append(f.Facts, event.Fact{Name: kv.Key, Value: kv.Value})
	}
	return f
}
