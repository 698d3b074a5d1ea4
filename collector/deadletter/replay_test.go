package deadletter

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive"
)

func TestReplay(t *testing.T) {
	r := newRig(t)
	r.send("acme", cost("c1", ``), cost("good", `,"credits":1`))
	id := r.list(Filter{})[0].ID

	result, err := r.replayer.Replay(t.Context(), r.scope, id, Order{})
	require.NoError(t, err)
	require.Equal(t, "still_rejected", result.Fault.Code)
	require.Equal(t, event.CodeMissingField, result.Fault.Errors[0].Code)
	r.drain()
	require.Equal(t, []string{id}, ids(r.list(Filter{States: []State{Open}})), "it stays, and no other comes")

	corrected := Order{Body: []byte(cost("c1", `,"credits":1`)), DryRun: true}
	result, err = r.replayer.Replay(t.Context(), r.scope, id, corrected)
	require.NoError(t, err)
	require.Nil(t, result.Fault)
	require.Equal(t, Open, result.State)
	require.Zero(t, r.log.Stats().Pending)

	corrected.DryRun = false
	for range 2 { // Twice counts once.
		result, err = r.replayer.Replay(t.Context(), r.scope, id, corrected)
		require.NoError(t, err)
		require.Nil(t, result.Fault)
		require.Equal(t, Replayed, result.State)
		r.drain()
		require.Equal(t, []string{"c1", "good"}, r.events())
	}
	l, err := r.store.Get(t.Context(), r.scope, id)
	require.NoError(t, err)
	require.Equal(t, Replayed, l.State)
	require.Equal(t, []Event{{Kind: "cost", ID: "c1", Time: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)}}, l.Became)
	require.Equal(t, cost("c1", ``), string(l.Payload), "what was refused is kept as it came")
}

// The sink stores a dead letter again after a crash; that opens nothing.
func TestStoredAgainItStaysReplayed(t *testing.T) {
	r := newRig(t)
	r.post("acme", "application/json", cost("c1", ``))
	records, err := r.log.Fetch(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, records, 1)
	r.drainAgain(records)
	id := r.list(Filter{})[0].ID
	_, err = r.replayer.Replay(t.Context(), r.scope, id, Order{Body: []byte(cost("c1", `,"credits":1`))})
	require.NoError(t, err)
	r.drainAgain(records)
	l, err := r.store.Get(t.Context(), r.scope, id)
	require.NoError(t, err)
	require.Equal(t, Replayed, l.State)
}

// Who dies between sending and noting it may send again.
func TestReplayIsNotNoted(t *testing.T) {
	r := newRig(t)
	r.send("acme", cost("c1", ``))
	id := r.list(Filter{})[0].ID
	order := Order{Body: []byte(cost("c1", `,"credits":1`))}
	r.use(failing{r.client})
	_, err := r.replayer.Replay(t.Context(), r.scope, id, order)
	require.ErrorContains(t, err, "replay it again")
	r.drain()
	require.Equal(t, []string{"c1"}, r.events())
	r.use(r.client)
	_, err = r.replayer.Replay(t.Context(), r.scope, id, order)
	require.NoError(t, err)
	r.drain()
	require.Equal(t, []string{"c1"}, r.events())
	require.Empty(t, r.list(Filter{States: []State{Open}}))
}

func TestReplayOfAWholeBody(t *testing.T) {
	r := newRig(t)
	r.post("acme", "application/json", "["+cost("c1", `,"credits":1`)+","+cost("c2", `,"credits":1`))
	r.post("acme", "application/json", "["+strings.Repeat(cost("c3", `,"credits":1`)+",", 2000))
	r.drain()
	letters := r.list(Filter{})
	require.Equal(t, -1, letters[1].Position)
	result, err := r.replayer.Replay(t.Context(), r.scope, letters[1].ID, Order{Body: append(letters[1].Payload, ']')})
	require.NoError(t, err)
	require.Nil(t, result.Fault)
	require.Equal(t, 2, result.Accepted)
	require.Len(t, result.Events, 2)

	require.True(t, letters[0].Truncated)
	result, err = r.replayer.Replay(t.Context(), r.scope, letters[0].ID, Order{})
	require.NoError(t, err)
	require.Equal(t, codeTruncated, result.Fault.Code)
}

func TestReplayOfOtherPaths(t *testing.T) {
	r := newRig(t)
	for path, code := range map[string]string{"/gone": codeNoPath, "": "", "/lists": ""} {
		letter := event.DeadLetter{Tenant: "acme", Path: path, ContentType: "application/json", Payload: []byte(cost("c1", `,"credits":1`)), Code: event.CodeTooDeep, Field: path}
		require.NoError(t, r.log.Append(t.Context(), [][]byte{event.AppendDeadLetter(nil, &letter)}))
		r.drain()
		id := r.list(Filter{Fields: []string{path}})[0].ID
		result, err := r.replayer.Replay(t.Context(), r.scope, id, Order{DryRun: true})
		require.NoError(t, err)
		if code == "" {
			require.Nil(t, result.Fault, path)
			continue
		}
		require.Equal(t, code, result.Fault.Code)
		result, err = r.replayer.Replay(t.Context(), r.scope, id, Order{DryRun: true, Body: letter.Payload, Native: true})
		require.NoError(t, err)
		require.Nil(t, result.Fault)
	}
}

func TestReplayAll(t *testing.T) {
	r := newRig(t)
	// A limit that was too low at the time: the events are well now. Some are not.
	for n := range 30 {
		payload := cost("c"+strconv.Itoa(n), `,"credits":1`)
		if n%10 == 9 {
			payload = cost("c"+strconv.Itoa(n), ``)
		}
		letter := event.DeadLetter{Tenant: "acme", Path: receive.Path, ContentType: "application/json", Source: []string{"crm", "erp"}[n%2], Payload: []byte(payload), Code: event.CodeTooLong}
		require.NoError(t, r.log.Append(t.Context(), [][]byte{event.AppendDeadLetter(nil, &letter)}))
	}
	r.drain()
	var seen []string
	note := func(result Result) error {
		seen = append(seen, result.ID)
		return nil
	}
	sum, err := r.replayer.ReplayAll(t.Context(), r.scope, Filter{Sources: []string{"crm"}}, 100, true, note)
	require.NoError(t, err)
	require.Equal(t, Summary{Matched: 15, Accepted: 15, Codes: map[string]int{}}, sum)
	require.Equal(t, ids(r.list(Filter{Sources: []string{"crm"}})), seen)
	require.Zero(t, r.log.Stats().Pending)
	require.Len(t, r.list(Filter{States: []State{Open}}), 30)

	sum, err = r.replayer.ReplayAll(t.Context(), r.scope, Filter{}, 10, false, note)
	require.NoError(t, err)
	require.Equal(t, Summary{Matched: 10, Accepted: 9, Rejected: 1, Codes: map[string]int{"missing_field": 1}, More: true}, sum)
	require.Len(t, r.list(Filter{States: []State{Open}}), 21)

	stop := errors.New("the caller has gone")
	_, err = r.replayer.ReplayAll(t.Context(), r.scope, Filter{}, 100, false, func(Result) error { return stop })
	require.ErrorIs(t, err, stop)
	require.Len(t, r.list(Filter{States: []State{Open}}), 21, "the first of them is still wrong")
	sum, err = r.replayer.ReplayAll(t.Context(), r.scope, Filter{}, 100, false, note)
	require.NoError(t, err)
	require.Equal(t, Summary{Matched: 21, Accepted: 18, Rejected: 3, Codes: map[string]int{"missing_field": 3}}, sum)
	r.drain()
	require.Len(t, r.events(), 27)
	require.Len(t, r.list(Filter{States: []State{Open}}), 3)
}

func TestReplayAllWaits(t *testing.T) {
	r := newRig(t)
	r.send("acme", cost("c1", `,"credits":"1e-20"`))
	letter := event.DeadLetter{Tenant: "acme", Path: receive.Path, ContentType: "application/json", Payload: []byte(cost("c2", `,"credits":1`)), Code: event.CodeTooLong}
	require.NoError(t, r.log.Append(t.Context(), [][]byte{event.AppendDeadLetter(nil, &letter)}))
	r.drain()
	asked := 0
	r.limit = func(_ context.Context, who receive.Principal, _ int) (time.Duration, error) {
		require.Equal(t, "admin", who.KeyID)
		asked++
		if asked == 3 {
			return 0, nil
		}
		return time.Millisecond, nil
	}
	sum, err := r.replayer.ReplayAll(t.Context(), r.scope, Filter{}, 10, false, func(Result) error { return nil })
	require.NoError(t, err)
	require.Equal(t, 1, sum.Accepted)
	require.Equal(t, 3, asked)

	letter.Payload = []byte(cost("c3", `,"credits":1`))
	require.NoError(t, r.log.Append(t.Context(), [][]byte{event.AppendDeadLetter(nil, &letter)}))
	r.drain()
	_, err = r.replayer.ReplayAll(t.Context(), r.scope, Filter{}, 10, false, func(Result) error { return nil })
	var busy *BusyError
	require.ErrorAs(t, err, &busy)
	require.Equal(t, "rate_limited", busy.Fault.Code)
}
