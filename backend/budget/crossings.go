package budget

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
)

// Crossings implements query.Budgets. A moment is the beginning of the hour or day in
// which the running sum of its period reached a threshold or the budget's amount, as with
// Passed.
func (s *Service) Crossings(ctx context.Context, ask query.Ask, p access.Principal, from, to time.Time, id string) ([]query.BudgetCrossing, error) {
	list, err := s.asked(ctx, p, id)
	if err != nil {
		return nil, err
	}
	found := make([][]query.BudgetCrossing, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range list {
		g.Go(func() (err error) {
			found[i], err = list[i].crossings(ctx, ask, p, from, to)
			if err != nil {
				err = fmt.Errorf("budget %s: %w", list[i].ID, err)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// crossings asks what was spent from the beginning of the first period on, in one
// question.
func (b *Budget) crossings(ctx context.Context, ask query.Ask, p access.Principal, from, to time.Time) ([]query.BudgetCrossing, error) {
	begin, end, ok := b.Period.from(from)
	if !ok || !begin.Before(to) {
		return nil, nil
	}
	levels, err := b.levels()
	if err != nil {
		return nil, err
	}
	g, _, _ := b.Period.Unit.buckets()
	res, err := ask(ctx, p, query.Request{Metrics: []string{b.Of}, From: begin, To: to, Granularity: g, TimeZone: b.Period.TimeZone, Filters: b.Filters})
	if err != nil {
		return nil, err
	}
	if res.Meta.Truncated {
		return nil, &query.RequestError{Param: "from", Value: from.Format(time.RFC3339), Message: "the period has more hours or days than an answer: take a shorter one"}
	}
	var out []query.BudgetCrossing
	var sum event.Decimal
	next := 0 // of the levels
	for row := range res.Frame.Rows() {
		at := res.Frame.Fields[0].At(row).(time.Time) //nolint:forcetypeassert // a time series begins with it
		for !at.Before(end) {
			if _, end, ok = b.Period.at(end); !ok {
				return out, nil
			}
			sum, next = event.Decimal{}, 0
		}
		d, err := exact(res, b.Of, row)
		if err != nil {
			return nil, err
		}
		sum = sum.Add(d)
		for ; next < len(levels) && sum.Cmp(levels[next]) >= 0; next++ {
			if !at.Before(from) {
				out = append(out, query.BudgetCrossing{Budget: b.ID, Name: b.Name, Of: b.Of, At: at, Reached: levels[next], Amount: b.Amount})
			}
		}
	}
	return out, nil
}

// levels are the amounts that are worth knowing when they are reached, in order.
func (b *Budget) levels() ([]event.Decimal, error) {
	out := []event.Decimal{b.Amount}
	for _, t := range b.Thresholds {
		amount, err := b.amountOf(t)
		if err != nil {
			return nil, err
		}
		out = append(out, amount)
	}
	slices.SortFunc(out, event.Decimal.Cmp)
	return slices.CompactFunc(out, func(a, b event.Decimal) bool { return a.Cmp(b) == 0 }), nil
}
