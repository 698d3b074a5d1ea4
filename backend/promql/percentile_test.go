package promql

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

// The engine interpolates within a bucket, which is 4.4 % wide.
func TestPercentilesAreNearTheTrueOnes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	var (
		events    []event.Event
		durations []float64
	)
	for i := range 3000 {
		ms := int64(math.Exp(r.NormFloat64()*2+8)) + 1
		durations = append(durations, float64(ms)/1000)
		events = append(events, event.Event{
			Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: "acme", ID: strconv.Itoa(i), Time: dayStart.UnixMilli() + r.Int64N(3_600_000),
			PreviousTime: event.NoTime, WorkflowID: "wf", Duration: ms,
		})
	}
	slices.Sort(durations)
	a := newTestAPI(t, newStore(t, events), admin)
	for _, q := range []float64{0.1, 0.5, 0.9, 0.95, 0.99} {
		text := fmt.Sprintf("histogram_quantile(%g, sum(flowgauge_execution_duration_seconds))", q)
		res := evaluate(t, a.engine, a.queryable(admin, parsed(t, text), lookback), text, evaluation{start: dayStart.Add(2 * time.Hour)})
		v, ok := res.Value.(promql.Vector)
		require.True(t, ok)
		want := durations[int(math.Ceil(q*float64(len(durations))))-1]
		require.InEpsilon(t, want, v[0].F, 0.0445, text)
	}
}
