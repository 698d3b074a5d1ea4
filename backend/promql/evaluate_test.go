package promql

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query"
)

// Points of an answer come from a pool. They may go back there only when nobody reads
// them any more: else queries that run at once answer with each other's figures.
func TestAnswersAreTheirOwn(t *testing.T) {
	server := serve(t, struct{ Store }{}, Limits{})
	const points = 2000
	at := func(i int) string { return strconv.FormatInt(testNow.Add(time.Duration(i)*time.Minute).Unix(), 10) }
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			form := url.Values{"query": {fmt.Sprintf("time() * 0 + %d", n)}, "start": {at(0)}, "end": {at(points - 1)}, "step": {"60"}}
			for range 40 {
				status, body := get(t, server, "fg_admin", "query_range", form)
				var answer struct {
					Data struct{ Result []struct{ Values [][2]any } }
				}
				if !assertOK(t, status, json.Unmarshal([]byte(body), &answer)) {
					return
				}
				for i, v := range answer.Data.Result[0].Values {
					if v[1] != strconv.Itoa(n) {
						t.Errorf("point %d of %d's answer is %s", i, n, v[1])
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func assertOK(t *testing.T, status int, err error) bool {
	t.Helper()
	if status != 200 || err != nil {
		t.Errorf("status %d: %v", status, err)
		return false
	}
	return true
}

func TestEvaluate(t *testing.T) {
	notes := &notebook{}
	a, err := New(Config{Store: struct{ Store }{}, Recorder: notes, Authenticator: keys{}, Limits: Limits{Points: 100}})
	require.NoError(t, err)
	ask := Query{Text: "time() * 0 + 1", From: testNow, To: testNow.Add(10 * time.Minute), Step: time.Minute}
	value, _, err := a.Evaluate(t.Context(), admin, ask)
	require.NoError(t, err)
	first := value.(promql.Matrix)[0].Floats
	require.Len(t, first, 11)

	t.Run("an answer stays what it was", func(t *testing.T) {
		other := ask
		other.Text = "time() * 0 + 2"
		for range 10 {
			_, _, err = a.Evaluate(t.Context(), admin, other)
			require.NoError(t, err)
		}
		for _, p := range first {
			require.InDelta(t, 1, p.F, 0)
		}
	})
	t.Run("at one time", func(t *testing.T) {
		value, _, err := a.Evaluate(t.Context(), admin, Query{Text: "1 + 1", To: testNow})
		require.NoError(t, err)
		require.Equal(t, promql.Scalar{T: testNow.UnixMilli(), V: 2}, value)
	})
	t.Run("each has a record", func(t *testing.T) {
		require.Len(t, notes.records, 12)
		require.Equal(t, query.AuditRecord{Principal: admin, Kind: kindQuery, From: ask.From, To: ask.To, Rows: 1, Params: map[string]string{"query": ask.Text, "step": "1m0s"}}, notes.records[0])
	})
	for text, ask := range map[string]Query{
		"query: 1:5: parse error": {Text: "sum(", To: testNow},
		"more than 100":           {Text: "1", From: testNow, To: testNow.Add(time.Hour), Step: time.Second},
	} {
		_, _, err := a.Evaluate(t.Context(), admin, ask)
		var wrong *query.RequestError
		require.ErrorAs(t, err, &wrong, text)
		require.ErrorContains(t, err, text)
	}
}

// A query that is still in the queue when its time is up was too late; nobody cancelled it.
func TestWaitingTooLongIsATimeout(t *testing.T) {
	a, err := New(Config{Store: struct{ Store }{}, Authenticator: keys{}, Limits: Limits{Queries: 1}})
	require.NoError(t, err)
	require.NoError(t, a.enter(t.Context()))
	hurried, end := context.WithTimeout(t.Context(), time.Millisecond)
	defer end()
	var late promql.ErrQueryTimeout
	_, _, err = a.Evaluate(hurried, admin, Query{Text: "1", To: testNow})
	require.ErrorAs(t, err, &late)

	gone, leave := context.WithCancel(t.Context())
	leave()
	var stopped promql.ErrQueryCanceled
	_, _, err = a.Evaluate(gone, admin, Query{Text: "1", To: testNow})
	require.ErrorAs(t, err, &stopped)
}
