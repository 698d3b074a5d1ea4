package plugin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// liveEvery is how often a stream asks again.
const liveEvery = time.Second

// liveRequest is what a panel wants to see live: a query, and how long a window that ends
// now it has.
type liveRequest struct {
	Query         json.RawMessage `json:"query"`
	Window        int64           `json:"window"`   // ms
	Interval      int64           `json:"interval"` // ms
	MaxDataPoints int64           `json:"maxDataPoints"`
}

// mostLiveWindow keeps streams to what is worth asking every second.
const mostLiveWindow = 24 * time.Hour

func parseLive(text []byte) (liveRequest, model, error) {
	var r liveRequest
	if err := decodeModel(text, &r); err != nil {
		return r, model{}, err
	}
	if window := time.Duration(r.Window) * time.Millisecond; window < time.Minute || window > mostLiveWindow {
		return r, model{}, &query.RequestError{Param: "window", Value: window.String(), Message: "a live panel shows between a minute and 24 hours", Example: "3600000"}
	}
	m, err := parseModel(r.Query)
	if err == nil && m.kind.Kind != query.KindMetrics {
		err = &query.RequestError{Param: "queryType", Value: m.QueryType, Message: "only metrics can be shown live", Allowed: []string{string(query.KindMetrics)}}
	}
	return r, m, err
}

// ask is the query for the window that ends now.
func (r liveRequest) ask(now time.Time) backend.DataQuery {
	return backend.DataQuery{
		RefID: "live", JSON: r.Query, Interval: time.Duration(r.Interval) * time.Millisecond, MaxDataPoints: r.MaxDataPoints,
		TimeRange: backend.TimeRange{From: now.Add(-time.Duration(r.Window) * time.Millisecond), To: now},
	}
}

// livePath is the channel of a request for whom it is made. Whoever sees the same shares
// a stream; the scope is part of the path, so that nobody joins the stream of another.
func (d *Datasource) livePath(ctx context.Context, pc backend.PluginContext, r liveRequest, m model) (string, error) {
	who, err := d.principal(ctx, pc)
	if err != nil {
		return "", err
	}
	asked, err := m.request(r.ask(time.Now().UTC()))
	if err != nil {
		return "", err
	}
	scope, err := d.engine.LiveScope(ctx, who, asked)
	if err != nil {
		return "", err
	}
	of, err := json.Marshal(struct {
		Role  string
		Scope query.LiveScope
	}{string(who.Role), scope})
	if err != nil {
		return "", err
	}
	what, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	return "live/" + digest(of) + "/" + digest(what), nil
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// postLive tells a panel its channel.
func (d *Datasource) postLive(w http.ResponseWriter, r *http.Request) {
	if d.broken != nil {
		d.fail(w, r, d.broken)
		return
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(http.MaxBytesReader(w, r.Body, 1<<20)); err != nil {
		d.fail(w, r, &query.RequestError{Param: "body", Message: "it is larger than a mebibyte"})
		return
	}
	ask, m, err := parseLive(text.Bytes())
	if err != nil {
		d.fail(w, r, err)
		return
	}
	path, err := d.livePath(r.Context(), backend.PluginConfigFromContext(r.Context()), ask, m)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	write(w, http.StatusOK, "application/json", map[string]string{"path": path})
}

// SubscribeStream lets in who may see a stream: those whose own scope is in its path.
func (d *Datasource) SubscribeStream(ctx context.Context, req *backend.SubscribeStreamRequest) (*backend.SubscribeStreamResponse, error) {
	ctx = withToken(ctx, req)
	answer := func(status backend.SubscribeStreamStatus) (*backend.SubscribeStreamResponse, error) {
		return &backend.SubscribeStreamResponse{Status: status}, nil
	}
	if d.broken != nil {
		return answer(backend.SubscribeStreamStatusNotFound)
	}
	r, m, err := parseLive(req.Data)
	if err != nil {
		return answer(backend.SubscribeStreamStatusNotFound)
	}
	path, err := d.livePath(ctx, req.PluginContext, r, m)
	if err != nil || path != req.Path {
		return answer(backend.SubscribeStreamStatusPermissionDenied)
	}
	if err := d.recordLive(ctx, req.PluginContext, r, m); err != nil {
		return answer(backend.SubscribeStreamStatusPermissionDenied)
	}
	return answer(backend.SubscribeStreamStatusOK)
}

// recordLive keeps one record of each watching, not one a second.
func (d *Datasource) recordLive(ctx context.Context, pc backend.PluginContext, r liveRequest, m model) error {
	who, err := d.principal(ctx, pc)
	if err != nil {
		return err
	}
	asked, err := m.request(r.ask(time.Now().UTC()))
	if err != nil {
		return err
	}
	return d.engine.RecordLive(query.WithSurface(ctx, surface), who, asked, 0, nil)
}

// PublishStream refuses: only the database says what there is.
func (d *Datasource) PublishStream(context.Context, *backend.PublishStreamRequest) (*backend.PublishStreamResponse, error) {
	return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
}

// RunStream asks again and again, and sends what has changed, until nobody watches. It
// asks as who came first: all who watch see the same.
func (d *Datasource) RunStream(ctx context.Context, req *backend.RunStreamRequest, sender *backend.StreamSender) error {
	if d.broken != nil {
		return d.broken
	}
	r, _, err := parseLive(req.Data)
	if err != nil {
		return err
	}
	ctx = admitted(ctx)
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	var sent []byte
	for {
		if text, err := d.liveFrame(ctx, req, r); err == nil && !bytes.Equal(text, sent) {
			if err := sender.SendJSON(text); err != nil {
				return fmt.Errorf("send to Grafana Live: %w", err)
			}
			sent = text
		} else if err != nil && ctx.Err() == nil {
			// It is asked again in a second, and meanwhile the panel keeps what it has.
			log.DefaultLogger.FromContext(ctx).Debug("Live query failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// liveFrame is one frame, as Grafana Live wants, in JSON. The scope is looked up again
// each time: who has lost a right sees no more.
func (d *Datasource) liveFrame(ctx context.Context, req *backend.RunStreamRequest, r liveRequest) ([]byte, error) {
	q := r.ask(time.Now().UTC())
	m, err := parseModel(q.JSON)
	if err != nil {
		return nil, err
	}
	path, err := d.livePath(ctx, req.PluginContext, r, m)
	if err != nil {
		return nil, err
	}
	if path != req.Path {
		return nil, &query.AccessError{Message: "the stream is another scope's now"}
	}
	m.Exemplar = false // one frame is all that a stream has, and events are not read each second
	frames, err := d.run(query.Recorded(ctx), &backend.QueryDataRequest{PluginContext: req.PluginContext}, q, m)
	if err != nil {
		return nil, err
	}
	f := joined(frames)
	f.Meta = nil // statements and times of each asking would be a change each time
	return data.FrameToJSON(f, data.IncludeAll)
}

// joined puts series side by side.
func joined(frames data.Frames) *data.Frame {
	if len(frames) == 1 {
		return frames[0]
	}
	rows := map[int64]int{}
	var times []time.Time
	for _, f := range frames {
		for i := range f.Fields[0].Len() {
			at := f.Fields[0].At(i).(time.Time)
			if _, known := rows[at.UnixNano()]; !known {
				rows[at.UnixNano()] = 0
				times = append(times, at)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for i, at := range times {
		rows[at.UnixNano()] = i
	}
	out := data.NewFrame("", data.NewField("time", nil, times))
	for _, f := range frames {
		from := f.Fields[1]
		values := make([]*float64, len(times))
		for i := range from.Len() {
			values[rows[f.Fields[0].At(i).(time.Time).UnixNano()]] = from.At(i).(*float64)
		}
		field := data.NewField(from.Name, from.Labels, values)
		field.Config = from.Config
		out.Fields = append(out.Fields, field)
	}
	return out
}
