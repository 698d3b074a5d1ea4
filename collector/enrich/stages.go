package enrich

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

type enriching struct {
	of     Enricher
	counts counters
}

func (s *enriching) plugin() Plugin { return s.of }

func (s *enriching) sees() func(e *event.Event) bool {
	kinds := kindsOf(s.of.Permissions().Kinds)
	return func(e *event.Event) bool { return kinds.has(e.Kind) }
}

func (s *enriching) ask(ctx context.Context, events []*passing) error {
	a := asking{id: s.of.ID(), counts: s.counts}
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
	counts counters
}

// take does what an answer says, all of it or nothing.
func (a *asking) take(changes []*contract.Change) error {
	done, err := a.read(changes)
	if err != nil {
		return err
	}
	for i, d := range done {
		if d != nil {
			a.apply(d, a.events[i])
		}
	}
	return nil
}

// decision is what a plugin has said of an event.
type decision struct {
	set    *event.Event
	drop   bool
	reason string
	added  []*event.Event
}

func (a *asking) apply(d *decision, e *passing) {
	if d.set != nil {
		e.become(d.set)
		a.counts[outcomeChanged].Inc()
	}
	if d.drop {
		a.counts[outcomeDropped].Inc()
	}
	a.counts[outcomeAdded].Add(float64(len(d.added)))
	switch {
	case d.drop && e.Event == e.origin:
		e.result.Letter = e.result.letter(e.Event, event.CodePluginDropped, "plugin "+a.id+": "+d.reason)
	case d.drop: // It was not received, and is added again whenever what it was added to comes again.
		e.result.Added = slices.DeleteFunc(e.result.Added, func(added *event.Event) bool { return added == e.Event })
	}
	e.result.Added = append(e.result.Added, d.added...)
}

// become changes the event, and keeps what it was before the first change.
func (p *passing) become(now *event.Event) {
	*p.Event, *now = *now, *p.Event
	if p.Event == p.origin && p.result.received == nil {
		p.result.received = now
	}
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
		d.drop, d.reason = true, event.Clip(strings.ToValidUTF8(outcome.Drop.GetReason(), "\uFFFD"), mostOfReason)
	}
	if n := len(c.GetAdd()); n > contract.MaxAddedToOne {
		return nil, fmt.Errorf("it adds %d events to one: %d at most", n, contract.MaxAddedToOne)
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
	e.ID = a.idOf(e.ID, beside, n)
	if e.Time == 0 || e.Time == beside.Time {
		// Where that one has moved, this one moves with it, and does not stay at both times.
		e.Time, e.PreviousTime = beside.Time, beside.PreviousTime
	}
	if e.Source == "" {
		e.Source = beside.Source
	}
	if fault := event.ValidateNew(e); fault != nil {
		return nil, fault
	}
	return e, nil
}

// idOf is the id of an added event. The plugin's own id stands before it, so that it never takes
// the place of an event that somebody else has sent.
func (a *asking) idOf(given string, beside *event.Event, n int) string {
	if given != "" {
		return a.id + "/" + given
	}
	// An execution that begins and its end have one id.
	of := beside.Kind.String()
	if beside.Status == event.StatusStarted {
		of += "-started"
	}
	id := fmt.Sprintf("%s/%s/%s/%d", a.id, of, beside.ID, n)
	if len(id) > event.MaxNameBytes {
		id = fmt.Sprintf("%s/%s/%x/%d", a.id, of, sha256.Sum256([]byte(beside.ID)), n)
	}
	return id
}

type pricing struct {
	of     Pricer
	counts counters
}

func (s *pricing) plugin() Plugin { return s.of }

func (s *pricing) sees() func(e *event.Event) bool {
	return func(e *event.Event) bool { return e.Kind == event.KindCost && e.Pricing == event.PricingUnpriced }
}

func (s *pricing) ask(ctx context.Context, costs []*passing) error {
	return s.of.Price(ctx, func(p *host.Permissions) []*contract.Event {
		return outgoing(costs, fieldsOf(p.Read))
	}, func(prices []*contract.Price) error {
		priced := make([]*event.Event, len(costs))
		for _, p := range prices {
			at := int(p.GetIndex())
			if at >= len(costs) {
				return fmt.Errorf("its answer is of cost %d, it was asked about %d", at, len(costs))
			}
			if priced[at] != nil {
				return fmt.Errorf("its answer has two prices of cost %d", at)
			}
			var err error
			if priced[at], err = price(costs[at].Event, p); err != nil {
				return fmt.Errorf("its price of %q: %w", costs[at].ID, err)
			}
		}
		for i, e := range priced {
			if e != nil {
				costs[i].become(e)
				s.counts[outcomeChanged].Inc()
			}
		}
		return nil
	})
}

// price is a cost with a price. It stands as one that was sent: price books leave it alone.
func price(cost *event.Event, p *contract.Price) (*event.Event, error) {
	e := *cost
	var err error
	if e.Dollars, err = event.ParseDecimal([]byte(p.GetDollars())); err != nil {
		return nil, fmt.Errorf("dollars %q: %w", p.GetDollars(), err)
	}
	if p.Credits != nil {
		if e.Credits, err = event.ParseDecimal([]byte(p.GetCredits())); err != nil {
			return nil, fmt.Errorf("credits %q: %w", p.GetCredits(), err)
		}
	}
	e.Pricing = event.PricingSent
	return &e, valid(&e)
}
