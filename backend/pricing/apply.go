package pricing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/event"
)

// Period says which stored costs are priced again: From <= own time < To.
type Period struct {
	Tenant string
	From   time.Time
	To     time.Time
}

// Report says what pricing a period again has changed, or would change.
type Report struct {
	Examined int           `json:"examined"` // costs without dollars of their own
	Changed  int           `json:"changed"`  // of them, those whose dollars or whose rule's revision differ
	Unpriced int           `json:"unpriced"` // of them, those without a price now
	Before   event.Decimal `json:"before"`   // dollars of the examined
	After    event.Decimal `json:"after"`
}

// chunkOf is how much time is read and written at once.
const chunkOf = time.Hour

// Apply prices the stored costs of a period by the book in force. A cost keeps its
// identity: the row with the new amount has the next version, so a correction that
// the source has sent since, or sends later, stands. It says when it got its price, so
// that questions about earlier moments find the price of then. Repeating it changes nothing,
// so it may be interrupted and started again. progress is called with the moment up
// to which it is done.
func (s *Store) Apply(ctx context.Context, p Period, dryRun bool, progress func(done time.Time, r Report)) (Report, error) {
	var report Report
	if !p.From.Before(p.To) || p.From.Unix() < 0 {
		return report, errors.New("the period is empty or before 1970: give --from and a later --to")
	}
	if err := s.Refresh(ctx); err != nil {
		return report, err
	}
	book := (*s.inUse.Load())[p.Tenant]
	if book == nil {
		return report, fmt.Errorf("%w for tenant %s", ErrNone, p.Tenant)
	}
	for from := p.From; from.Before(p.To); {
		to := from.Truncate(chunkOf).Add(chunkOf)
		if to.After(p.To) {
			to = p.To
		}
		if err := s.applyTo(ctx, book, p.Tenant, from, to, dryRun, &report); err != nil {
			return report, fmt.Errorf("price the costs from %s: %w", from.UTC().Format(time.RFC3339), err)
		}
		from = to
		progress(from, report)
	}
	return report, nil
}

func (s *Store) applyTo(ctx context.Context, book *prices, tenant string, from, to time.Time, dryRun bool, report *Report) error {
	changed := newRows()
	in := newRows()
	err := s.client.Do(ctx, clickhouse.Query{
		SQL: `SELECT ` + in.names() + ` FROM costs FINAL
WHERE tenant = {tenant:String} AND pricing != 'sent'
  AND time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')`,
		Params: map[string]any{"tenant": tenant, "from": from.UnixMilli(), "to": to.UnixMilli()},
		Result: in.results(),
		OnResult: func(context.Context, proto.Block) error {
			for i := range in.tenant.Rows() {
				e, version := in.row(i)
				was := e
				book.price(&e)
				report.Examined++
				report.Before, report.After = report.Before.Add(was.Dollars), report.After.Add(e.Dollars)
				if e.Pricing == event.PricingUnpriced {
					report.Unpriced++
				}
				if e.Dollars != was.Dollars || e.Pricing != was.Pricing {
					report.Changed++
					changed.add(&e, version+1, time.Now())
				}
			}
			return nil
		},
	})
	if err != nil || dryRun || changed.tenant.Rows() == 0 {
		return err
	}
	// As the sink does: marked before, so that readers know that the minutes are
	// behind, and after, so that they are recomputed from the new rows.
	marks := changed.marks()
	if err := s.client.Insert(ctx, "bucket_marks", marks); err != nil {
		return err
	}
	if err := s.client.Insert(ctx, "costs", changed.input()); err != nil {
		return err
	}
	return s.client.Insert(ctx, "bucket_marks", marks)
}
