package enrich

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

type enriching struct{ of Enricher }

func (s *enriching) plugin() Plugin { return s.of }

func (s *enriching) sees() func(e *event.Event) bool {
	kinds := kindsOf(s.of.Permissions().Kinds)
	return func(e *event.Event) bool { return kinds.has(e.Kind) }
}

func (s *enriching) ask(ctx context.Context, events []*passing) error {
	a := asking{id: s.of.ID()}
	return s.of.Enrich(ctx, func(p *host.Permissions) []*contract.Event {
		a.may, a.events = permissionsOf(p), nil
		for _, e := range events {
			if a.may.kinds.has(e.Kind) {
				a.events = append(a.events, e)
			}
		}
		return outgoing(a.events, a.may.read)
	}, a.take)
}

// asking is one call of an enricher: what it is asked about, and what it may do.
type asking struct {
	id     string
	may    permissions
	events []*passing
}

// take does what an answer says, all of it or nothing.
func (a *asking) take(changes []*contract.Change) error {
	done, err := a.read(changes)
	if err != nil {
		return err
	}
	for i, d := range done {
		if d != nil {
			d.apply(a.events[i])
		}
	}
	return nil
}

// decision is what a plugin has said of an event.
type decision struct {
	set   *event.Event
	drop  *event.DeadLetter
	added []*event.Event
}

func (d *decision) apply(e *passing) {
	if d.set != nil {
		*e.Event = *d.set
	}
	if d.drop != nil && e.Event == e.origin {
		e.result.Letter = d.drop
	}
	e.result.Added = append(e.result.Added, d.added...)
}

// read checks an answer, and makes of it what is done to each event.
func (a *asking) read(changes []*contract.Change) ([]*decision, error) {
	done := make([]*decision, len(a.events))
	for _, c := range changes {
		i := int(c.GetIndex())
		if i >= len(a.events) {
			return nil, fmt.Errorf("its answer is of event %d, it was asked about %d", i, len(a.events))
		}
		if done[i] != nil {
			return nil, fmt.Errorf("its answer says two things of event %d", i)
		}
		d, err := a.decide(c, a.events[i])
		if err != nil {
			return nil, fmt.Errorf("its answer on event %q: %w", a.events[i].ID, err)
		}
		done[i] = d
	}
	return done, nil
}

func (a *asking) decide(c *contract.Change, e *passing) (*decision, error) {
	d := &decision{}
	switch outcome := c.GetOutcome().(type) {
	case *contractv1.Change_Set:
		set, err := changed(e.Event, outcome.Set, a.may.write)
		if err != nil {
			return nil, err
		}
		d.set = set
	case *contractv1.Change_Drop:
		if !a.may.drop {
			return nil, errors.New("it drops the event, its manifest does not say that it may (permissions.drop)")
		}
		if e.Event != e.origin {
			return nil, errors.New("it drops an event that another plugin has added")
		}
		d.drop = letterOf(e.Event, event.CodePluginDropped, "plugin "+a.id+": "+event.Clip(outcome.Drop.GetReason(), mostOfReason))
	}
	for n, add := range c.GetAdd() {
		added, err := a.added(add, e.Event, n)
		if err != nil {
			return nil, fmt.Errorf("an event that it adds: %w", err)
		}
		d.added = append(d.added, added)
	}
	return d, nil
}

const mostOfReason = 500

// added is a new event beside another.
func (a *asking) added(add *contract.Event, beside *event.Event, n int) (*event.Event, error) {
	e, err := fresh(add)
	if err != nil {
		return nil, err
	}
	if !a.may.add.has(e.Kind) {
		return nil, fmt.Errorf("the manifest does not say that it may add any of kind %q (permissions.add)", e.Kind)
	}
	if e.Tenant != "" && e.Tenant != beside.Tenant {
		return nil, fmt.Errorf("its tenant is %q, that of the event is %q", e.Tenant, beside.Tenant)
	}
	e.Tenant = beside.Tenant
	if e.ID == "" {
		e.ID = fmt.Sprintf("%s/%s/%d", beside.ID, a.id, n)
	}
	if e.Time == 0 {
		e.Time = beside.Time
	}
	if e.Source == "" {
		e.Source = beside.Source
	}
	return e, valid(e)
}

type pricing struct{ of Pricer }

func (s *pricing) plugin() Plugin { return s.of }

func (s *pricing) sees() func(e *event.Event) bool {
	return func(e *event.Event) bool { return e.Kind == event.KindCost && e.Pricing == event.PricingUnpriced }
}

func (s *pricing) ask(ctx context.Context, costs []*passing) error {
	return s.of.Price(ctx, func(p *host.Permissions) []*contract.Event {
		return outgoing(costs, fieldsOf(p.Read))
	}, func(prices []*contract.Price) error {
		priced := make([]event.Event, len(prices))
		for i, p := range prices {
			at := int(p.GetIndex())
			if at >= len(costs) {
				return fmt.Errorf("its answer is of cost %d, it was asked about %d", at, len(costs))
			}
			e, err := price(costs[at].Event, p)
			if err != nil {
				return fmt.Errorf("its price of %q: %w", costs[at].ID, err)
			}
			priced[i] = e
		}
		for i, p := range prices {
			*costs[p.GetIndex()].Event = priced[i]
		}
		return nil
	})
}

// price is a cost with a price. It stands as one that was sent: price books leave it alone.
func price(cost *event.Event, p *contract.Price) (event.Event, error) {
	e := *cost
	var err error
	if e.Dollars, err = event.ParseDecimal([]byte(p.GetDollars())); err != nil {
		return e, fmt.Errorf("dollars %q: %w", p.GetDollars(), err)
	}
	if p.Credits != nil {
		if e.Credits, err = event.ParseDecimal([]byte(p.GetCredits())); err != nil {
			return e, fmt.Errorf("credits %q: %w", p.GetCredits(), err)
		}
	}
	e.Pricing = event.PricingSent
	return e, valid(&e)
}
