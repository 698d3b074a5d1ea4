package pricing

import (
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/event"
)

// rows are costs as columns: everything of a row but when it was stored, so that
// a row which is written again says the same but for its price.
type rows struct {
	tenant, id, source, workflow, user, execution, action, metadata proto.ColStr
	time, priced                                                    *proto.ColDateTime64
	credits, dollars                                                proto.ColDecimal128
	pricing                                                         proto.ColEnum8
	revision, version                                               proto.ColUInt64
}

func newRows() *rows {
	millis := func() *proto.ColDateTime64 { return new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli) }
	return &rows{time: millis(), priced: millis()}
}

const (
	amountType  proto.ColumnType = "Decimal(38, 15)"
	pricingType proto.ColumnType = "Enum8('sent' = 0, 'unpriced' = 1, 'derived' = 2)"
)

func (r *rows) input() proto.Input {
	return proto.Input{
		{Name: "tenant", Data: &r.tenant},
		{Name: "time", Data: r.time},
		{Name: "id", Data: &r.id},
		{Name: "workflow_id", Data: &r.workflow},
		{Name: "user_id", Data: &r.user},
		{Name: "execution_id", Data: &r.execution},
		{Name: "action_type", Data: &r.action},
		{Name: "credits", Data: proto.Alias(&r.credits, amountType)},
		{Name: "dollars", Data: proto.Alias(&r.dollars, amountType)},
		{Name: "pricing", Data: proto.Alias(&r.pricing, pricingType)},
		{Name: "price_revision", Data: &r.revision},
		{Name: "priced_at", Data: r.priced},
		{Name: "metadata", Data: &r.metadata},
		{Name: "source", Data: &r.source},
		{Name: "version", Data: &r.version},
	}
}

func (r *rows) results() proto.Results {
	var out proto.Results
	for _, c := range r.input() {
		out = append(out, proto.ResultColumn{Name: c.Name, Data: c.Data.(proto.ColResult)}) //nolint:forcetypeassert // every column is both
	}
	return out
}

func (r *rows) names() string {
	var names []string
	for _, c := range r.input() {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

func (r *rows) row(i int) (event.Event, uint64) {
	credits, dollars := r.credits.Row(i), r.dollars.Row(i)
	return event.Event{
		Kind: event.KindCost, Tenant: r.tenant.Row(i), ID: r.id.Row(i), Source: r.source.Row(i), Time: int64(r.time.Data[i]),
		PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		WorkflowID: r.workflow.Row(i), UserID: r.user.Row(i), ExecutionID: r.execution.Row(i), ActionType: r.action.Row(i),
		Credits: event.Decimal{Lo: credits.Low, Hi: int64(credits.High)},
		Dollars: event.Decimal{Lo: dollars.Low, Hi: int64(dollars.High)},
		Pricing: event.Pricing(r.pricing.Row(i)), PriceRevision: r.revision.Row(i), Metadata: r.metadata.Row(i),
	}, r.version.Row(i)
}

// add appends a cost that gets its price now.
func (r *rows) add(e *event.Event, version uint64, now time.Time) {
	r.tenant.Append(e.Tenant)
	r.id.Append(e.ID)
	r.source.Append(e.Source)
	r.time.AppendRaw(proto.DateTime64(e.Time))
	r.workflow.Append(e.WorkflowID)
	r.user.Append(e.UserID)
	r.execution.Append(e.ExecutionID)
	r.action.Append(e.ActionType)
	r.credits.Append(proto.Decimal128{Low: e.Credits.Lo, High: uint64(e.Credits.Hi)})
	r.dollars.Append(proto.Decimal128{Low: e.Dollars.Lo, High: uint64(e.Dollars.Hi)})
	r.pricing.Append(proto.Enum8(e.Pricing))
	r.revision.Append(e.PriceRevision)
	r.priced.Append(now)
	r.metadata.Append(e.Metadata)
	r.version.Append(version)
}

// marks returns the minutes of the rows.
func (r *rows) marks() proto.Input {
	var (
		tenant proto.ColStr
		kind   = new(proto.ColEnum)
		minute proto.ColDateTime
		seen   = map[int64]bool{}
	)
	for i := range r.tenant.Rows() {
		start := int64(r.time.Data[i]) / 60_000 * 60
		if seen[start] {
			continue
		}
		seen[start] = true
		tenant.Append(r.tenant.Row(i))
		kind.Append("cost")
		minute.Append(time.Unix(start, 0))
	}
	return proto.Input{{Name: "tenant", Data: &tenant}, {Name: "kind", Data: kind}, {Name: "minute", Data: &minute}}
}
