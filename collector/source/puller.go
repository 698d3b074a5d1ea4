package source

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/flowgauge/flowgauge/collector/receive"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

const (
	mostWanted    = 5_000 // events of an answer, which the plugin is told
	shortestPause = time.Second
	longestPause  = time.Minute
	// breath is between an answer without events and the question for more: a platform may
	// have pages with nothing of use, and a plugin that makes cursors for ever does not spin.
	breath = 100 * time.Millisecond
)

// PullConfig is one source's that is asked for events.
type PullConfig struct {
	Config
	Every   time.Duration
	Dir     string // in which its cursor is kept
	Metrics *Metrics
}

// Puller asks one source for events.
type Puller struct {
	cfg    PullConfig
	remote Remote
	file   cursorFile
	cursor string
	state  outcome // of the last time that it was up
	fails  int     // in a row
}

// An outcome is what became of a pull.
type outcome string

const (
	ok       outcome = "ok"
	rejected outcome = "rejected"
	down     outcome = outcome(host.Down)
	held     outcome = "held"
)

// NewPuller returns a Puller that goes on where the one before it has ended.
func NewPuller(cfg PullConfig) (*Puller, error) {
	p := &Puller{cfg: cfg, remote: Remote{cfg.Plugin}, state: ok}
	p.file = cursorFile{filepath.Join(cfg.Dir, p.remote.ID()+".json")}
	var err error
	p.cursor, err = p.file.load(cfg.Tenant)
	return p, err
}

// Run asks until ctx ends.
func (p *Puller) Run(ctx context.Context) {
	for {
		pause := p.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// A pull is what has come of asking once.
type pull struct {
	outcome  outcome
	err      error
	events   bool
	more     bool
	rejected int
	wait     time.Duration // at least, if it has failed
}

// round asks once and returns when to ask again.
func (p *Puller) round(ctx context.Context) time.Duration {
	one := p.pull(ctx)
	if ctx.Err() != nil {
		return 0
	}
	p.note(ctx, one)
	if one.outcome == down { // To find that out costs nothing.
		return shortestPause
	}
	if one.err != nil {
		pause := min(longestPause, shortestPause<<min(p.fails, 6))
		p.fails++
		return max(pause, one.wait)
	}
	p.fails = 0
	switch {
	case !one.more:
		return p.cfg.Every
	case !one.events:
		return breath
	}
	return 0
}

// pull asks for events, makes them durable, and then keeps the cursor.
func (p *Puller) pull(ctx context.Context) pull {
	res, err := p.remote.Pull(ctx, &contractv1.PullRequest{Cursor: p.cursor, Most: mostWanted, TenantId: p.cfg.Tenant})
	if err != nil {
		return pull{outcome: outcome(host.FailureOf(err)), err: err}
	}
	one := pull{outcome: ok, more: res.GetMore(), events: len(bytes.TrimSpace(res.GetEvents())) > 0}
	if one.events {
		who := receive.Principal{Tenant: p.cfg.Tenant, KeyID: keyID(p.remote.ID())}
		receipt, why := p.cfg.Receiver.Take(ctx, who, res.GetEvents())
		if why != nil {
			return pull{outcome: held, err: errors.New(why.Detail), wait: why.RetryAfter}
		}
		if one.rejected = len(receipt.Errors) + receipt.ErrorsOmitted; one.rejected > 0 {
			one.outcome = rejected
		}
	}
	if res.GetCursor() == p.cursor {
		return one
	}
	if err := p.file.save(p.cfg.Tenant, res.GetCursor()); err != nil {
		return pull{outcome: held, err: err}
	}
	p.cursor = res.GetCursor()
	return one
}

// note counts a pull, and says in the log when it goes another way than the one before.
func (p *Puller) note(ctx context.Context, one pull) {
	id := p.remote.ID()
	p.cfg.Metrics.pulls.WithLabelValues(id, string(one.outcome)).Inc()
	if one.err == nil {
		p.cfg.Metrics.success.WithLabelValues(id).SetToCurrentTime()
	}
	if one.outcome == p.state || one.outcome == down { // The host says when a plugin is down, and why.
		return
	}
	p.state = one.outcome
	log := func(level slog.Level, message string, attrs ...slog.Attr) {
		p.cfg.Logger.LogAttrs(ctx, level, message, append([]slog.Attr{slog.String("plugin", id)}, attrs...)...)
	}
	switch {
	case one.outcome == held:
		log(slog.LevelWarn, "what a source has given could not be kept; it is asked again", slog.Any("error", one.err))
	case one.err != nil:
		log(slog.LevelWarn, "a source cannot be asked for events; it is asked again", slog.String("outcome", string(one.outcome)), slog.Any("error", one.err))
	case one.outcome == rejected:
		log(slog.LevelWarn, "a source has given events that cannot be taken; they are dead letters", slog.Int("events", one.rejected))
	default:
		log(slog.LevelInfo, "a source gives events again, as it should")
	}
}
