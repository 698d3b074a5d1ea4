package export_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/export"
	"github.com/flowgauge/flowgauge/backend/query"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// What was late reaches the plugin too: a period is asked about again at its ages, and comes
// again as a whole, with the same id, where its answer is another one.
func TestChangedAnswersAreDeliveredAgain(t *testing.T) {
	p := newTarget(t, nil)
	w := newWorld(t)
	w.at(hour(5).Add(15 * time.Minute))
	w.spend("acme", "a", "1", hour(3).Add(time.Minute))
	x := costs("costs", "acme", p)
	x.Again = []time.Duration{2 * time.Hour, 5 * time.Hour}
	stop, metrics := w.run(x)
	w.eventually("what is over is delivered", func() bool { return outcomes(t, metrics, "costs", "delivered") == 2 })
	w.spend("acme", "a", "0.5", hour(3).Add(30*time.Minute))
	w.spend("acme", "b", "7", hour(3).Add(30*time.Minute))
	w.at(hour(6).Add(5 * time.Minute))
	w.eventually("it is corrected", func() bool { return outcomes(t, metrics, "costs", "corrected") == 1 })
	all := p.of("costs")
	require.Len(t, all, 3)
	assert.Equal(t, []string{"1.5", "7"}, all[2].Dollars)
	assert.Equal(t, all[0].Delivery, all[2].Delivery)
	assert.Contains(t, w.log.String(), "a period was exported again, because its answer has changed")

	w.at(hour(7).Add(5 * time.Minute))
	w.eventually("the next hour is delivered", func() bool { return outcomes(t, metrics, "costs", "delivered") == 3 })
	w.eventually("the second hour is still as it was", func() bool { return outcomes(t, metrics, "costs", "unchanged") == 1 })
	stop()

	// The next process knows what the last one has delivered, and when to ask.
	w.spend("acme", "a", "-1", hour(5).Add(30*time.Minute))
	w.at(hour(9).Add(5 * time.Minute))
	stop, metrics = w.run(x)
	w.eventually("two hours are delivered", func() bool { return outcomes(t, metrics, "costs", "delivered") == 2 })
	w.eventually("the third hour is corrected", func() bool { return outcomes(t, metrics, "costs", "corrected") == 1 })
	w.eventually("the first hour is still as it was", func() bool { return outcomes(t, metrics, "costs", "unchanged") == 1 })
	stop()
	all = p.of("costs")
	assert.Equal(t, []int{3, 4, 3, 5, 6, 7, 5}, hours(all))
	assert.Equal(t, []string{"-1"}, all[6].Dollars)
	require.Len(t, w.audit.list(), len(all), "what does not leave is not in the audit log")

	// Another question is not about what was delivered.
	w.spend("acme", "a", "3", hour(7).Add(30*time.Minute))
	w.at(hour(10).Add(15 * time.Minute))
	x.Request.GroupBy = nil
	_, metrics = w.run(x)
	w.eventually("it goes on", func() bool { return outcomes(t, metrics, "costs", "delivered") == 2 })
	w.at(hour(12).Add(5 * time.Minute)) // of both questions periods are to be asked about now
	w.eventually("the new one is asked again", func() bool { return outcomes(t, metrics, "costs", "unchanged") == 2 })
	assert.Zero(t, outcomes(t, metrics, "costs", "corrected"))
}

// breaking fails between two parts when it is told to.
type breaking struct {
	export.Target
	broken atomic.Bool
}

func (b *breaking) Export(ctx context.Context, req *contractv1.ExportRequest) (*contractv1.ExportResponse, error) {
	if req.GetPart() == 1 && b.broken.Load() {
		return nil, errors.New("the folder is full")
	}
	return b.Target.Export(ctx, req)
}

// Where a correction breaks off between its parts, what is there is a mixture of two answers.
// It is made whole even if the first answer is the right one again.
func TestABrokenCorrectionIsMadeWhole(t *testing.T) {
	p := newTarget(t, nil)
	to := &breaking{Target: p}
	w := newWorld(t)
	spend := func(dollars string) {
		d, err := event.ParseDecimal([]byte(dollars))
		require.NoError(t, err)
		w.store.Insert(t, event.Event{
			Kind: event.KindCost, Tenant: "acme", ID: "one", Time: hour(1).UnixMilli(), PreviousTime: event.NoTime, WorkflowID: "w0", UserID: "ann", ActionType: "llm", Dollars: d,
		})
		w.store.Settle(t)
	}
	for i := range 7 {
		w.insert("acme", "w"+strconv.Itoa(i+1), "1", hour(2))
	}
	spend("1")
	x := costs("costs", "acme", to)
	x.Every, x.Again = 24*time.Hour, []time.Duration{2 * time.Hour}
	x.Request.Granularity, x.Request.Fill = query.Minute, query.FillZero
	w.at(hour(24).Add(time.Hour))
	_, metrics := w.run(x)
	w.eventually("the period is delivered", func() bool { return outcomes(t, metrics, "costs", "delivered") == 1 })
	to.broken.Store(true)
	spend("2")
	w.at(hour(26))
	w.eventually("the correction breaks off", func() bool { return outcomes(t, metrics, "costs", "failed") > 0 })
	mixed := len(p.of("costs")) // it is tried again meanwhile
	spend("1")
	broken := len(p.of("costs"))
	to.broken.Store(false)
	w.eventually("it is made whole", func() bool { return outcomes(t, metrics, "costs", "corrected") == 1 })
	all := p.of("costs")
	require.Len(t, all[broken:], 2, "both parts")
	assert.Equal(t, all[0].Dollars, all[broken].Dollars)
	assert.NotEqual(t, all[0].Dollars, all[mixed-1].Dollars)
}
