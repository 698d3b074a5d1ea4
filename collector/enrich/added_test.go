package enrich_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// enriched passes events through enrichers that say the same of each event.
func enriched(t *testing.T, events []event.Event, each ...func(e *contract.Event) *contract.Change) []enrich.Result {
	t.Helper()
	var enrichers []enrich.Enricher
	for i, of := range each {
		enrichers = append(enrichers, &enrich.Local{Name: "plugin-" + string(rune('a'+i)), May: everything(), Enricher: local(func(events []*contract.Event) ([]*contract.Change, error) {
			var changes []*contract.Change
			for i, e := range events {
				if c := of(e); c != nil {
					c.Index = uint32(i)
					changes = append(changes, c)
				}
			}
			return changes, nil
		})})
	}
	results, err := enrich.New(enrichers, nil, slog.New(slog.DiscardHandler)).Enrich(t.Context(), events)
	require.NoError(t, err)
	return results
}

func ptr[T any](v T) *T { return &v }

func added(more ...*contract.Event) *contract.Change { return &contract.Change{Add: more} }

func costOf() *contract.Event {
	return &contract.Event{Kind: contractv1.Kind_KIND_COST, UserId: ptr("ann"), ActionType: ptr("call"), Credits: ptr("2")}
}

// An event that is added moves with the one that it was added to, unless it has a time of its own.
func TestAddedEventsMoveWithTheirEvent(t *testing.T) {
	corrected := activity("a", "")
	corrected.PreviousTime = corrected.Time - 1000
	own := costOf()
	same := costOf()
	results := enriched(t, []event.Event{corrected}, func(e *contract.Event) *contract.Change {
		same.Timestamp = e.GetTimestamp()
		own.Timestamp = e.GetTimestamp() + 5
		return added(costOf(), same, own)
	})
	require.Len(t, results[0].Added, 3)
	assert.Equal(t, corrected.PreviousTime, results[0].Added[0].PreviousTime)
	assert.Equal(t, corrected.PreviousTime, results[0].Added[1].PreviousTime)
	assert.Equal(t, event.NoTime, results[0].Added[2].PreviousTime)
}

// Ids of added events are the plugin's: no two are alike that are beside different events, and
// none is that of an event that somebody else has sent.
func TestIDsOfAddedEvents(t *testing.T) {
	execution := event.Event{
		Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", ID: "a", Time: 1_700_000_000_000, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, WorkflowID: "w",
	}
	begun := execution
	begun.Status = event.StatusStarted
	long := activity(strings.Repeat("x", event.MaxNameBytes), "")
	longer := activity(strings.Repeat("x", event.MaxNameBytes-1)+"y", "")
	events := []event.Event{execution, begun, activity("a", ""), long, longer}
	before := append([]event.Event{}, events...)
	seen := map[string]bool{}
	for _, r := range enriched(t, events, func(*contract.Event) *contract.Change {
		named := costOf()
		named.Id = "a"
		return added(costOf(), costOf(), named)
	}) {
		for _, e := range r.Added[:2] {
			assert.False(t, seen[e.ID], e.ID)
			seen[e.ID] = true
			assert.True(t, strings.HasPrefix(e.ID, "plugin-a/"), e.ID)
			assert.LessOrEqual(t, len(e.ID), event.MaxNameBytes)
		}
		assert.Equal(t, "plugin-a/a", r.Added[2].ID)
	}
	assert.Len(t, seen, 10)
	assert.Equal(t, before, events)
}

// A plugin may put others in the place of an event.
func TestAnEventMayBeReplaced(t *testing.T) {
	results := enriched(t, []event.Event{activity("a", "")}, func(*contract.Event) *contract.Change {
		c := added(costOf(), costOf())
		c.Outcome = &contractv1.Change_Drop{Drop: &contractv1.Drop{Reason: "two \xff costs"}}
		return c
	})
	require.NotNil(t, results[0].Letter)
	assert.Equal(t, "plugin plugin-a: two \uFFFD costs", results[0].Letter.Message)
	assert.Len(t, results[0].Added, 2)
}

// What one plugin adds another may drop. It was not received: it is no dead letter.
func TestAddedEventsMayBeDropped(t *testing.T) {
	events := []event.Event{activity("a", ""), activity("b", "")}
	results := enriched(t, events, func(*contract.Event) *contract.Change { return added(costOf(), costOf()) }, func(e *contract.Event) *contract.Change {
		if e.GetId() != "plugin-a/activity/a/1" {
			return nil
		}
		return &contract.Change{Outcome: &contractv1.Change_Drop{Drop: &contractv1.Drop{Reason: "no"}}}
	})
	require.Len(t, results[0].Added, 1)
	assert.Equal(t, "plugin-a/activity/a/0", results[0].Added[0].ID)
	assert.Len(t, results[1].Added, 2)
	assert.Nil(t, results[0].Letter)
}

func TestOneEventGetsSoManyAndNoMore(t *testing.T) {
	results := enriched(t, []event.Event{activity("a", ""), activity("b", "")}, func(e *contract.Event) *contract.Change {
		n := contract.MaxAddedToOne
		if e.GetId() == "b" {
			n++
		}
		c := &contract.Change{}
		for range n {
			c.Add = append(c.Add, costOf())
		}
		return c
	})
	assert.Len(t, results[0].Added, contract.MaxAddedToOne)
	assert.Empty(t, results[1].Added, "the plugin's answer is void, and what is part of Flowgauge is skipped then")
}

// A dead letter has the event as it was received: when it is replayed all plugins see it again.
func TestLettersAreOfWhatWasReceived(t *testing.T) {
	cost := event.Event{
		Kind: event.KindCost, Tenant: "acme", ID: "c", Time: 1_700_000_000_000, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, UserID: "ann", ActionType: "call", Credits: decimal(t, "10"),
	}
	double := func(e *contract.Event) *contract.Change {
		d, err := event.ParseDecimal([]byte(e.GetCredits() + "0"))
		require.NoError(t, err)
		return &contract.Change{Outcome: &contractv1.Change_Set{Set: &contract.Event{Credits: ptr(d.String())}}}
	}
	events := []event.Event{cost}
	results := enriched(t, events, double, double, func(*contract.Event) *contract.Change {
		return &contract.Change{Outcome: &contractv1.Change_Drop{Drop: &contractv1.Drop{Reason: "no"}}}
	})
	require.NotNil(t, results[0].Letter)
	var kept map[string]any
	require.NoError(t, json.Unmarshal(results[0].Letter.Payload, &kept))
	assert.EqualValues(t, "10", kept["credits"])

	// So has one of a plugin that cannot be asked.
	failing := &acting{policy: host.DeadLetter, answer: func([]*contract.Event) error { return &host.RefusedError{ID: "acting", Message: "no"} }}
	doubling := &enrich.Local{Name: "doubling", May: everything(), Enricher: local(func(events []*contract.Event) ([]*contract.Change, error) {
		return []*contract.Change{double(events[0])}, nil
	})}
	events = []event.Event{cost}
	results, err := enrich.New([]enrich.Enricher{doubling, failing}, nil, slog.New(slog.DiscardHandler)).Enrich(t.Context(), events)
	require.NoError(t, err)
	require.NotNil(t, results[0].Letter)
	kept = nil
	require.NoError(t, json.Unmarshal(results[0].Letter.Payload, &kept))
	assert.EqualValues(t, "10", kept["credits"])
	assert.Equal(t, "100", events[0].Credits.String())
}

// Dollars of nought are dollars, and a time of nought is none.
func TestNoughts(t *testing.T) {
	free := event.Event{
		Kind: event.KindCost, Tenant: "acme", ID: "c", Time: 1_700_000_000_000, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, UserID: "ann", ActionType: "call", Credits: decimal(t, "10"),
	}
	unpriced := free
	unpriced.Pricing = event.PricingUnpriced
	execution := event.Event{
		Kind: event.KindExecution, Status: event.StatusFailed, Tenant: "acme", ID: "a", Time: 1_700_000_000_000, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: 1_699_999_999_000, WorkflowID: "w", ErrorType: "x", Attempt: 3,
	}
	events := []event.Event{free, unpriced, execution}
	var dollars []*string
	enriched(t, events, func(e *contract.Event) *contract.Change {
		dollars = append(dollars, e.DollarAmount)
		if e.GetKind() != contractv1.Kind_KIND_EXECUTION {
			return nil
		}
		return &contract.Change{Outcome: &contractv1.Change_Set{Set: &contract.Event{QueuedTime: ptr[int64](0), Attempt: ptr[uint32](0), ErrorType: ptr("")}}}
	})
	assert.Equal(t, []*string{ptr("0"), nil, nil}, dollars)
	assert.Equal(t, event.NoTime, events[2].QueuedTime)
	assert.Zero(t, events[2].Attempt)
	assert.Empty(t, events[2].ErrorType)

	empty := costOf()
	empty.DollarAmount = ptr("")
	results := enriched(t, []event.Event{activity("a", "")}, func(*contract.Event) *contract.Change { return added(empty) })
	assert.Equal(t, event.PricingUnpriced, results[0].Added[0].Pricing)
}

func TestACostHasOnePrice(t *testing.T) {
	cost := event.Event{
		Kind: event.KindCost, Tenant: "acme", ID: "c", Time: 1_700_000_000_000, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, UserID: "ann", ActionType: "call", Credits: decimal(t, "10"), Pricing: event.PricingUnpriced,
	}
	p := &twice{acting{policy: host.DeadLetter}}
	costs := []event.Event{cost}
	results, err := enrich.New(nil, []enrich.Pricer{p}, slog.New(slog.DiscardHandler)).Enrich(t.Context(), costs)
	require.NoError(t, err)
	require.NotNil(t, results[0].Letter)
	assert.Contains(t, results[0].Letter.Message, "two prices of cost 0")
}

// twice is a pricer that has two prices of everything.
type twice struct{ acting }

func (p *twice) Price(_ context.Context, request func(*host.Permissions) []*contract.Event, take func([]*contract.Price) error) error {
	request(p.Permissions())
	return take([]*contract.Price{{Dollars: "1"}, {Dollars: "2"}})
}

// An event that is added has to say as much as one that is sent.
func TestAnAddedCostSaysWhatItIsOf(t *testing.T) {
	nothing := costOf()
	nothing.Credits = nil
	results := enriched(t, []event.Event{activity("a", "")}, func(*contract.Event) *contract.Change { return added(nothing) })
	assert.Empty(t, results[0].Added)
}
