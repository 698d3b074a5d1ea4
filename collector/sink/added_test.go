package sink_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// saying is an enricher that says the same of each event.
type saying func(e *contract.Event) *contract.Change

func (s saying) Enrich(_ context.Context, events []*contract.Event) (out []*contract.Change, err error) {
	for i, e := range events {
		c := s(e)
		c.Index = uint32(i)
		out = append(out, c)
	}
	return out, nil
}

func (r *rig) passing(may host.Permissions, says saying) {
	r.enrich = enrich.New([]enrich.Enricher{&enrich.Local{Name: "acme", May: may, Enricher: says}}, nil, slog.New(slog.DiscardHandler))
}

func opened(id string, at, before int64) event.Event {
	return event.Event{
		Kind: event.KindActivity, Tenant: "t", Source: "n8n", ID: id, Time: at, PreviousTime: before, EndTime: event.NoTime, QueuedTime: event.NoTime, UserID: "ann", Action: "open",
	}
}

func costing() *contract.Event {
	user, dollars := "ann", "2"
	return &contract.Event{Kind: contractv1.Kind_KIND_COST, UserId: &user, DollarAmount: &dollars}
}

// What is added to an event whose time is corrected counts once, as the event does.
func TestWhatIsAddedMovesWithItsEvent(t *testing.T) {
	r := newRig(t)
	r.passing(host.Permissions{Kinds: []string{"activity"}, Add: []string{"cost"}}, func(*contract.Event) *contract.Change {
		return &contract.Change{Add: []*contract.Event{costing()}}
	})
	r.accept(opened("a", base, event.NoTime))
	r.drain()
	r.accept(opened("a", base+60_000, base))
	r.drain()
	assert.Equal(t, []string{"1"}, r.lines("SELECT toString(count()) AS line FROM activity FINAL"))
	assert.Equal(t, []string{"1 of 2 dollars"}, r.lines("SELECT concat(toString(count()), ' of ', toString(sum(dollars)), ' dollars') AS line FROM costs FINAL"))
}

// An event that is added takes no other's place.
func TestWhatIsAddedStandsBesideWhatWasSent(t *testing.T) {
	r := newRig(t)
	user, action := "mallory", "nothing"
	r.passing(host.Permissions{Kinds: []string{"activity"}, Add: []string{"activity"}}, func(e *contract.Event) *contract.Change {
		return &contract.Change{Add: []*contract.Event{{Kind: contractv1.Kind_KIND_ACTIVITY, Id: e.GetId(), UserId: &user, Action: &action}}}
	})
	r.accept(opened("a", base, event.NoTime))
	r.drain()
	assert.Equal(t, []string{"a ann open", "acme/a mallory nothing"}, r.lines("SELECT concat(id, ' ', user_id, ' ', action) AS line FROM activity FINAL ORDER BY id"))
}

// Others may stand in an event's place, and a source that a plugin has changed has its rows where
// they are stored, and its receipts where they came from.
func TestWhatIsReplacedAndRenamedIsCounted(t *testing.T) {
	r := newRig(t)
	renamed := "renamed"
	r.passing(host.Permissions{Kinds: []string{"activity"}, Add: []string{"cost"}, Write: []string{"source"}, Drop: true}, func(e *contract.Event) *contract.Change {
		if e.GetId() == "replaced" {
			return &contract.Change{Outcome: &contractv1.Change_Drop{Drop: &contractv1.Drop{Reason: "a cost"}}, Add: []*contract.Event{costing()}}
		}
		return &contract.Change{Outcome: &contractv1.Change_Set{Set: &contract.Event{Source: &renamed}}}
	})
	r.accept(opened("replaced", base, event.NoTime), opened("b", base, event.NoTime), opened("c", base, event.NoTime))
	r.drain()
	assert.Equal(t, []string{"acme/activity/replaced/0"}, r.lines("SELECT id AS line FROM costs FINAL"))
	assert.Equal(t, []string{"b renamed", "c renamed"}, r.lines("SELECT concat(id, ' ', source) AS line FROM activity FINAL ORDER BY id"))
	require.Equal(t, []string{"n8n activity 2 0 0 1", "n8n cost 0 1 1 0", "renamed activity 0 0 2 0"},
		r.lines(`SELECT concat(source, ' ', kind, ' ', toString(sum(accepted)), ' ', toString(sum(added)), ' ', toString(sum(stored)), ' ', toString(sum(rejected))) AS line
		FROM ingest_log GROUP BY source, kind ORDER BY line`))
}
