package sink_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

// A batch of more rows than are sent at once is stored whole: its events, one that
// comes back by a move in its last block, and a small batch after it.
func TestABatchOfManyBlocks(t *testing.T) {
	const many = 70_000
	r := newRig(t)
	gone, back := samples(t)[2], samples(t)[2]
	gone.ID, gone.Time, gone.PreviousTime, gone.Dollars = "moves", base+86400_000, base, dec(t, "2")
	back.ID, back.Time, back.PreviousTime, back.Dollars = "moves", base, base+86400_000, dec(t, "3")
	r.accept(gone)
	r.drain()
	events := make([]event.Event, 0, many+1)
	for i := range many {
		e := samples(t)[2]
		e.ID, e.Time, e.Dollars = strconv.Itoa(i), base+int64(i), dec(t, "1")
		events = append(events, e)
	}
	r.accept(append(events, back)...)
	records, err := r.log.Fetch(t.Context(), many+1)
	require.NoError(t, err)
	require.Len(t, records, many+1)
	want := []string{fmt.Sprintf("%d rows, %d ids, %d dollars", many+1, many+1, many+3)}
	for range 2 { // The columns are used again.
		r.drainUncommitted(records)
		require.Equal(t, want, r.lines("SELECT concat(toString(count()), ' rows, ', toString(uniqExact(id)), ' ids, ', toString(sum(dollars)), ' dollars') AS line FROM costs FINAL"))
	}
	require.Equal(t, []string{"3"}, r.lines("SELECT toString(dollars) AS line FROM costs FINAL WHERE id = 'moves'"))
}
