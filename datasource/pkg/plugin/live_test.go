package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access/audit"
	"github.com/flowgauge/flowgauge/backend/event"
)

// packets keeps what a stream sends.
type packets struct {
	mu   sync.Mutex
	sent []json.RawMessage
}

func (p *packets) Send(packet *backend.StreamPacket) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, packet.Data)
	return nil
}

func (p *packets) all() []json.RawMessage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

const liveExecutions = `{"query":{"queryType":"metrics","metrics":["executions"],"granularity":"minute","groupBy":["workflow"]},"window":3600000,"interval":60000,"maxDataPoints":100}`

func TestLive(t *testing.T) {
	store, _ := newStore(t)
	g := grafanaOn(t, store, nil)
	path := g.livePath(liveExecutions)

	ds := g.instance()
	subscribe := func(as *grafana, path, data string) backend.SubscribeStreamStatus {
		res, err := as.instance().SubscribeStream(t.Context(), &backend.SubscribeStreamRequest{PluginContext: as.pc, Path: path, Data: []byte(data)})
		require.NoError(t, err)
		return res.Status
	}
	require.Equal(t, backend.SubscribeStreamStatusOK, subscribe(g, path, liveExecutions))
	require.Equal(t, path, g.livePath(liveExecutions), "viewers of the same share a stream")

	t.Run("a stream of another scope or another query is not joined", func(t *testing.T) {
		own := grafanaOn(t, store, map[string]any{"adminScope": "own"})
		require.NotEqual(t, path, own.livePath(liveExecutions))
		require.Equal(t, backend.SubscribeStreamStatusPermissionDenied, subscribe(own, path, liveExecutions))
		other := `{"query":{"metrics":["executions_failed"]},"window":3600000}`
		require.Equal(t, backend.SubscribeStreamStatusPermissionDenied, subscribe(g, path, other))
		require.Equal(t, backend.SubscribeStreamStatusNotFound, subscribe(g, path, `{"query":{"queryType":"sql","expr":"SELECT 1"},"window":3600000}`))
	})
	t.Run("nobody publishes", func(t *testing.T) {
		res, err := ds.PublishStream(t.Context(), &backend.PublishStreamRequest{PluginContext: g.pc, Path: path})
		require.NoError(t, err)
		require.Equal(t, backend.PublishStreamStatusPermissionDenied, res.Status)
	})
	t.Run("it sends the figures, and again when they have changed", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		got, done := &packets{}, make(chan error, 1)
		go func() {
			done <- ds.RunStream(ctx, &backend.RunStreamRequest{PluginContext: g.pc, Path: path, Data: []byte(liveExecutions)}, backend.NewStreamSender(got))
		}()
		require.Eventually(t, func() bool { return len(got.all()) > 0 }, 20*time.Second, 50*time.Millisecond)
		store.Insert(t, event.Event{
			Kind: event.KindExecution, Status: event.StatusCompleted, Tenant: tenant, ID: "fresh", WorkflowID: "fresh", Time: time.Now().Add(-time.Minute).UnixMilli(),
			PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime, WorkflowVersion: 1,
		})
		fresh := func() bool {
			all := got.all()
			var f data.Frame
			require.NoError(t, json.Unmarshal(all[len(all)-1], &f))
			for _, field := range f.Fields {
				if field.Labels["workflow"] == "fresh" {
					return true
				}
			}
			return false
		}
		require.Eventually(t, fresh, 20*time.Second, 50*time.Millisecond)
		stop()
		<-done
	})
	t.Run("watching is recorded once, not each second", func(t *testing.T) {
		require.Eventually(t, func() bool {
			records, _, err := audit.List(t.Context(), store.Client, tenant, audit.Page{Limit: 100})
			require.NoError(t, err)
			live := 0
			for _, r := range records {
				require.Equal(t, "live", r.Kind)
				live++
			}
			return live == 1
		}, 20*time.Second, 100*time.Millisecond)
	})
	t.Run("what cannot be shown live is said", func(t *testing.T) {
		for text, want := range map[string]string{
			`{"query":{"metrics":["executions"]},"window":1000}`:                "between a minute and 24 hours",
			`{"query":{"metrics":["executions"]},"window":86400001}`:            "between a minute and 24 hours",
			`{"query":{"queryType":"errors"},"window":3600000}`:                 "only metrics can be shown live",
			`{"query":{"metrics":["executions"],"groupBy":[1]},"window":60000}`: "groupBy",
			`{`: "not valid JSON",
		} {
			status, detail := g.postLive(text)
			require.Equal(t, 400, status, text)
			require.Contains(t, detail, want, text)
		}
	})
}

// instance is the datasource by itself: the client of tests knows no streams.
func (g *grafana) instance() *Datasource {
	g.t.Helper()
	made, err := New(g.t.Context(), *g.pc.DataSourceInstanceSettings)
	require.NoError(g.t, err)
	ds := made.(*Datasource)
	g.t.Cleanup(ds.Dispose)
	return ds
}

func (g *grafana) postLive(text string) (status int, detail string) {
	g.t.Helper()
	err := g.plugin.Client.CallResource(g.ctx(), &backend.CallResourceRequest{
		PluginContext: g.pc, Method: "POST", Path: "live", URL: "live", Body: []byte(text),
	}, backend.CallResourceResponseSenderFunc(func(r *backend.CallResourceResponse) error {
		var answer struct{ Path, Detail string }
		status = r.Status
		err := json.Unmarshal(r.Body, &answer)
		detail = answer.Path + answer.Detail
		return err
	}))
	require.NoError(g.t, err)
	return status, detail
}

func (g *grafana) livePath(text string) string {
	g.t.Helper()
	status, path := g.postLive(text)
	require.Equal(g.t, 200, status, path)
	require.Regexp(g.t, fmt.Sprintf("^live/[0-9a-f]{%d}/[0-9a-f]{%d}$", 32, 32), path)
	return path
}
