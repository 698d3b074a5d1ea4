package sink_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/enrich"
)

// changing is what plugins may do: it renames a user, drops an event, and adds a cost to another.
type changing struct{ calls int }

func (*changing) Err() error { return nil }

func (c *changing) Enrich(_ context.Context, events []event.Event) ([]enrich.Result, error) {
	c.calls++
	results := make([]enrich.Result, len(events))
	for i := range events {
		e := &events[i]
		e.UserID = "renamed"
		switch e.ID {
		case "e1":
			results[i].Letter = event.LetterOf(e, event.CodePluginDropped, "it is not wanted")
		case "e2":
			cost := event.Event{
				Kind: event.KindCost, Tenant: e.Tenant, ID: "e2/own/0", Time: e.Time, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
				UserID: "ann", Pricing: event.PricingUnpriced,
			}
			results[i].Added = []*event.Event{&cost}
		}
	}
	return results, nil
}

// What plugins make of events is stored, however often a batch comes, and in parts too.
func TestWhatPluginsMakeOfEventsIsStored(t *testing.T) {
	r := newRig(t)
	r.poison()
	r.enrich = &changing{}
	r.price = func(e *event.Event) { e.Dollars, e.Pricing = dec(t, "2.5"), event.PricingDerived }
	r.acceptExecutions(300, func(i int) bool { return i == 200 })
	for range 2 { // the second time as after a crash before the commit
		records, err := r.log.Fetch(t.Context(), 1000)
		require.NoError(t, err)
		r.drainUncommitted(records)
		assert.Equal(t, []string{"298 298"}, r.lines("SELECT concat(toString(count()), ' ', toString(countIf(user_id = 'renamed'))) AS line FROM executions FINAL"))
		assert.Equal(t, []string{"plugin_dropped", "store_failed"}, r.lines("SELECT code::String AS line FROM dead_letters FINAL ORDER BY code"))
		assert.Equal(t, []string{"e2/own/0 2.5"}, r.lines("SELECT concat(id, ' ', toString(dollars)) AS line FROM costs FINAL"))
		require.NoError(t, r.log.Close())
		r.open()
	}
	assert.Equal(t, []string{"execution 298 0 298 2", "cost 0 1 1 0"}, r.lines(`SELECT concat(kind, ' ', toString(sum(accepted)), ' ', toString(sum(added)), ' ', toString(sum(stored)), ' ', toString(sum(rejected))) AS line
		FROM ingest_log GROUP BY kind ORDER BY kind DESC`))
	r.drain()
	assert.Positive(t, r.enrich.(*changing).calls)
	assert.Equal(t, []string{"298"}, r.lines("SELECT toString(count()) AS line FROM executions FINAL"))
}
