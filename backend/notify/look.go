package notify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/budget"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/query"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

const (
	// late is how long after a period costs of it are still told of.
	late = 24 * time.Hour
	// trying is how long after a period its messages are still tried to be delivered.
	trying = 2 * late
)

// Surface names these readings in the audit log.
const Surface = "notify"

// tenant finds out what is to be told of a tenant's budgets, and stores it.
func (w *Watcher) tenant(ctx context.Context, tenant string) error {
	p := access.Principal{Tenant: tenant, Role: access.RoleAdmin, KeyID: Surface}
	budgets, err := w.cfg.Budgets.List(ctx, p)
	if err != nil {
		return err
	}
	names := w.cfg.Notifiers.For(tenant)
	var found []delivery
	var ids []string
	for i := range budgets {
		b := &budgets[i]
		if len(b.Notify) == 0 {
			continue
		}
		w.unknown(ctx, tenant, b, names)
		told, err := w.budget(ctx, p, b)
		w.trouble.Note(ctx, "budget "+tenant+"/"+b.ID, "look how a budget stands", err, "tenant", tenant, "budget", b.ID)
		for _, m := range told {
			ids = append(ids, m.Message.GetId())
			for _, name := range b.Notify {
				if slices.Contains(names, name) {
					m.Notifier = name
					found = append(found, m)
				}
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	known, err := w.store.known(ctx, tenant, ids)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(d delivery) bool { return known[[2]string{d.Notifier, d.Message.GetId()}] })
	if len(found) == 0 {
		return nil
	}
	if err := w.record(ctx, p, found); err != nil {
		return err
	}
	return w.store.put(ctx, tenant, waits, found...)
}

// unknown says of names that nobody has any more: the configuration has changed since the
// budget was put.
func (w *Watcher) unknown(ctx context.Context, tenant string, b *budget.Budget, names []string) {
	var gone []string
	for _, name := range b.Notify {
		if !slices.Contains(names, name) {
			gone = append(gone, name)
		}
	}
	var err error
	if len(gone) > 0 {
		err = fmt.Errorf("there is no notifier %s for it: configure it, or take it out of the budget", strings.Join(gone, ", "))
	}
	w.trouble.Note(ctx, "notifiers of "+tenant+"/"+b.ID, "tell about a budget", err, "tenant", tenant, "budget", b.ID)
}

// record puts into the audit log what is told to whom: figures leave by it.
func (w *Watcher) record(ctx context.Context, p access.Principal, found []delivery) error {
	ctx = query.WithSurface(ctx, Surface)
	for _, d := range found {
		err := w.cfg.Engine.RecordAs(ctx, p, query.AuditRecord{
			Kind: query.KindBudgets, From: d.Found, To: d.Found, Rows: 1,
			Params: map[string]string{"about": d.Message.GetAbout(), "message": d.Message.GetId(), "notifier": d.Notifier},
		}, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// budget is what there is to tell of one: of the period that runs and, shortly after its
// end, of the one before.
func (w *Watcher) budget(ctx context.Context, p access.Principal, b *budget.Budget) ([]delivery, error) {
	now := w.cfg.Now()
	s, err := w.standing(ctx, p, b, now)
	if err != nil || s.From.IsZero() {
		return nil, err
	}
	all := s.messages(now)
	// Whoever makes or changes a budget does not mean what is over.
	if now.Sub(s.From) >= late || !b.ChangedAt.Before(s.From) {
		return all, nil
	}
	before, err := w.standing(ctx, p, b, s.From)
	if err != nil || before.From.IsZero() {
		return all, err
	}
	return append(all, before.messages(now)...), nil
}

// A standing is how a budget stands in a period.
type standing struct {
	Tenant, Budget, Name, Of   string
	From, To                   time.Time // of the period, in its time zone; zero before the first
	Amount, Spent              event.Decimal
	Reached                    []event.Decimal // thresholds, and the amount
	Forecast, Lower80, Upper80 *float64
	Crossing                   *time.Time // when the amount is expected to be reached
}

// standing asks how a budget stands, or stood at a moment, as anybody does: within what the
// tenant's policies let administrators see. The question itself is not recorded, a minute
// after the other; what is told is.
func (w *Watcher) standing(ctx context.Context, p access.Principal, b *budget.Budget, at time.Time) (*standing, error) {
	res, err := w.cfg.Engine.Do(query.Recorded(ctx), p, query.Request{
		Kind: query.KindBudgets, From: at.Add(-24 * time.Hour), To: at, TimeZone: b.Period.TimeZone, Params: map[string]string{"budget": b.ID},
	})
	if err != nil {
		return nil, err
	}
	detail, ok := res.Meta.Budget.(budget.Detail)
	if !ok || res.Frame.Rows() != 1 {
		return nil, errors.New("the answer is not about one budget")
	}
	s := &standing{Tenant: p.Tenant, Budget: b.ID, Name: b.Name, Of: b.Of}
	if from := cell[*time.Time](res.Frame, "period_start"); from != nil {
		s.From = *from
	}
	if to := cell[*time.Time](res.Frame, "period_end"); to != nil {
		s.To = *to
	}
	for name, into := range map[string]*event.Decimal{"amount": &s.Amount, "spent": &s.Spent} {
		exact := res.Exact[name]
		if len(exact) != 1 {
			return nil, fmt.Errorf("%s is not shown to administrators, so it is not told: the tenant's policy says so", name)
		}
		if *into, err = event.ParseDecimal([]byte(exact[0])); err != nil {
			return nil, fmt.Errorf("%s is %q: %w", name, exact[0], err)
		}
	}
	s.Forecast = finite(res.Frame, "forecast")
	s.Lower80, s.Upper80 = finite(res.Frame, "forecast_lower80"), finite(res.Frame, "forecast_upper80")
	s.Crossing = cell[*time.Time](res.Frame, "crossing")
	s.reach(detail)
	return s, nil
}

// reach lists what is reached, the smallest first and each amount once.
func (s *standing) reach(d budget.Detail) {
	if s.Spent.Cmp(s.Amount) >= 0 {
		s.Reached = append(s.Reached, s.Amount)
	}
	for _, t := range d.Thresholds {
		if t.At != nil {
			s.Reached = append(s.Reached, t.Amount)
		}
	}
	slices.SortFunc(s.Reached, event.Decimal.Cmp)
	s.Reached = slices.CompactFunc(s.Reached, func(a, b event.Decimal) bool { return a.Cmp(b) == 0 })
}

// cell is the only row's value of a field; zero where it is not shown.
func cell[T any](f *data.Frame, name string) (value T) {
	if field, _ := f.FieldByName(name); field != nil && field.Len() == 1 {
		value, _ = field.At(0).(T)
	}
	return value
}

// finite is a number that can be told, or nil.
func finite(f *data.Frame, name string) *float64 {
	v := cell[*float64](f, name)
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	return v
}

// messages are what there is to tell.
func (s *standing) messages(now time.Time) []delivery {
	var all []delivery
	add := func(m *contractv1.NotifyRequest) {
		all = append(all, delivery{Message: m, Found: now, Expires: s.To.Add(trying)})
	}
	for _, amount := range s.Reached {
		add(s.reached(amount, now))
	}
	if s.expected() {
		add(s.foreseen(now))
	}
	return all
}
