package query

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// An engine that carries totals on gives what one gives that was started just now, whatever
// comes late, again, or is taken away.
func TestTotalsAreCarriedOn(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	random := rand.New(rand.NewPCG(5, 7))
	now := from.Add(50 * time.Hour)
	config := Config{Client: s.ReadOnly(t), Now: func() time.Time { return now }, PendingTTL: -1}
	e, err := New(config)
	require.NoError(t, err)

	var all []event.Event
	happens := func(earliest, latest time.Time) event.Event {
		status := event.StatusCompleted
		if random.IntN(3) == 0 {
			status = event.StatusFailed
		}
		return event.Event{
			Kind: event.KindExecution, Status: status, Tenant: "acme", ID: strconv.Itoa(len(all)), Duration: int64(random.IntN(1000)),
			Time:         earliest.UnixMilli() + random.Int64N(latest.UnixMilli()-earliest.UnixMilli()),
			PreviousTime: event.NoTime, WorkflowID: "w" + strconv.Itoa(random.IntN(6)), TriggerType: []string{"", "schedule"}[random.IntN(2)],
		}
	}
	insert := func(n int, earliest, latest time.Time) {
		some := make([]event.Event, n)
		for i := range some {
			some[i] = happens(earliest, latest)
			all = append(all, some[i])
		}
		s.Insert(t, some...)
	}
	insert(500, from, now)
	s.Settle(t)

	carried := 0
	for round := range 40 {
		fresh, err := New(config)
		require.NoError(t, err)
		last := floorTo(now.Unix(), 60)
		moment := last - 60*int64(random.IntN(40))
		if round%7 == 6 {
			moment = from.Unix() + 60*int64(random.IntN(2*1440)) // somebody looks at the past
		}
		r := TotalsRequest{
			Metrics: [][]string{{"executions_completed", "executions_failed"}, {"executions_failed", "duration_sum", "executions_completed"}}[random.IntN(2)],
			GroupBy: [][]string{{metric.Workflow}, {metric.Workflow, metric.TriggerType}, {}}[random.IntN(3)],
			Horizon: Horizon{First: from.Unix(), Last: last, Resolution: 60},
			At:      []int64{moment - 240, moment}[random.IntN(2):],
		}
		if random.IntN(4) == 0 {
			r.Filters = []Filter{{Dimension: metric.Workflow, Operator: In, Values: []string{"w1", "w2", "w3"}}}
		}
		want, err := fresh.Totals(t.Context(), admin, r)
		require.NoError(t, err)
		got, err := e.Totals(t.Context(), admin, r)
		require.NoError(t, err)
		require.Equal(t, want, got, "round %d: %+v", round, r)
		for _, kept := range e.kept.byKey {
			if kept.until > from.Add(51*time.Hour).Unix() {
				carried++
			}
		}

		now = now.Add(time.Duration(random.IntN(20)) * time.Minute)
		switch random.IntN(5) {
		case 0:
			insert(1, from, now.Add(-time.Hour)) // late, perhaps of a new group
		case 1:
			s.Insert(t, all[random.IntN(len(all))]) // again
		case 2:
			s.Delete(t, all[random.IntN(len(all))])
		default:
			insert(10, now.Add(-5*time.Minute), now)
		}
		if random.IntN(3) > 0 {
			s.Settle(t)
		}
	}
	require.NotZero(t, carried, "nothing was carried on, so nothing was tested")
}

// Two counts share a column. Those that would run over in it do not.
func TestTotalsOfCountsThatAreTooManyToShareAColumn(t *testing.T) {
	s := querytest.New(t)
	from := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	const many = uint64(1)<<32 + 5
	for _, bucket := range []int64{from.Unix(), from.Unix() + 600} {
		at := strconv.FormatInt(bucket, 10)
		s.Exec(t, "INSERT INTO "+s.Table("rollup_executions")+" (tenant, level, bucket, workflow_id, completed, failed, version) VALUES"+
			" ('acme', 'minute', "+at+", 'a', 1, 2, 1), ('acme', 'minute', "+at+", 'b', "+strconv.FormatUint(many, 10)+", 3, 1)")
		s.Exec(t, "INSERT INTO "+s.Table("bucket_versions")+" (tenant, kind, level, bucket, version, writer) VALUES ('acme', 'execution', 'minute', "+at+", 1, 1)")
	}
	e, err := New(Config{Client: s.ReadOnly(t), Now: func() time.Time { return from.Add(time.Hour) }})
	require.NoError(t, err)
	got, err := e.Totals(t.Context(), admin, TotalsRequest{
		Metrics: []string{"executions_completed", "executions_failed"}, GroupBy: []string{metric.Workflow},
		Horizon: Horizon{First: from.Unix(), Last: from.Unix() + 3600, Resolution: 60}, At: []int64{from.Unix() + 300, from.Unix() + 780},
	})
	require.NoError(t, err)
	require.Equal(t, []TotalsGroup{
		{Dimensions: []string{"a"}, Steps: []int32{0, 1}, Sums: [][]float64{{1, 2}, {2, 4}}},
		{Dimensions: []string{"b"}, Steps: []int32{0, 1}, Sums: [][]float64{{float64(many), float64(2 * many)}, {3, 6}}},
	}, got.Groups)
}
