package pricing

import (
	"encoding/json"

	"github.com/flowgauge/flowgauge/backend/event"
)

// rule is a Rule whose texts have been read.
type rule struct {
	name              string
	match             Match
	from, until       int64
	perEvent          event.Decimal
	perCredit         event.Decimal
	byEvent, byCredit bool
	perUnit           []unit
}

type unit struct {
	name string
	rate event.Decimal
}

// prices are a book that is ready to use.
type prices struct {
	revision uint64
	rules    []rule
}

// price fills in a cost's dollars, when a rule has a price for it. The cost's
// source has sent none.
func (p *prices) price(e *event.Event) {
	e.Dollars, e.Pricing, e.PriceRevision = event.Decimal{}, event.PricingUnpriced, 0
	fields := metadata{text: e.Metadata}
	for i := range p.rules {
		r := &p.rules[i]
		if !r.holds(e, &fields) {
			continue
		}
		if dollars, ok := r.amount(e, &fields); ok {
			e.Dollars, e.Pricing, e.PriceRevision = dollars, event.PricingDerived, p.revision
			return
		}
	}
}

func (r *rule) holds(e *event.Event, fields *metadata) bool {
	m := &r.match
	if r.from != noBound && e.Time < r.from || r.until != noBound && e.Time >= r.until ||
		!matches(m.ActionType, e.ActionType) || !matches(m.WorkflowID, e.WorkflowID) ||
		!matches(m.UserID, e.UserID) || !matches(m.Source, e.Source) {
		return false
	}
	for name, pattern := range m.Metadata {
		if text, ok := fields.value(name); !ok || !matches(pattern, text) {
			return false
		}
	}
	return true
}

// amount returns what a cost costs. A rule by units has no price for a cost without
// any of them, and none for one whose units are no numbers: a wrong amount would be
// billed, a missing one is seen.
func (r *rule) amount(e *event.Event, fields *metadata) (total event.Decimal, ok bool) {
	ok = r.byEvent || r.byCredit
	total = r.perEvent
	part, fits := e.Credits.Mul(r.perCredit)
	if !fits {
		return total, false
	}
	total = total.Add(part)
	for _, u := range r.perUnit {
		text, present := fields.value(u.name)
		if !present {
			continue
		}
		n, err := event.ParseDecimal([]byte(text))
		if err != nil {
			return total, false
		}
		if part, fits = n.Mul(u.rate); !fits {
			return total, false
		}
		total, ok = total.Add(part), true
	}
	return total, ok
}

// metadata reads an event's metadata when it is needed for the first time.
type metadata struct {
	text   string
	fields map[string]json.RawMessage
}

// value returns a field at the top level: a string's text, or a number or a
// boolean as it is written.
func (m *metadata) value(name string) (string, bool) {
	if m.fields == nil {
		m.fields = map[string]json.RawMessage{}
		if m.text != "" {
			_ = json.Unmarshal([]byte(m.text), &m.fields) // checked when it was received
		}
	}
	raw, ok := m.fields[name]
	if !ok || len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || raw[0] == 'n' {
		return "", false
	}
	if raw[0] != '"' {
		return string(raw), true
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}
