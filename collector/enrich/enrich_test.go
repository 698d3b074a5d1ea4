package enrich_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	hosttest.Remove()
	os.Exit(code)
}

// activity is an event of a user.
func activity(id, metadata string) event.Event {
	return event.Event{
		Kind: event.KindActivity, Tenant: "acme", ID: id, Time: 1_700_000_000_000, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		UserID: "ann", Action: "open", Metadata: metadata,
	}
}

// remote is a chain through test-misbehave.
func remote(t *testing.T, how string, all bool, policy host.Policy) *enrich.Chain {
	t.Helper()
	return chainOf(t, hosttest.Misbehave(t, nil), host.Use{Settings: hosttest.Settings(t, how, all), OnFailure: policy, Timeout: 3 * time.Second})
}

func chainOf(t testing.TB, plugins string, use host.Use) *enrich.Chain {
	t.Helper()
	use.ID = "test-misbehave"
	h, err := host.New(host.Config{Dir: plugins, Use: []host.Use{use}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	p := enrich.Remote{Plugin: h.Plugins(contract.ExtensionEnricher)[0]}
	return enrich.New([]enrich.Enricher{p}, nil, slog.New(slog.DiscardHandler))
}

// Of three events the second is the plugin's undoing. Whatever it does, no event is lost, and
// the others are as they are to be.
func TestMisbehaviourLosesNoEvent(t *testing.T) {
	for how, why := range map[string]string{
		"crash":      "its process has gone",
		"panic":      "its process has gone",
		"hang":       "no answer within 3s (timeout)",
		"error":      "the directory of users does not answer",
		"index":      "its answer is of event 1048576, it was asked about",
		"identity":   "cannot be changed",
		"permission": "it changes userId, its manifest does not say that it may (permissions.write)",
		"invalid":    "too_long",
		"add":        `may add any of kind "cost"`,
		"tenant":     `its tenant is "another", that of the event is "acme"`,
		"big":        "message larger than max",
	} {
		for _, policy := range []host.Policy{host.Skip, host.DeadLetter} {
			t.Run(how+" "+string(policy), func(t *testing.T) {
				t.Parallel()
				chain := remote(t, how, false, policy)
				events := []event.Event{activity("a", `{"a":"fine"}`), activity("b", `{"a":"poison"}`), activity("c", `{"a":"fine"}`)}
				results, err := chain.Enrich(t.Context(), events)
				require.NoError(t, err)
				assert.Equal(t, []string{"enriched", "", "enriched"}, []string{events[0].Source, events[1].Source, events[2].Source})
				assert.Nil(t, results[0].Letter)
				assert.Nil(t, results[2].Letter)
				if policy == host.Skip {
					assert.Nil(t, results[1].Letter)
					return
				}
				letter := results[1].Letter
				require.NotNil(t, letter)
				assert.Equal(t, event.CodePluginFailed, letter.Code)
				assert.Contains(t, letter.Message, why)
				assert.Contains(t, letter.Message, "test-misbehave")
				var kept map[string]any
				require.NoError(t, json.Unmarshal(letter.Payload, &kept))
				assert.Equal(t, "b", kept["id"])
			})
		}
	}
}

func TestEventsWaitForAPluginThatHoldsThem(t *testing.T) {
	plugins := t.TempDir()
	installed := hosttest.Install(t, plugins, nil)
	program := installed.Dir + "/misbehave"
	good, err := os.ReadFile(program)
	require.NoError(t, err)
	require.NoError(t, os.Remove(program))
	chain := chainOf(t, plugins, host.Use{Settings: hosttest.Settings(t, "", false), OnFailure: host.Hold, Timeout: time.Minute})
	events := []event.Event{activity("a", "")}
	done := make(chan error, 1)
	go func() {
		_, err := chain.Enrich(t.Context(), events)
		done <- err
	}()
	require.Eventually(t, func() bool {
		return chain.Err() != nil && strings.Contains(chain.Err().Error(), "plugin test-misbehave holds them")
	}, time.Minute, 10*time.Millisecond)
	assert.NotContains(t, chain.Err().Error(), "misbehave is missing", "who asks may be anybody")
	require.NoError(t, os.WriteFile(program, good, 0o700))
	require.NoError(t, <-done)
	assert.Equal(t, "enriched", events[0].Source)
	assert.NoError(t, chain.Err())
}

func TestWhoStopsWaitingChangesNothing(t *testing.T) {
	chain := remote(t, "error", true, host.Hold)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	events := []event.Event{activity("a", "")}
	_, err := chain.Enrich(ctx, events)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Empty(t, events[0].Source)
	assert.NoError(t, chain.Err(), "nothing waits any more")
}

func TestDroppedEventsAreKept(t *testing.T) {
	chain := remote(t, "drop", false, host.Hold)
	events := []event.Event{activity("a", `{"a":"poison"}`), activity("b", "")}
	results, err := chain.Enrich(t.Context(), events)
	require.NoError(t, err)
	require.NotNil(t, results[0].Letter)
	assert.Equal(t, event.CodePluginDropped, results[0].Letter.Code)
	assert.Equal(t, "plugin test-misbehave: it is not wanted", results[0].Letter.Message)
	assert.Nil(t, results[1].Letter)
}

// local is an enricher of this process.
type local func(events []*contract.Event) ([]*contract.Change, error)

func (l local) Enrich(_ context.Context, events []*contract.Event) ([]*contract.Change, error) {
	return l(events)
}

func everything() host.Permissions {
	return host.Permissions{Kinds: contract.Kinds, Read: contract.Fields, Write: contract.Fields, Add: contract.Kinds, Drop: true}
}

// Each field that a plugin may see and set comes back as it went.
func TestEveryFieldThereAndBack(t *testing.T) {
	execution := event.Event{
		Kind: event.KindExecution, Status: event.StatusFailed, Tenant: "acme", Source: "n8n", ID: "e1", Time: 1_700_000_000_000, PreviousTime: event.NoTime,
		EndTime: event.NoTime, QueuedTime: 1_699_999_999_000, Duration: 12, WorkflowID: "w", WorkflowVersion: 3, UserID: "ann", Attempt: 2,
		TriggerID: "t", TriggerType: "webhook", StepCount: 4, ErrorType: "timeout", ErrorMessage: "too late", Metadata: `{"a":1}`,
	}
	step := event.Event{
		Kind: event.KindStep, Status: event.StatusCompleted, Tenant: "acme", ID: "s1", Time: 1_700_000_000_000, PreviousTime: event.NoTime, EndTime: 1_700_000_000_500,
		QueuedTime: event.NoTime, Duration: 500, WorkflowID: "w", ExecutionID: "e1", StepID: "fetch", StepType: "http", InputSize: 10, OutputSize: 20, DependsOn: []string{"s0"},
		Credits: decimal(t, "0.25"),
	}
	cost := event.Event{
		Kind: event.KindCost, Tenant: "acme", ID: "c1", Time: 1_700_000_000_000, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		UserID: "ann", WorkflowID: "w", ExecutionID: "e1", ActionType: "call", Credits: decimal(t, "3"), Dollars: decimal(t, "-0.000000000000001"),
	}
	act := activity("a1", "")
	act.SessionID, act.Resource, act.ResourceID, act.Duration = "s", "workflow", "w", 7
	before := []event.Event{execution, step, cost, act}
	events := append([]event.Event{}, before...)
	seen := 0
	chain := enrich.New([]enrich.Enricher{&enrich.Local{Name: "echo", May: everything(), Enricher: local(func(events []*contract.Event) ([]*contract.Change, error) {
		var changes []*contract.Change
		for i, e := range events {
			seen++
			e.Kind, e.Status, e.Id, e.TenantId, e.Timestamp, e.DependsOn = 0, 0, "", "", 0, nil
			changes = append(changes, &contract.Change{Index: uint32(i), Outcome: &contractv1.Change_Set{Set: e}})
		}
		return changes, nil
	})}}, nil, slog.New(slog.DiscardHandler))
	_, err := chain.Enrich(t.Context(), events)
	require.NoError(t, err)
	assert.Equal(t, 4, seen)
	assert.Equal(t, before, events)
}

func decimal(t *testing.T, text string) event.Decimal {
	d, err := event.ParseDecimal([]byte(text))
	require.NoError(t, err)
	return d
}

// A plugin sees the kinds and the fields of its manifest, and no others.
func TestAPluginSeesWhatItMay(t *testing.T) {
	var saw []*contract.Event
	chain := enrich.New([]enrich.Enricher{&enrich.Local{
		Name: "curious", May: host.Permissions{Kinds: []string{"activity"}, Read: []string{"action"}},
		Enricher: local(func(events []*contract.Event) ([]*contract.Change, error) {
			saw = events
			return nil, nil
		}),
	}}, nil, slog.New(slog.DiscardHandler))
	cost := event.Event{Kind: event.KindCost, Tenant: "acme", ID: "c", Time: 1, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, UserID: "ann"}
	_, err := chain.Enrich(t.Context(), []event.Event{cost, activity("a", `{"secret":1}`)})
	require.NoError(t, err)
	require.Len(t, saw, 1)
	assert.Equal(t, "open", saw[0].GetAction())
	assert.Nil(t, saw[0].UserId)
	assert.Nil(t, saw[0].Metadata)
}

// Events that one plugin adds pass the next one, and have an id of their own that is the same
// whenever they are added.
func TestAddedEvents(t *testing.T) {
	adds := &enrich.Local{Name: "adds", May: everything(), Enricher: local(func(events []*contract.Event) ([]*contract.Change, error) {
		var changes []*contract.Change
		for i := range events {
			user, credits := "ann", "2"
			changes = append(changes, &contract.Change{Index: uint32(i), Add: []*contract.Event{
				{Kind: contractv1.Kind_KIND_COST, UserId: &user, Credits: &credits}, {Kind: contractv1.Kind_KIND_COST, Id: "own", UserId: &user, Credits: &credits},
			}})
		}
		return changes, nil
	})}
	marks := &enrich.Local{Name: "marks", May: everything(), Enricher: local(func(events []*contract.Event) ([]*contract.Change, error) {
		var changes []*contract.Change
		for i := range events {
			source := "marked"
			change := &contract.Change{Index: uint32(i), Outcome: &contractv1.Change_Set{Set: &contract.Event{Source: &source}}}
			if events[i].GetId() == "a" { // while it changes what was added to the same event
				user, credits := "bob", "3"
				change.Add = []*contract.Event{{Kind: contractv1.Kind_KIND_COST, UserId: &user, Credits: &credits, Source: &source}}
			}
			changes = append(changes, change)
		}
		return changes, nil
	})}
	chain := enrich.New([]enrich.Enricher{adds, marks}, nil, slog.New(slog.DiscardHandler))
	for range 2 {
		events := []event.Event{activity("a", "")}
		results, err := chain.Enrich(t.Context(), events)
		require.NoError(t, err)
		assert.Equal(t, "marked", events[0].Source)
		var all []string
		for _, e := range results[0].Added {
			all = append(all, fmt.Sprint(e.ID, " ", e.Source, " ", e.Tenant, " ", e.Time == events[0].Time, " ", e.Pricing == event.PricingUnpriced))
		}
		assert.Equal(t, []string{"adds/activity/a/0 marked acme true true", "adds/own marked acme true true", "marks/activity/a/0 marked acme true true"}, all)
	}
}

// A cost without its dollars is one that the source has sent none for: pricers and the price
// books say what it costs. No dollars are a price too.
func TestDollarsThatAreRemovedAreNotAPrice(t *testing.T) {
	for text, want := range map[string]event.Pricing{"": event.PricingUnpriced, "0": event.PricingSent, "2.5": event.PricingSent} {
		chain := enrich.New([]enrich.Enricher{&enrich.Local{Name: "sets", May: everything(), Enricher: local(func([]*contract.Event) ([]*contract.Change, error) {
			return []*contract.Change{{Outcome: &contractv1.Change_Set{Set: &contract.Event{DollarAmount: &text}}}}, nil
		})}}, nil, slog.New(slog.DiscardHandler))
		costs := []event.Event{{
			Kind: event.KindCost, Tenant: "acme", ID: "c", Time: 1, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
			UserID: "ann", Credits: decimal(t, "2"), Dollars: decimal(t, "9"),
		}}
		_, err := chain.Enrich(t.Context(), costs)
		require.NoError(t, err)
		assert.Equal(t, want, costs[0].Pricing, text)
		assert.Equal(t, decimal(t, cmp.Or(text, "0")), costs[0].Dollars)
	}
}

func TestPricers(t *testing.T) {
	for how, want := range map[string]string{"": "1.5", "none": "0"} {
		h, err := host.New(host.Config{Dir: hosttest.Misbehave(t, nil), Use: []host.Use{{
			ID: "test-misbehave", Settings: hosttest.Settings(t, how, false), OnFailure: host.Hold, Timeout: time.Minute,
		}}})
		require.NoError(t, err)
		go h.Run(t.Context())
		chain := enrich.New(nil, []enrich.Pricer{enrich.Remote{Plugin: h.Plugins(contract.ExtensionPricer)[0]}}, slog.New(slog.DiscardHandler))
		sent := event.Event{Kind: event.KindCost, Tenant: "acme", ID: "c", Time: 1, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, UserID: "ann", Credits: decimal(t, "2"), Dollars: decimal(t, "9")}
		unpriced := sent
		unpriced.Dollars, unpriced.Pricing = event.Decimal{}, event.PricingUnpriced
		costs := []event.Event{sent, unpriced}
		_, err = chain.Enrich(t.Context(), costs)
		require.NoError(t, err)
		assert.Equal(t, "9", costs[0].Dollars.String(), "what the source says stands")
		assert.Equal(t, want, costs[1].Dollars.String())
		assert.Equal(t, how == "none", costs[1].Pricing == event.PricingUnpriced, "what has no price is the price books'")
	}
}
