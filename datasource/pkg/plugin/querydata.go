package plugin

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/stats/forecast"
)

// QueryData answers the queries of a panel at the same time, as many as there
// are connections. A query that fails does so in its own answer only. Who does not ask by
// gRPC has Redeem the answers to statements in SQL.
func (d *Datasource) QueryData(ctx context.Context, req *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	ctx = withToken(ctx, req)
	answers := make([]backend.DataResponse, len(req.Queries))
	var wg sync.WaitGroup
	for i, q := range req.Queries {
		wg.Go(func() { answers[i] = d.answer(ctx, req, q) })
	}
	wg.Wait()

	out := backend.NewQueryDataResponse()
	for i, q := range req.Queries {
		for _, f := range answers[i].Frames {
			f.RefID = q.RefID
		}
		out.Responses[q.RefID] = answers[i]
	}
	return out, nil
}

func (d *Datasource) answer(ctx context.Context, req *backend.QueryDataRequest, q backend.DataQuery) (out backend.DataResponse) {
	defer func() {
		if reason := recover(); reason != nil {
			log.DefaultLogger.FromContext(ctx).Error("Query panicked", "ref_id", q.RefID, "reason", fmt.Sprint(reason), "stack", string(debug.Stack()))
			out = internalProblem().response()
		}
	}()
	frames, err := d.read(ctx, req, q)
	if err != nil {
		p := d.problemOf(err)
		p.log(ctx, "Query failed", "ref_id", q.RefID)
		return p.response()
	}
	return backend.DataResponse{Frames: frames, Status: backend.StatusOK}
}

func (d *Datasource) read(ctx context.Context, req *backend.QueryDataRequest, q backend.DataQuery) (data.Frames, error) {
	if d.broken != nil {
		return nil, d.broken
	}
	m, err := d.parse(ctx, q.JSON)
	if err != nil {
		return nil, err
	}
	return d.run(ctx, req, q, m)
}

func (d *Datasource) run(ctx context.Context, req *backend.QueryDataRequest, q backend.DataQuery, m model) (data.Frames, error) {
	call := ctx
	// Waiting counts too: a panel that gets its turn after the timeout is of no use.
	ctx, cancel := context.WithTimeout(ctx, d.settings.timeout())
	defer cancel()
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	who, err := d.principal(ctx, req.PluginContext)
	if err != nil {
		return nil, err
	}
	ctx = query.WithSurface(ctx, surface)
	if m.kind.Kind == kindSQL {
		frames, err := d.ask(ctx, who, q, m)
		switch {
		case err != nil:
			return nil, err
		case req.Format == backend.DataFrameFormat_JSON:
			return data.UnmarshalArrowFrames(frames)
		}
		return data.Frames{park(call, frames)}, nil
	}
	alert := req.Headers[backend.FromAlertHeaderName] == "true"
	frames, err := d.frames(ctx, who, q, m, alert)
	if err == nil && !alert { // a rule follows no links
		d.links(req.PluginContext, m).add(frames)
	}
	return frames, err
}

// frames answers a query that is not a statement in SQL.
func (d *Datasource) frames(ctx context.Context, who access.Principal, q backend.DataQuery, m model, alert bool) (data.Frames, error) {
	if m.kind.Kind == kindPromQL {
		return d.evaluate(ctx, who, q, m)
	}
	r, err := m.request(q)
	if err != nil {
		return nil, err
	}
	result, err := d.engine.Do(ctx, who, r)
	if errors.Is(err, forecast.ErrTooShort) && !alert {
		return noForecast(err), nil
	}
	if err != nil {
		return nil, err
	}
	if m.kind.Kind != query.KindMetrics {
		return kindFrames(result, r, m)
	}
	// To an alert rule a group that is gone is not one that is at zero again.
	if !alert {
		result.Frame = withoutEmptyGroups(result.Frame, r)
	}
	frames := metricFrames(result, r, m)
	if !alert {
		frames = d.exemplars(ctx, who, r, m, frames)
	}
	return frames, nil
}
