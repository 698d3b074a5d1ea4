package sink

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/event"
)

// common are the columns that every raw table has.
type common struct {
	tenant, id, source *proto.ColStr
	time               *proto.ColDateTime64
	version            *proto.ColUInt64
	deleted            *proto.ColUInt8
}

// blockRows is how many rows are sent at once. They are encoded and compressed as
// a whole, in memory that each connection keeps.
const blockRows = 1 << 15

// table collects the rows of one INSERT, in blocks. Their columns keep their memory
// between batches.
type table struct {
	name   string
	make   func() *block
	blocks []*block // all but the last of those in use are full
	used   int
}

// block is the columns of some rows.
type block struct {
	input    proto.Input
	common   common
	specific func(e *event.Event)
}

func newTable(name string, build func(c *columns) func(e *event.Event)) *table {
	t := &table{name: name, used: 1, make: func() *block { return newBlock(build) }}
	t.blocks = []*block{t.make()}
	return t
}

func (t *table) reset() {
	for _, b := range t.blocks[:t.used] {
		b.input.Reset()
	}
	t.used = 1
}

func (t *table) rows() int {
	return (t.used-1)*blockRows + t.blocks[t.used-1].common.version.Rows()
}

// version is that of a row.
func (t *table) version(row int) *uint64 {
	return &(*t.blocks[row/blockRows].common.version)[row%blockRows]
}

// last returns the block that takes the next row.
func (t *table) last() *block {
	if b := t.blocks[t.used-1]; b.common.version.Rows() < blockRows {
		return b
	}
	if t.used == len(t.blocks) {
		t.blocks = append(t.blocks, t.make())
	}
	t.used++
	return t.blocks[t.used-1]
}

// inputs returns the rows.
func (t *table) inputs() (out []proto.Input) {
	for _, b := range t.blocks[:t.used] {
		out = append(out, b.input)
	}
	return out
}

// add appends an event, and for a correction that moves its time also a row that
// deletes it at the time it had: for good, so that a repetition of what was sent
// before the correction does not bring it back.
func (t *table) add(e *event.Event, version uint64) {
	t.row(e, e.Time, version, 0)
	if moved(e) {
		t.row(e, e.PreviousTime, version|schema.VersionMoved, 1)
	}
}

func moved(e *event.Event) bool {
	return e.PreviousTime != event.NoTime && e.PreviousTime != e.Time
}

func (t *table) row(e *event.Event, time int64, version uint64, deleted uint8) {
	b := t.last()
	c := b.common
	c.tenant.Append(e.Tenant)
	c.time.AppendRaw(proto.DateTime64(time))
	c.id.Append(e.ID)
	c.source.Append(e.Source)
	c.version.Append(version)
	c.deleted.Append(deleted)
	b.specific(e)
}

// columns collects a table's input while its columns are made.
type columns struct{ input proto.Input }

func (c *columns) str(name string) *proto.ColStr {
	col := new(proto.ColStr)
	c.input = append(c.input, proto.InputColumn{Name: name, Data: col})
	return col
}

func (c *columns) time(name string) *proto.ColDateTime64 {
	col := new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli)
	c.input = append(c.input, proto.InputColumn{Name: name, Data: col})
	return col
}

// enum adds a column whose numbers are those of the schema's Enum8.
func (c *columns) enum(name string, definition proto.ColumnType) *proto.ColEnum8 {
	col := new(proto.ColEnum8)
	c.input = append(c.input, proto.InputColumn{Name: name, Data: proto.Alias(col, definition)})
	return col
}

func (c *columns) decimal(name string) *proto.ColDecimal128 {
	col := new(proto.ColDecimal128)
	c.input = append(c.input, proto.InputColumn{Name: name, Data: proto.Alias(col, "Decimal(38, 15)")})
	return col
}

// number adds a column of plain numbers.
func number[T proto.Column](c *columns, name string, col T) T {
	c.input = append(c.input, proto.InputColumn{Name: name, Data: col})
	return col
}

func newBlock(build func(c *columns) func(e *event.Event)) *block {
	c := new(columns)
	b := &block{common: common{
		tenant:  c.str("tenant"),
		time:    c.time("time"),
		id:      c.str("id"),
		source:  c.str("source"),
		version: number(c, "version", new(proto.ColUInt64)),
		deleted: number(c, "deleted", new(proto.ColUInt8)),
	}}
	b.specific = build(c)
	b.input = c.input
	return b
}

// optional maps an absent time to the column's default, 1970.
func optional(ms int64) proto.DateTime64 {
	if ms == event.NoTime {
		return 0
	}
	return proto.DateTime64(ms)
}

func amount(d event.Decimal) proto.Decimal128 {
	return proto.Decimal128{Low: d.Lo, High: uint64(d.Hi)}
}

func newExecutions() *table {
	return newTable("executions", func(c *columns) func(e *event.Event) {
		phase := c.enum("phase", "Enum8('started' = 1, 'terminal' = 2)")
		status := c.enum("status", "Enum8('started' = 1, 'completed' = 2, 'failed' = 3)")
		workflow, user, trigger, triggerType := c.str("workflow_id"), c.str("user_id"), c.str("trigger_id"), c.str("trigger_type")
		version := number(c, "workflow_version", new(proto.ColUInt32))
		duration := number(c, "duration_ms", new(proto.ColInt64))
		bucket := number(c, "duration_bucket", new(proto.ColInt16))
		stepCount := number(c, "step_count", new(proto.ColUInt32))
		errorType, errorMessage := c.str("error_type"), c.str("error_message")
		fingerprint := number(c, "error_fingerprint", new(proto.ColUInt64))
		queued := c.time("queued_time")
		attempt := number(c, "attempt", new(proto.ColUInt32))
		metadata := c.str("metadata")
		return func(e *event.Event) {
			phase.Append(proto.Enum8(e.Phase()))
			status.Append(proto.Enum8(e.Status))
			workflow.Append(e.WorkflowID)
			version.Append(e.WorkflowVersion)
			user.Append(e.UserID)
			trigger.Append(e.TriggerID)
			triggerType.Append(e.TriggerType)
			duration.Append(e.Duration)
			bucket.Append(event.DurationBucket(e.Duration))
			stepCount.Append(e.StepCount)
			errorType.Append(e.ErrorType)
			errorMessage.Append(e.ErrorMessage)
			if e.ErrorMessage == "" {
				fingerprint.Append(0)
			} else {
				fingerprint.Append(event.Fingerprint(e.ErrorMessage))
			}
			queued.AppendRaw(optional(e.QueuedTime))
			attempt.Append(e.Attempt)
			metadata.Append(e.Metadata)
		}
	})
}

func newSteps() *table {
	return newTable("steps", func(c *columns) func(e *event.Event) {
		execution, step, stepType := c.str("execution_id"), c.str("step_id"), c.str("step_type")
		status := c.enum("status", "Enum8('completed' = 2, 'failed' = 3, 'skipped' = 4)")
		end, queued := c.time("end_time"), c.time("queued_time")
		duration := number(c, "duration_ms", new(proto.ColInt64))
		bucket := number(c, "duration_bucket", new(proto.ColInt16))
		input := number(c, "input_bytes", new(proto.ColInt64))
		output := number(c, "output_bytes", new(proto.ColInt64))
		credits := c.decimal("credits")
		workflow, user := c.str("workflow_id"), c.str("user_id")
		version := number(c, "workflow_version", new(proto.ColUInt32))
		dependsOn := number(c, "depends_on", new(proto.ColStr).Array())
		attempt := number(c, "attempt", new(proto.ColUInt32))
		return func(e *event.Event) {
			execution.Append(e.ExecutionID)
			step.Append(e.StepID)
			stepType.Append(e.StepType)
			status.Append(proto.Enum8(e.Status))
			end.AppendRaw(optional(e.EndTime))
			queued.AppendRaw(optional(e.QueuedTime))
			duration.Append(e.Duration)
			bucket.Append(event.DurationBucket(e.Duration))
			input.Append(e.InputSize)
			output.Append(e.OutputSize)
			credits.Append(amount(e.Credits))
			workflow.Append(e.WorkflowID)
			version.Append(e.WorkflowVersion)
			user.Append(e.UserID)
			dependsOn.Append(e.DependsOn)
			attempt.Append(e.Attempt)
		}
	})
}

func newCosts() *table {
	return newTable("costs", func(c *columns) func(e *event.Event) {
		workflow, user, execution, action := c.str("workflow_id"), c.str("user_id"), c.str("execution_id"), c.str("action_type")
		credits, dollars := c.decimal("credits"), c.decimal("dollars")
		pricing := c.enum("pricing", "Enum8('sent' = 0, 'unpriced' = 1, 'derived' = 2)")
		revision := number(c, "price_revision", new(proto.ColUInt64))
		metadata := c.str("metadata")
		return func(e *event.Event) {
			workflow.Append(e.WorkflowID)
			user.Append(e.UserID)
			execution.Append(e.ExecutionID)
			action.Append(e.ActionType)
			credits.Append(amount(e.Credits))
			dollars.Append(amount(e.Dollars))
			pricing.Append(proto.Enum8(e.Pricing))
			revision.Append(e.PriceRevision)
			metadata.Append(e.Metadata)
		}
	})
}

func newActivity() *table {
	return newTable("activity", func(c *columns) func(e *event.Event) {
		user, session, action := c.str("user_id"), c.str("session_id"), c.str("action")
		resource, resourceID := c.str("resource"), c.str("resource_id")
		duration := number(c, "duration_ms", new(proto.ColInt64))
		metadata := c.str("metadata")
		return func(e *event.Event) {
			user.Append(e.UserID)
			session.Append(e.SessionID)
			action.Append(e.Action)
			resource.Append(e.Resource)
			resourceID.Append(e.ResourceID)
			duration.Append(e.Duration)
			metadata.Append(e.Metadata)
		}
	})
}
