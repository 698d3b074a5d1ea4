package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

func parkedFrames() int {
	n := 0
	parked.Range(func(any, any) bool {
		n++
		return true
	})
	return n
}

// nothingStays wants no frame to be parked any more. What a call leaves goes when its context ends,
// which is a little after the client has the answer.
func nothingStays(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return parkedFrames() == 0 }, 10*time.Second, time.Millisecond)
}

func sqlQueries(t testing.TB, period backend.TimeRange, statements map[string]string) []backend.DataQuery {
	t.Helper()
	var out []backend.DataQuery
	for refID, statement := range statements {
		m, err := json.Marshal(map[string]string{"queryType": "sql", "format": "table", "expr": statement})
		require.NoError(t, err)
		out = append(out, backend.DataQuery{RefID: refID, TimeRange: period, Interval: time.Minute, MaxDataPoints: 1000, JSON: m})
	}
	return out
}

// Calls at the same time have their own frames each.
func TestParkedFramesAreTheirCalls(t *testing.T) {
	store, day := newStore(t)
	g := sqlOn(t, store, tenant, nil)
	var wg sync.WaitGroup
	for call := range 100 {
		wg.Go(func() {
			asked := map[string]string{}
			for _, refID := range []string{"A", "B", "C"} {
				asked[refID] = fmt.Sprintf("SELECT '%s of %d' AS whose FROM numbers(%d)", refID, call, 1+call%7)
			}
			out, err := g.plugin.Client.QueryData(g.ctx(), &backend.QueryDataRequest{PluginContext: g.pc, Queries: sqlQueries(t, day, asked)})
			if err != nil {
				t.Error(err)
				return
			}
			for refID := range asked {
				r := out.Responses[refID]
				if r.Error != nil || len(r.Frames) != 1 || r.Frames[0].Rows() != 1+call%7 || r.Frames[0].RefID != refID || r.Frames[0].Fields[0].At(0) != fmt.Sprintf("%s of %d", refID, call) {
					t.Errorf("%s of %d: %v, %v", refID, call, r.Error, r.Frames)
				}
			}
		})
	}
	wg.Wait()
	nothingStays(t)
}

// Who goes away while one query is answered already leaves nothing of it.
func TestNothingStaysParkedOfACallThatIsCancelled(t *testing.T) {
	store, day := newStore(t)
	g := sqlOn(t, store, tenant, nil)
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		queries := sqlQueries(t, day, map[string]string{"quick": "SELECT 1 AS n", "slow": "SELECT sleep(2)"})
		go func() {
			_, err := g.plugin.Client.QueryData(ctx, &backend.QueryDataRequest{PluginContext: g.pc, Queries: queries})
			done <- err
		}()
		require.Eventually(t, func() bool { return parkedFrames() == 1 }, 10*time.Second, time.Millisecond)
		cancel()
		require.Error(t, <-done)
		nothingStays(t)
	}
	// Wherever a call is cancelled.
	for wait := range 40 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(wait)*time.Millisecond/2)
		_, _ = g.plugin.Client.QueryData(ctx, &backend.QueryDataRequest{PluginContext: g.pc, Queries: sqlQueries(t, day, map[string]string{"A": "SELECT 1 AS n", "B": "SELECT 2 AS n"})})
		cancel()
	}
	nothingStays(t)
}

// The words of a ticket are nothing special in a query.
func TestATicketsWordsAreHarmless(t *testing.T) {
	store, day := newStore(t)
	g := sqlOn(t, store, tenant, nil)
	const words = ticketPrefix + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	models := map[string]string{
		"text":           `{"queryType":"sql","format":"table","expr":"SELECT '` + words + `' AS text"}`,
		"column":         `{"queryType":"sql","format":"table","expr":"SELECT 1 AS \"` + words + `\""}`,
		"series":         `{"queryType":"sql","format":"timeseries","alias":"` + words + `","expr":"SELECT toDateTime(1) AS time, 1 AS \"` + words + `\""}`,
		"none":           `{"queryType":"sql","format":"timeseries","expr":"SELECT time, 1 AS \"` + words + `\" FROM executions WHERE id = '` + words + `'"}`,
		"empty":          `{"queryType":"sql","format":"table","expr":"SELECT 1 AS n WHERE '` + words + `' = ''"}`,
		words:            `{"queryType":"sql","format":"table","expr":"SELECT 1 AS n"}`,
		ticketPrefix:     `{"queryType":"promql","format":"table","expr":"label_replace(vector(1), \"a\", \"` + words + `\", \"\", \"\")"}`,
		words + "series": `{"queryType":"promql","alias":"` + words + `","expr":"vector(1)"}`,
		words + "none":   `{"metrics":["executions"],"granularity":"hour","filters":[{"dimension":"workflow","operator":"in","values":["` + words + `"]}]}`,
	}
	for _, format := range []backend.DataFrameFormat{backend.DataFrameFormat_ARROW, backend.DataFrameFormat_JSON} {
		req := &backend.QueryDataRequest{PluginContext: g.pc, Format: format}
		for refID, m := range models {
			req.Queries = append(req.Queries, backend.DataQuery{RefID: refID, TimeRange: day, Interval: time.Minute, MaxDataPoints: 1000, JSON: []byte(m)})
		}
		out, err := g.plugin.Client.QueryData(g.ctx(), req)
		require.NoError(t, err, format)
		require.Len(t, out.Responses, len(models))
		for refID, r := range out.Responses {
			require.NoError(t, r.Error, "%s in %s", refID, format)
		}
		require.Equal(t, words, out.Responses["text"].Frames[0].Fields[0].At(0))
		require.Equal(t, words, out.Responses["column"].Frames[0].Fields[0].Name)
		require.Equal(t, words, out.Responses["series"].Frames[0].Name)
		require.Equal(t, 1, out.Responses[words].Frames[0].Rows())
	}
	nothingStays(t)

	// And a frame that is made without a statement may have such a name.
	named := backend.NewQueryDataResponse()
	named.Responses["A"] = backend.DataResponse{Frames: data.Frames{data.NewFrame(words, data.NewField("n", nil, []int64{1}))}}
	wire, err := backend.ToProto().QueryDataResponse(backend.DataFrameFormat_ARROW, named)
	require.NoError(t, err)
	require.NoError(t, Redeem(wire))
	require.Len(t, wire.Responses["A"].Frames, 1)
}

// A query that fails or panics takes what another of the same call has parked neither away nor
// leaves it.
func TestNothingStaysParkedBesideFailures(t *testing.T) {
	store, day := newStore(t)
	g := sqlOn(t, store, tenant, nil)
	instance, err := New(t.Context(), *g.pc.DataSourceInstanceSettings)
	require.NoError(t, err)
	ds := instance.(*Datasource)
	t.Cleanup(ds.Dispose)
	ds.engine = fake{analytics: ds.engine, do: func(context.Context, access.Principal, query.Request) (*query.Result, error) { panic("boom") }}

	ctx, end := context.WithCancel(t.Context())
	queries := append(sqlQueries(t, day, map[string]string{"good": "SELECT 7 AS n", "bad": "SELEC 1", "untold": "SELECT 1::Dynamic AS n"}),
		backend.DataQuery{RefID: "panic", TimeRange: day, JSON: []byte(`{"metrics":["executions"]}`)},
		backend.DataQuery{RefID: "good again", TimeRange: day, JSON: []byte(`{"queryType":"sql","format":"table","expr":"SELECT 8 AS n"}`)},
		// Two queries of one name: the last one's answer is given.
		backend.DataQuery{RefID: "good again", TimeRange: day, JSON: []byte(`{"queryType":"sql","format":"table","expr":"SELECT 9 AS n"}`)})
	res, err := ds.QueryData(ctx, &backend.QueryDataRequest{PluginContext: g.pc, Queries: queries})
	require.NoError(t, err)
	for _, refID := range []string{"bad", "untold", "panic"} {
		require.Error(t, res.Responses[refID].Error, refID)
	}
	wire, err := backend.ToProto().QueryDataResponse(backend.DataFrameFormat_ARROW, res)
	require.NoError(t, err)
	require.NoError(t, Redeem(wire))
	for refID, want := range map[string]uint8{"good": 7, "good again": 9} {
		require.Equal(t, want, only(t, wire, refID).Fields[0].At(0), refID)
	}
	require.Equal(t, 1, parkedFrames(), "that of the first of two with the same name")
	end()
	nothingStays(t)

	for range 10 {
		out := g.query(day, map[string]string{"good": `{"queryType":"sql","format":"table","expr":"SELECT 7 AS n"}`, "bad": `{"queryType":"sql","expr":"SELEC"}`, "worse": `{`})
		require.NoError(t, out["good"].Error)
		require.True(t, strings.HasPrefix(out["bad"].Error.Error(), "expr: "), out["bad"].Error)
	}
	nothingStays(t)
}

func only(t *testing.T, wire *pluginv2.QueryDataResponse, refID string) *data.Frame {
	t.Helper()
	require.Len(t, wire.Responses[refID].Frames, 1, refID)
	frame, err := data.UnmarshalArrowFrame(wire.Responses[refID].Frames[0])
	require.NoError(t, err)
	return frame
}
