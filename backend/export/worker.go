package export

import (
	"context"
	"errors"
	"fmt"
	"time"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"

	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/plugins/host"
)

const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	// settling is how long the record of a delivery may take, also when the process ends.
	settling = 10 * time.Second
)

// worker delivers the periods of one export, so that none waits for another.
type worker struct {
	*Sender
	of    *Export
	until time.Time // what lies before is delivered; zero is not known yet
}

func (w *worker) run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		delivered, err := w.next(ctx)
		w.trouble.Note(ctx, w.of.Name, "export", err, "export", w.of.Name, "tenant", w.of.Tenant)
		wait := w.cfg.Interval
		var down *host.DownError
		switch {
		case errors.As(err, &down):
			wait = firstPause // It costs nothing to see whether it is up, and it may be another export that takes it down.
		case err != nil:
			wait, pause = pause, min(2*pause, longestPause)
		case delivered:
			wait, pause = 0, firstPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// next delivers a period, if there is one whose time has come.
func (w *worker) next(ctx context.Context) (delivered bool, err error) {
	if w.until.IsZero() {
		if w.until, err = w.begin(ctx); err != nil {
			return false, err
		}
		w.metrics.until.WithLabelValues(w.of.Name).Set(float64(w.until.Unix()))
	}
	// Where the length of periods has changed, more is delivered again rather than less.
	from := w.until.Truncate(w.of.Every)
	to := from.Add(w.of.Every)
	if w.cfg.Now().Before(to.Add(w.of.Delay)) {
		return false, nil
	}
	outcome, err := w.deliver(ctx, from, to)
	if err != nil && ctx.Err() != nil {
		return false, ctx.Err()
	}
	w.metrics.outcomes.WithLabelValues(w.of.Name, outcome).Inc()
	if err != nil {
		return false, fmt.Errorf("period from %s: %w", from.UTC().Format(time.RFC3339), err)
	}
	w.until = to
	w.metrics.until.WithLabelValues(w.of.Name).Set(float64(to.Unix()))
	return true, nil
}

// begin finds where the export was, or where it begins, which is recorded too: a process that
// starts again while nothing is delivered begins there as well.
func (w *worker) begin(ctx context.Context) (time.Time, error) {
	until, known, err := w.store.until(ctx, w.of.Tenant, w.of.Name)
	if err != nil || known {
		return until, err
	}
	first := w.of.Since
	if first.IsZero() {
		first = w.cfg.Now()
	}
	first = first.UTC().Truncate(w.of.Every)
	return first, w.store.put(ctx, w.of.Tenant, w.of.Name, first)
}

// deliver asks about a period and hands the answer over, all of it.
func (w *worker) deliver(ctx context.Context, from, to time.Time) (outcome string, err error) {
	if err := w.of.To.Err(); err != nil { // nobody need be asked
		return failure(err), err
	}
	parts, rows, err := w.ask(ctx, from, to)
	if err != nil {
		if errors.Is(err, errBehind) {
			return outcomeWaiting, err
		}
		return outcomeUnanswered, err
	}
	location := ""
	for i, table := range parts {
		res, err := w.of.To.Export(ctx, &contractv1.ExportRequest{
			Delivery: delivery(w.of.Tenant, w.of.Name, from, to, i), TenantId: w.of.Tenant, Name: w.of.Name,
			From: from.UnixMilli(), To: to.UnixMilli(), Part: uint32(i), Last: i == len(parts)-1, Table: table,
		})
		if err != nil {
			return failure(err), fmt.Errorf("part %d of %d: %w", i+1, len(parts), err)
		}
		location = res.GetLocation()
	}
	w.log.InfoContext(ctx, "a period was exported", "export", w.of.Name, "tenant", w.of.Tenant, "from", from, "to", to,
		"rows", rows, "parts", len(parts), "location", query.Shortened(location))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	if err := w.store.put(ctx, w.of.Tenant, w.of.Name, to); err != nil {
		return outcomeFailed, err
	}
	return outcomeDelivered, nil
}

func failure(err error) string {
	var down *host.DownError
	var refused *host.RefusedError
	switch {
	case errors.As(err, &down):
		return outcomeDown
	case errors.As(err, &refused):
		return outcomeRefused
	}
	return outcomeFailed
}
