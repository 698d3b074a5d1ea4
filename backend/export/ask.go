package export

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/flowgauge/flowgauge/backend/plugintable"
	"github.com/flowgauge/flowgauge/backend/query"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// errBehind says that the figures are known not to be those of the stored events. How many
// minutes are behind is left out: it changes all the time.
var errBehind = errors.New("minutes of the period have changed and wait for their rollup, so the figures would be old ones")

// answer is what is exported of a period.
type answer struct {
	parts  []*contractv1.Table
	rows   int
	digest string // of the parts
}

// ask answers the question about a period. Who has got the answer is for the caller to record.
func (w *worker) ask(ctx context.Context, p period) (*answer, error) {
	select {
	case w.asking <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-w.asking }()
	r := w.request(p)
	res, err := w.cfg.Engine.Do(query.Recorded(query.WithSurface(ctx, Surface)), w.of.principal(), r)
	if err != nil {
		return nil, errors.Join(err, w.record(ctx, p, 0, err))
	}
	if err := whole(&r, &res.Meta); err != nil {
		return nil, err
	}
	table, err := plugintable.FromResult(res)
	if err != nil {
		return nil, err
	}
	a := &answer{rows: res.Frame.Rows()}
	a.parts = split(table, a.rows)
	a.digest, err = digestOf(a.parts)
	return a, err
}

func (w *worker) request(p period) query.Request {
	r := w.of.Request
	r.From, r.To = p.from, p.to
	return r
}

// lists are kinds whose limit cuts off what an export is there to take along. That of others
// says how many of the largest are wanted.
var lists = []query.Kind{query.KindExecutions, query.KindSessions, query.KindAuditTrail}

// whole wants an answer that is all of it.
func whole(r *query.Request, m *query.Meta) error {
	switch {
	case m.StaleBuckets > 0:
		return errBehind
	case !m.Truncated:
		return nil
	case slices.Contains(lists, r.Kind):
		return errors.New("the answer is cut off, and part of a list is not exported: set a limit of 1000, which is the most, a smaller every, or filters")
	case r.Limit == 0:
		return errors.New("the answer is cut off, and part of one is not exported: set a smaller every, filters, fewer dimensions in groupBy, or a limit for the largest groups alone")
	}
	return nil
}

// record keeps in the audit log what leaves, and where to. Without it nothing does.
func (w *worker) record(ctx context.Context, p period, rows int, err error) error {
	r := w.request(p)
	params := map[string]string{"export": w.of.Name, "plugin": w.of.To.ID()}
	maps.Copy(params, r.Params)
	kind := r.Kind
	if kind == "" {
		kind = query.KindMetrics
	}
	rec := query.AuditRecord{Kind: kind, Metrics: r.Metrics, From: r.From, To: r.To, GroupBy: r.GroupBy, Filters: r.Filters, Params: params, Rows: rows}
	if err := w.cfg.Engine.RecordAs(query.WithSurface(ctx, Surface), w.of.principal(), rec, err); err != nil {
		return fmt.Errorf("nothing is exported: %w", err)
	}
	return nil
}
