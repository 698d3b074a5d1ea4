package sink_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/queue"
	"github.com/flowgauge/flowgauge/collector/enrich"
	"github.com/flowgauge/flowgauge/collector/sink"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// says is what a plugin says of one event.
type says func(e *contract.Event) *contract.Change

func (s says) Enrich(_ context.Context, events []*contract.Event) (out []*contract.Change, err error) {
	for i, e := range events {
		if c := s(e); c != nil {
			c.Index = uint32(i)
			out = append(out, c)
		}
	}
	return out, nil
}

func chainOf(all ...says) *enrich.Chain {
	var list []enrich.Enricher
	for i, s := range all {
		list = append(list, &enrich.Local{
			Name: "acme-" + string(rune('a'+i)), Enricher: s,
			May: host.Permissions{Kinds: contract.Kinds, Read: contract.Fields, Write: contract.Fields, Add: contract.Kinds, Drop: true},
		})
	}
	return enrich.New(list, nil, slog.New(slog.DiscardHandler))
}

func adding(c *contract.Event) *contract.Change {
	dollars := "2"
	c.Kind, c.DollarAmount = contractv1.Kind_KIND_COST, &dollars
	return &contract.Change{Add: []*contract.Event{c}}
}

func dropping() *contract.Change {
	return &contract.Change{Outcome: &contractv1.Change_Drop{Drop: &contractv1.Drop{Reason: "no"}}}
}

// aJob says of a run of two fragments when it started, and when it ended.
func aJob(run string, at int64) (start, end event.Fragment) {
	start = event.Fragment{Tenant: "t", Source: "s", Run: run, Workflow: "w", StepID: "w", Status: event.StatusStarted, Time: at, Duration: event.NoDuration}
	end = start
	end.Status, end.Time = event.StatusCompleted, at+90_000
	return start, end
}

// Each row that is dropped is a dead letter of its own, beside those of other records, and
// is the same one when the batch comes again.
func TestEveryDroppedRowIsADeadLetter(t *testing.T) {
	r := newRig(t)
	r.enrich = chainOf(func(*contract.Event) *contract.Change { return dropping() })
	start, end := aJob("r", base)
	refused := event.DeadLetter{Tenant: "t", Source: "s", Code: event.CodeMissingField, Payload: []byte("{}")}
	r.tell(start, end)
	// The version of the rows is that of the next record.
	require.NoError(t, r.log.Append(t.Context(), [][]byte{event.AppendDeadLetter(nil, &refused)}))
	for range 2 {
		records, err := r.log.Fetch(t.Context(), 100)
		require.NoError(t, err)
		require.Len(t, records, 3)
		for i := range records {
			records[i].Partition = 3
		}
		require.Equal(t, records[1].Version+1, records[2].Version)
		r.drainUncommitted(records)
		assert.Equal(t, []string{"3 missing_field ", "3 plugin_dropped completed", "3 plugin_dropped started"},
			r.lines("SELECT concat(toString(partition), ' ', code, ' ', JSONExtractString(payload, 'status')) AS line FROM dead_letters FINAL ORDER BY line"))
		assert.Equal(t, []string{"2"}, r.lines("SELECT toString(countIf(version = "+strconv.FormatUint(uint64(records[1].Version), 10)+")) AS line FROM dead_letters FINAL"), "received as the last fragment was")
		assert.Equal(t, []string{"0"}, r.lines("SELECT toString(count()) AS line FROM executions FINAL"))
		assert.Equal(t, []string{" 0 1", "fragment 2 0"}, r.lines("SELECT concat(kind, ' ', toString(sum(accepted)), ' ', toString(sum(rejected))) AS line FROM ingest_log GROUP BY kind ORDER BY kind"))
		require.NoError(t, r.log.Close())
		r.open()
	}
}

// What a plugin adds to a row goes when the row goes, and follows it when it moves.
func TestWhatIsAddedToARowGoesWithIt(t *testing.T) {
	start, end := aJob("r", base)
	end.UserID = "ann"
	task := start
	task.Execution, task.Workflow, task.StepID, task.Status, task.Time = "e", "dag", "task", 0, 0
	step := func(f event.Fragment) event.Fragment {
		f.Execution, f.Workflow, f.StepID = task.Execution, task.Workflow, task.StepID
		return f
	}
	ofUser := func(e *contract.Event) *contract.Change {
		if e.GetUserId() == "" || e.GetKind() == contractv1.Kind_KIND_COST || e.GetStatus() == contractv1.Status_STATUS_STARTED {
			return nil
		}
		return adding(&contract.Event{UserId: e.UserId})
	}
	triggered := start
	triggered.TriggerID, triggered.Status, triggered.Time = "t", 0, 0
	dropTriggered := func(e *contract.Event) *contract.Change {
		if e.GetTriggerId() == "" {
			return nil
		}
		return dropping()
	}
	for name, c := range map[string]struct {
		plugins []says
		told    []event.Fragment
		want    []string
	}{
		"it moves":              {[]says{ofUser}, []event.Fragment{step(end), step(start)}, []string{"2024-02-29 23:59:59.999 2"}},
		"it is of another kind": {[]says{ofUser}, []event.Fragment{end, task}, []string{"2024-03-01 00:01:29.999 2"}},
		"it has a time of its own": {
			[]says{func(e *contract.Event) *contract.Change {
				if e.GetKind() == contractv1.Kind_KIND_COST {
					return nil
				}
				return adding(&contract.Event{Id: "acme-a/" + e.GetId(), Timestamp: e.GetEndTime(), UserId: e.UserId})
			}},
			[]event.Fragment{step(end), step(start)},
			[]string{"2024-03-01 00:01:29.999 2"},
		},
		"it is dropped, and that stays":   {[]says{ofUser, dropTriggered}, []event.Fragment{end, triggered}, []string{"2024-03-01 00:01:29.999 2"}},
		"it is dropped before it is seen": {[]says{dropTriggered, ofUser}, []event.Fragment{end, triggered}, nil},
		"it is otherwise": {
			[]says{func(e *contract.Event) *contract.Change {
				if e.GetKind() == contractv1.Kind_KIND_COST || e.GetTriggerId() != "" {
					return nil
				}
				return adding(&contract.Event{UserId: e.UserId})
			}},
			[]event.Fragment{end, triggered},
			nil,
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			r := newRig(t)
			r.enrich = chainOf(c.plugins...)
			for _, f := range c.told {
				r.tell(f)
				r.drain()
			}
			const costs = "SELECT concat(toString(time), ' ', toString(dollars)) AS line FROM costs FINAL ORDER BY line"
			assert.Equal(t, c.want, r.lines(costs))
			assert.NotEmpty(t, r.lines("SELECT toString(time) AS line FROM costs WHERE deleted = 0"), "there was one")

			// The same in one batch.
			r = newRig(t)
			r.enrich = chainOf(c.plugins...)
			r.tell(c.told...)
			r.drain()
			assert.Equal(t, c.want, r.lines(costs))
		})
	}
}

// Both minutes of what has moved are computed again.
func TestMinutesOfWhatIsAddedToRows(t *testing.T) {
	r := newRig(t)
	r.enrich = chainOf(func(e *contract.Event) *contract.Change {
		if e.GetKind() != contractv1.Kind_KIND_STEP {
			return nil
		}
		user := "ann"
		return adding(&contract.Event{UserId: &user})
	})
	start, end := aJob("r", base)
	for _, f := range []event.Fragment{end, start} {
		f.Execution = "e"
		require.NoError(t, r.client.Exec(t.Context(), "TRUNCATE TABLE bucket_marks", nil))
		r.tell(f)
		r.drain()
	}
	assert.Equal(t, []string{"2024-02-29 23:59:00", "2024-03-01 00:01:00"},
		r.lines("SELECT DISTINCT toString(minute) AS line FROM bucket_marks WHERE kind = 'cost' AND tenant = 't' ORDER BY line"))
}

// gone is plugins that do not answer, which others wait for.
type gone struct {
	topic *topic
	back  atomic.Bool
}

func (*gone) Err() error { return nil }

func (g *gone) Enrich(ctx context.Context, events []event.Event) ([]enrich.Result, error) {
	if g.back.Load() {
		return make([]enrich.Result, len(events)), nil
	}
	g.topic.mu.Lock()
	g.topic.wanted = true
	g.topic.mu.Unlock()
	<-ctx.Done()
	return nil, ctx.Err()
}

// Fragments that wait for a plugin are given back when others wait for them, as events are.
func TestFragmentsThatOthersWaitForAreGivenBack(t *testing.T) {
	r := newRig(t)
	c := newTopic(t, 0)
	start, end := aJob("r", base)
	for i, f := range []event.Fragment{start, end} {
		c.records = append(c.records, queue.Record{Version: queue.Version(1e15 + float64(i)), Partition: 3, Data: event.AppendFragment(nil, &f)})
	}
	plugins := &gone{topic: c}
	s, err := sink.New(sink.Config{Consumer: c, Client: r.client, Enrich: plugins, Linger: time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	c.wait(func() bool { return c.released >= 2 })
	assert.Equal(t, []string{"0"}, r.lines("SELECT toString(count()) AS line FROM executions"))
	plugins.back.Store(true)
	c.wait(func() bool { return c.committed == 2 })
	cancel()
	require.NoError(t, <-ended)
	assert.Equal(t, []string{"2"}, r.lines("SELECT toString(count()) AS line FROM executions FINAL"))
}
