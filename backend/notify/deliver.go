package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/flowgauge/flowgauge/plugins/host"
)

const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	// mostFailures in a row mean that the notifier is down, and not what it is sent.
	mostFailures = 3
	// mostPostponed is how many messages of a tenant are tried again and again: as long as there
	// are that many, its others wait.
	mostPostponed = 1000
	// longestCall bounds a notifier that does not bound itself.
	longestCall = 5 * time.Minute
	// settling is how long the record of a delivery may take, also when the process ends.
	settling = 10 * time.Second
)

// deliverer sends what waits for one notifier. There is one for each, so that none waits
// for another. Tenants take turns, so that what cannot be delivered keeps up its tenant's own
// messages only, and those as little as can be: each message has pauses of its own.
type deliverer struct {
	*Watcher
	to Notifier
	// later is what has failed, by tenant and id. It is tried behind what was not tried yet.
	later map[string]map[string]*postponed
	// sent is what was delivered and could not be recorded: it is not sent again.
	sent map[string]bool
	// inARow are failures since the notifier has last shown that it is well.
	inARow int
	last   string // the tenant whose turn it was last
}

// postponed is a message that has failed.
type postponed struct {
	tries int
	due   time.Time // it is tried again
}

func newDeliverer(w *Watcher, to Notifier) *deliverer {
	return &deliverer{Watcher: w, to: to, later: map[string]map[string]*postponed{}, sent: map[string]bool{}}
}

// run delivers whenever it is woken, and what has failed again after a pause.
func (d *deliverer) run(ctx context.Context, wake <-chan struct{}) {
	pause := firstPause
	for ctx.Err() == nil {
		tried, err := d.round(ctx)
		if err != nil || d.inARow < mostFailures { // else it was not seen that it is well
			d.trouble.Note(ctx, "notifier "+d.to.Name, "deliver messages", err, "notifier", d.to.Name)
		}
		var wait time.Duration
		switch {
		case err != nil && host.FailureOf(err) == host.Down:
			wait = firstPause // To find out whether it is up costs nothing.
		case err != nil:
			wait, pause = pause, min(2*pause, longestPause)
		case tried:
			pause = firstPause
			continue
		default:
			pause, wait = firstPause, d.untilDue()
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-time.After(wait):
		}
	}
}

// untilDue is how long nothing is to be tried again.
func (d *deliverer) untilDue() time.Duration {
	wait := longestPause
	for _, of := range d.later {
		for _, p := range of {
			wait = min(wait, time.Until(p.due))
		}
	}
	return max(wait, firstPause)
}

// round gives each tenant a turn, and says whether anything was tried. Its error is why the
// round has ended before its time: the notifier is down, or the database is.
func (d *deliverer) round(ctx context.Context) (tried bool, err error) {
	tenants, err := d.store.tenants(ctx, d.to.Name)
	if err != nil {
		return false, err
	}
	total := 0
	waits := map[string]bool{}
	for _, t := range tenants {
		total += t.messages
		waits[t.tenant] = true
	}
	d.metrics.waiting.WithLabelValues(d.to.Name).Set(float64(total))
	for tenant := range d.later {
		if !waits[tenant] {
			delete(d.later, tenant)
		}
	}
	// It goes on behind the one whose turn it was last: a round may end early.
	next, _ := slices.BinarySearchFunc(tenants, d.last, func(t backlog, last string) int {
		if t.tenant <= last {
			return -1
		}
		return 1
	})
	for _, t := range slices.Concat(tenants[next:], tenants[:next]) {
		d.last = t.tenant
		some, err := d.turn(ctx, t)
		tried = tried || some
		if err != nil {
			return tried, err
		}
	}
	return tried, nil
}

// turn tries some of a tenant's messages, until one fails. A refusal is none: the notifier is well.
func (d *deliverer) turn(ctx context.Context, of backlog) (tried bool, err error) {
	all, err := d.take(ctx, of)
	if err != nil {
		return false, err
	}
	for i := range all {
		if ctx.Err() != nil {
			return tried, ctx.Err()
		}
		failed, err := d.one(ctx, &all[i])
		if err != nil {
			return tried, err
		}
		tried = true
		if failed == nil {
			continue
		}
		d.postpone(&all[i])
		d.trouble.Note(ctx, "notifier "+d.to.Name+" tenant "+of.tenant, "deliver a message", failed,
			"notifier", d.to.Name, "tenant", of.tenant, "about", all[i].Message.GetAbout(), "id", all[i].Message.GetId())
		if host.FailureOf(failed) == host.Refused {
			continue
		}
		if d.inARow++; d.inARow >= mostFailures {
			return tried, fmt.Errorf("%d messages in a row have failed: %w", mostFailures, failed)
		}
		break
	}
	if len(d.later[of.tenant]) == 0 {
		d.trouble.Note(ctx, "notifier "+d.to.Name+" tenant "+of.tenant, "deliver a message", nil, "notifier", d.to.Name, "tenant", of.tenant)
	}
	return tried, nil
}

// take reads what a tenant's turn is for: what was not tried yet, and what is to be tried again.
func (d *deliverer) take(ctx context.Context, of backlog) ([]delivery, error) {
	later := d.later[of.tenant]
	var due, early []string
	now := time.Now()
	for id, p := range later {
		if p.due.After(now) {
			early = append(early, id)
		} else {
			due = append(due, id)
		}
	}
	if len(due) == 0 && (len(early) >= of.messages || len(early) >= mostPostponed) {
		return nil, nil
	}
	all, err := d.store.waiting(ctx, d.to.Name, of.tenant, early, due, len(later) < mostPostponed)
	if err != nil {
		return nil, err
	}
	if len(all) < mostTaken { // All that is due is among it, unless it does not wait any more.
		there := map[string]bool{}
		for i := range all {
			there[all[i].Message.GetId()] = true
		}
		for _, id := range due {
			if !there[id] {
				delete(later, id)
			}
		}
	}
	return all, nil
}

// postpone puts a message off that has failed.
func (d *deliverer) postpone(m *delivery) {
	tenant, id := m.Message.GetTenantId(), m.Message.GetId()
	if d.later[tenant] == nil {
		d.later[tenant] = map[string]*postponed{}
	}
	p := d.later[tenant][id]
	if p == nil {
		p = &postponed{}
		d.later[tenant][id] = p
	}
	p.due = time.Now().Add(min(longestPause, firstPause<<min(p.tries, 16)))
	p.tries++
}

// one delivers a message and records it. Failed is why it could not be delivered, err why
// no other one need be tried now.
func (d *deliverer) one(ctx context.Context, m *delivery) (failed, err error) {
	about := []any{"notifier", d.to.Name, "tenant", m.Message.GetTenantId(), "about", m.Message.GetAbout(), "id", m.Message.GetId()}
	if d.cfg.Now().After(m.Expires) {
		d.metrics.outcomes.WithLabelValues(d.to.Name, outcomeExpired).Inc()
		d.log.ErrorContext(ctx, "a message could not be delivered and is given up, its budget's period is over", about...)
		return nil, d.settle(ctx, m, givenUp)
	}
	if !d.sent[m.key()] {
		failed := d.send(ctx, m)
		if ctx.Err() != nil && failed != nil {
			return nil, ctx.Err()
		}
		outcome := outcomeDelivered
		if failed != nil {
			outcome = string(host.FailureOf(failed))
		}
		d.metrics.outcomes.WithLabelValues(d.to.Name, outcome).Inc()
		switch {
		case outcome == outcomeDown:
			d.inARow = mostFailures
			return nil, failed
		case outcome != outcomeFailed:
			d.inARow = 0
		}
		if failed != nil {
			return failed, nil
		}
		d.sent[m.key()] = true
		d.log.InfoContext(ctx, "a message was delivered", about...)
	}
	return nil, d.settle(ctx, m, delivered)
}

func (d *deliverer) send(ctx context.Context, m *delivery) error {
	ctx, cancel := context.WithTimeout(ctx, longestCall)
	defer cancel()
	return d.to.Of.Notify(ctx, m.Message)
}

// settle records that a message waits no more.
func (d *deliverer) settle(ctx context.Context, m *delivery, state int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	if err := d.store.put(ctx, m.Message.GetTenantId(), state, *m); err != nil {
		return err
	}
	d.metrics.waiting.WithLabelValues(d.to.Name).Dec()
	delete(d.sent, m.key())
	delete(d.later[m.Message.GetTenantId()], m.Message.GetId())
	return nil
}
