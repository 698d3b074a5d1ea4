package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flowgauge/flowgauge/plugins/host"
)

const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	// mostFailures in a row end a round: the notifier is down, not what it is sent.
	mostFailures = 3
	// longestCall bounds a notifier that does not bound itself.
	longestCall = 5 * time.Minute
	// settling is how long the record of a delivery may take, also when the process ends.
	settling = 10 * time.Second
)

// deliverer sends what waits for one notifier. There is one for each, so that none waits
// for another.
type deliverer struct {
	*Watcher
	to Notifier
	// tries counts failures, so that what fails lets everything else go first.
	tries map[string]int
	// sent is what was delivered and could not be recorded: it is not sent again.
	sent map[string]bool
}

func newDeliverer(w *Watcher, to Notifier) *deliverer {
	return &deliverer{Watcher: w, to: to, tries: map[string]int{}, sent: map[string]bool{}}
}

// run delivers whenever it is woken, and what has failed again after a pause.
func (d *deliverer) run(ctx context.Context, wake <-chan struct{}) {
	pause := firstPause
	for {
		err := d.round(ctx)
		d.trouble.Note(ctx, "notifier "+d.to.Name, "deliver messages", err, "notifier", d.to.Name)
		if err == nil {
			pause = firstPause
			select {
			case <-ctx.Done():
				return
			case <-wake:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// round tries what waits once. Its error is why some of it waits on.
func (d *deliverer) round(ctx context.Context) error {
	all, err := d.store.waiting(ctx, d.to.Name)
	if err != nil {
		return err
	}
	d.metrics.waiting.WithLabelValues(d.to.Name).Set(float64(len(all)))
	tries, sent := map[string]int{}, map[string]bool{}
	for i := range all {
		if key := all[i].key(); d.tries[key] > 0 {
			tries[key] = d.tries[key]
		}
		if key := all[i].key(); d.sent[key] {
			sent[key] = true
		}
	}
	d.tries, d.sent = tries, sent
	slices.SortStableFunc(all, func(a, b delivery) int { return tries[a.key()] - tries[b.key()] })
	var errs []error
	inARow := 0
	for i := range all {
		if err := d.one(ctx, &all[i]); err != nil {
			d.tries[all[i].key()]++
			errs = append(errs, err)
			if inARow++; inARow == mostFailures {
				break
			}
			continue
		}
		d.metrics.waiting.WithLabelValues(d.to.Name).Dec()
		inARow = 0
	}
	return errors.Join(errs...)
}

// one delivers a message and records it.
func (d *deliverer) one(ctx context.Context, m *delivery) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	about := []any{"notifier", d.to.Name, "tenant", m.Message.GetTenantId(), "about", m.Message.GetAbout(), "id", m.Message.GetId()}
	if d.cfg.Now().After(m.Expires) {
		d.metrics.outcomes.WithLabelValues(d.to.Name, outcomeExpired).Inc()
		d.log.ErrorContext(ctx, "a message could not be delivered and is given up, its budget's period is over", about...)
		return d.settle(ctx, m, givenUp)
	}
	if !d.sent[m.key()] {
		err := d.send(ctx, m)
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		d.metrics.outcomes.WithLabelValues(d.to.Name, outcomeOf(err)).Inc()
		if err != nil {
			return fmt.Errorf("message %s of %s: %w", m.Message.GetId(), m.Message.GetTenantId(), err)
		}
		d.sent[m.key()] = true
		d.log.InfoContext(ctx, "a message was delivered", about...)
	}
	return d.settle(ctx, m, delivered)
}

func (d *deliverer) send(ctx context.Context, m *delivery) error {
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	return d.to.Of.Notify(ctx, m.Message)
}

func (d *deliverer) settle(ctx context.Context, m *delivery, state int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	return d.store.put(ctx, m.Message.GetTenantId(), state, *m)
}

func outcomeOf(err error) string {
	var refused *host.RefusedError
	switch {
	case err == nil:
		return outcomeDelivered
	case errors.As(err, &refused):
		return outcomeRefused
	}
	return outcomeFailed
}
