package sink_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

// delivery is one event of a cost at a time, maybe from another one.
type delivery struct {
	at, from time.Duration
	dollars  string
}

const stays = time.Duration(-1)

func (d delivery) event(t *testing.T, id string) event.Event {
	e := samples(t)[2]
	e.ID, e.Time, e.Dollars = id, base+d.at.Milliseconds(), dec(t, d.dollars)
	if d.from != stays {
		e.PreviousTime = base + d.from.Milliseconds()
	}
	return e
}

// Every sequence ends alike in one batch, in one batch for each delivery, and when
// the log comes again from its beginning.
func TestMovedEvents(t *testing.T) {
	const first, second = time.Duration(0), 40 * 24 * time.Hour
	original, moved := delivery{first, stays, "1"}, delivery{second, first, "2"}
	back := delivery{first, second, "3"}
	r := newRig(t)
	var together []event.Event
	apart, want := map[int][]event.Event{}, map[string]string{}
	for _, tc := range []struct {
		name string
		sent []delivery
		want string // dollars by time
	}{
		{"moved", []delivery{original, moved}, "2@second"},
		{"the original again", []delivery{original, moved, original}, "2@second"},
		{"the original late", []delivery{moved, original}, "2@second"},
		{"the move again", []delivery{original, moved, original, moved}, "2@second"},
		{"corrected afterwards", []delivery{original, moved, {second, stays, "4"}}, "4@second"},
		{"moved back", []delivery{original, moved, back}, "3@first"},
		{"moved back, the original again", []delivery{original, moved, back, original}, "3@first"},
		{"moved back, the moved one again", []delivery{original, moved, back, {second, stays, "2"}}, "3@first"},
		{"moved back, then corrected as told", []delivery{original, moved, back, {first, second, "5"}}, "5@first"},
		{"moved back and forth", []delivery{original, moved, back, moved, original}, "2@second"},
		{"to a time that has another", []delivery{original, {second, stays, "7"}, moved}, "2@second"},
		{"two that are no correction", []delivery{original, {second, stays, "7"}}, "1@first 7@second"},
	} {
		for i, d := range tc.sent {
			together = append(together, d.event(t, tc.name+":together"))
			apart[i] = append(apart[i], d.event(t, tc.name+":apart"))
		}
		want[tc.name+":together"], want[tc.name+":apart"] = tc.want, tc.want
	}
	for i := range len(apart) {
		r.accept(apart[i]...)
		r.drain()
	}
	r.accept(together...)
	records, err := r.log.Fetch(t.Context(), 1000)
	require.NoError(t, err)
	r.drainUncommitted(records)
	r.requireCosts(t, want)
	for chunk := range slices.Chunk(records, 3) { // From the first one again.
		r.drainUncommitted(chunk)
	}
	r.requireCosts(t, want)
}

func (r *rig) requireCosts(t *testing.T, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, line := range r.lines(fmt.Sprintf(`SELECT concat(id, '=', toString(dollars), if(toUnixTimestamp64Milli(time) = %d, '@first', '@second')) AS line FROM costs FINAL ORDER BY id, time`, base)) {
		id, rest, _ := strings.Cut(line, "=")
		got[id] = strings.TrimSpace(got[id] + " " + rest)
	}
	assert.Equal(t, want, got)
}

// Many events of all kinds that move about, against a model of what is promised: an
// identity that an event has left comes back only by a move to it.
func TestMovesAgainstAModel(t *testing.T) {
	r := newRig(t)
	random := rand.New(rand.NewPCG(1, 2))
	type state struct {
		alive, left bool
		source      string
	}
	model := map[event.Identity]state{}
	for round := range 12 {
		var events []event.Event
		for range 80 {
			e := samples(t)[random.IntN(4)]
			e.ID, e.Source = fmt.Sprint("e", random.IntN(15)), fmt.Sprint(round, "-", len(events))
			e.EndTime, e.QueuedTime = event.NoTime, event.NoTime
			e.Time = base + int64(random.IntN(3))*86400_000
			if e.Kind == event.KindExecution && random.IntN(2) == 0 {
				e.Status = event.StatusStarted
			}
			if previous := base + int64(random.IntN(3))*86400_000; random.IntN(3) == 0 && previous != e.Time {
				e.PreviousTime = previous
			}
			events = append(events, e)
			to := e.Identity()
			if e.PreviousTime == event.NoTime {
				if !model[to].left {
					model[to] = state{alive: true, source: e.Source}
				}
				continue
			}
			from := to
			from.Time = e.PreviousTime
			model[to] = state{alive: true, left: model[to].left, source: e.Source}
			model[from] = state{left: true}
		}
		r.accept(events...)
		if random.IntN(2) == 0 { // Else the next round is in the same batch.
			r.drain()
		}
	}
	r.drain()
	want := map[string]bool{}
	for id, s := range model {
		if s.alive {
			want[fmt.Sprint(id.Kind, " ", id.ID, " ", id.Time, " ", id.Phase, " ", s.source)] = true
		}
	}
	got := map[string]bool{}
	for table, kind := range map[string]event.Kind{"executions": event.KindExecution, "steps": event.KindStep, "costs": event.KindCost, "activity": event.KindActivity} {
		phase := "'0'"
		if kind == event.KindExecution {
			phase = "toString(toInt8(phase))"
		}
		for _, line := range r.lines("SELECT concat(id, ' ', toString(toUnixTimestamp64Milli(time)), ' ', " + phase + ", ' ', source) AS line FROM " + table + " FINAL") {
			got[kind.String()+" "+line] = true
		}
	}
	assert.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	require.Greater(t, len(want), 80)
	assert.Equal(t, []string{"0"}, r.lines("SELECT toString(countIf(received_at NOT BETWEEN '2026-03-01 23:00:00' AND '2026-03-03 00:00:00')) AS line FROM costs FINAL"),
		"a row that came back says when it was received")
}
