package enrich

import (
	"errors"
	"fmt"
	"slices"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// fields is a set of contract.Fields, by their place there.
type fields uint64

func fieldsOf(names []string) (s fields) {
	for _, name := range names {
		s |= bit(name)
	}
	return s
}

func bit(name string) fields { return 1 << slices.Index(contract.Fields, name) }

// kinds is a set of kinds.
type kinds uint8

func (k kinds) has(kind event.Kind) bool { return k&(1<<kind) != 0 }

func kindsOf(names []string) (s kinds) {
	for _, kind := range event.Kinds {
		if slices.Contains(names, kind.String()) {
			s |= 1 << kind
		}
	}
	return s
}

// permissions are those of a plugin, ready to use.
type permissions struct {
	kinds, add  kinds
	read, write fields
	drop        bool
}

func permissionsOf(m *host.Permissions) permissions {
	return permissions{kinds: kindsOf(m.Kinds), add: kindsOf(m.Add), read: fieldsOf(m.Read), write: fieldsOf(m.Write), drop: m.Drop}
}

// A mapping is a field of both sorts of event. Each function is called for the kinds that
// have the field only.
type mapping struct {
	bit  fields
	name string
	// out points at the field, where it has a value.
	out func(e *event.Event, to *contract.Event)
	// in takes the value of a field that is present.
	in func(from *contract.Event, e *event.Event) (present bool, err error)
}

func text(name string, of func(*event.Event) *string, to func(*contract.Event) **string) mapping {
	return mapping{
		bit: bit(name), name: name,
		out: func(e *event.Event, c *contract.Event) {
			if value := of(e); *value != "" {
				*to(c) = value
			}
		},
		in: func(c *contract.Event, e *event.Event) (bool, error) {
			value := *to(c)
			if value == nil {
				return false, nil
			}
			*of(e) = *value
			return true, nil
		},
	}
}

func number[T int64 | uint32](name string, absent T, of func(*event.Event) *T, to func(*contract.Event) **T) mapping {
	return mapping{
		bit: bit(name), name: name,
		out: func(e *event.Event, c *contract.Event) {
			if value := of(e); *value != absent {
				*to(c) = value
			}
		},
		in: func(c *contract.Event, e *event.Event) (bool, error) {
			value := *to(c)
			if value == nil {
				return false, nil
			}
			if *of(e) = *value; *value == 0 {
				*of(e) = absent // nought removes it, as the empty text does
			}
			return true, nil
		},
	}
}

// amount has a value where sent says so: an amount of 0 need not be none.
func amount(name string, sent func(*event.Event) bool, of func(*event.Event) *event.Decimal, to func(*contract.Event) **string) mapping {
	return mapping{
		bit: bit(name), name: name,
		out: func(e *event.Event, c *contract.Event) {
			if sent(e) {
				digits := of(e).String()
				*to(c) = &digits
			}
		},
		in: func(c *contract.Event, e *event.Event) (bool, error) {
			value := *to(c)
			if value == nil {
				return false, nil
			}
			d := event.Decimal{}
			if *value != "" {
				var err error
				if d, err = event.ParseDecimal([]byte(*value)); err != nil {
					return true, fmt.Errorf("%s %q: %w", name, *value, err)
				}
			}
			*of(e) = d
			return true, nil
		},
	}
}

var mappings = []mapping{
	text("source", func(e *event.Event) *string { return &e.Source }, func(c *contract.Event) **string { return &c.Source }),
	number("endTime", event.NoTime, func(e *event.Event) *int64 { return &e.EndTime }, func(c *contract.Event) **int64 { return &c.EndTime }),
	number("queuedTime", event.NoTime, func(e *event.Event) *int64 { return &e.QueuedTime }, func(c *contract.Event) **int64 { return &c.QueuedTime }),
	number("duration", 0, func(e *event.Event) *int64 { return &e.Duration }, func(c *contract.Event) **int64 { return &c.Duration }),
	text("workflowId", func(e *event.Event) *string { return &e.WorkflowID }, func(c *contract.Event) **string { return &c.WorkflowId }),
	number("workflowVersion", 0, func(e *event.Event) *uint32 { return &e.WorkflowVersion }, func(c *contract.Event) **uint32 { return &c.WorkflowVersion }),
	text("userId", func(e *event.Event) *string { return &e.UserID }, func(c *contract.Event) **string { return &c.UserId }),
	text("executionId", func(e *event.Event) *string { return &e.ExecutionID }, func(c *contract.Event) **string { return &c.ExecutionId }),
	number("attempt", 0, func(e *event.Event) *uint32 { return &e.Attempt }, func(c *contract.Event) **uint32 { return &c.Attempt }),
	text("triggerId", func(e *event.Event) *string { return &e.TriggerID }, func(c *contract.Event) **string { return &c.TriggerId }),
	text("triggerType", func(e *event.Event) *string { return &e.TriggerType }, func(c *contract.Event) **string { return &c.TriggerType }),
	number("stepCount", 0, func(e *event.Event) *uint32 { return &e.StepCount }, func(c *contract.Event) **uint32 { return &c.StepCount }),
	text("errorType", func(e *event.Event) *string { return &e.ErrorType }, func(c *contract.Event) **string { return &c.ErrorType }),
	text("errorMessage", func(e *event.Event) *string { return &e.ErrorMessage }, func(c *contract.Event) **string { return &c.ErrorMessage }),
	text("stepId", func(e *event.Event) *string { return &e.StepID }, func(c *contract.Event) **string { return &c.StepId }),
	text("stepType", func(e *event.Event) *string { return &e.StepType }, func(c *contract.Event) **string { return &c.StepType }),
	number("inputSize", 0, func(e *event.Event) *int64 { return &e.InputSize }, func(c *contract.Event) **int64 { return &c.InputSize }),
	number("outputSize", 0, func(e *event.Event) *int64 { return &e.OutputSize }, func(c *contract.Event) **int64 { return &c.OutputSize }),
	text("actionType", func(e *event.Event) *string { return &e.ActionType }, func(c *contract.Event) **string { return &c.ActionType }),
	amount("credits", func(e *event.Event) bool { return !e.Credits.IsZero() }, func(e *event.Event) *event.Decimal { return &e.Credits }, func(c *contract.Event) **string { return &c.Credits }),
	amount("dollarAmount", func(e *event.Event) bool {
		return e.Kind == event.KindCost && e.Pricing == event.PricingSent || !e.Dollars.IsZero()
	}, func(e *event.Event) *event.Decimal { return &e.Dollars }, func(c *contract.Event) **string { return &c.DollarAmount }),
	text("sessionId", func(e *event.Event) *string { return &e.SessionID }, func(c *contract.Event) **string { return &c.SessionId }),
	text("action", func(e *event.Event) *string { return &e.Action }, func(c *contract.Event) **string { return &c.Action }),
	text("resource", func(e *event.Event) *string { return &e.Resource }, func(c *contract.Event) **string { return &c.Resource }),
	text("resourceId", func(e *event.Event) *string { return &e.ResourceID }, func(c *contract.Event) **string { return &c.ResourceId }),
	text("metadata", func(e *event.Event) *string { return &e.Metadata }, func(c *contract.Event) **string { return &c.Metadata }),
}

// weight is about how many bytes an event takes in a message.
func weight(e *event.Event) int {
	n := 256 + len(e.ID) + len(e.Tenant) + len(e.Source) + len(e.WorkflowID) + len(e.UserID) + len(e.ExecutionID) + len(e.TriggerID) + len(e.TriggerType) +
		len(e.ErrorType) + len(e.ErrorMessage) + len(e.StepID) + len(e.StepType) + len(e.ActionType) + len(e.SessionID) + len(e.Action) + len(e.Resource) +
		len(e.ResourceID) + len(e.Metadata)
	for _, step := range e.DependsOn {
		n += 4 + len(step)
	}
	return n
}

var dependsOn, dollarAmount = bit("dependsOn"), bit("dollarAmount")

// mapped are the mappings of some fields.
func mapped(some fields) []mapping {
	var list []mapping
	for _, m := range mappings {
		if some&m.bit != 0 {
			list = append(list, m)
		}
	}
	return list
}

// outgoing are events as a plugin may see them. They point into the events.
func outgoing(events []*passing, read fields) []*contract.Event {
	list := mapped(read)
	all := make([]contractv1.Event, len(events))
	out := make([]*contract.Event, len(events))
	for i, e := range events {
		c := &all[i]
		c.Kind, c.Status = contractv1.Kind(e.Kind), contractv1.Status(e.Status)
		c.Id, c.TenantId, c.Timestamp = e.ID, e.Tenant, e.Time
		for _, m := range list {
			m.out(e.Event, c)
		}
		if read&dependsOn != 0 {
			c.DependsOn = e.DependsOn
		}
		out[i] = c
	}
	return out
}

// changed is an event with the values that a plugin has set.
func changed(e *event.Event, set *contract.Event, write fields) (*event.Event, error) {
	if set == nil || set.Kind != 0 || set.Id != "" || set.TenantId != "" || set.Timestamp != 0 || set.Status != 0 || len(set.DependsOn) > 0 {
		return nil, errors.New("kind, id, tenantId, timestamp, status and dependsOn cannot be changed; leave them out")
	}
	c := *e
	for _, m := range mappings {
		present, err := m.in(set, &c)
		if err != nil {
			return nil, err
		}
		if present && write&m.bit == 0 {
			return nil, fmt.Errorf("it changes %s, its manifest does not say that it may (permissions.write)", m.name)
		}
		if present && m.bit == dollarAmount {
			c.Pricing = event.PricingSent
			if set.GetDollarAmount() == "" { // removed, as if none had been sent
				c.Pricing = event.PricingUnpriced
			}
		}
	}
	return &c, valid(&c)
}

// fresh is an event that a plugin has made.
func fresh(c *contract.Event) (*event.Event, error) {
	e := &event.Event{
		Kind: event.Kind(c.GetKind()), Status: event.Status(c.GetStatus()), ID: c.GetId(), Tenant: c.GetTenantId(), Time: c.GetTimestamp(),
		PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, DependsOn: c.GetDependsOn(),
	}
	for _, m := range mappings {
		if _, err := m.in(c, e); err != nil {
			return nil, err
		}
	}
	if e.Kind == event.KindCost && c.GetDollarAmount() == "" {
		e.Pricing = event.PricingUnpriced
	}
	return e, nil
}
