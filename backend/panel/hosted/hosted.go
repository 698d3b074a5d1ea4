// Package hosted asks the panel plugins of this process.
package hosted

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc"

	"github.com/flowgauge/flowgauge/backend/panel"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// Panels are plugins that run in this process.
type Panels struct{ plugins []*described }

// askedAgain is how long it takes after a plugin did not describe its kinds.
const askedAgain = 5 * time.Second

// described is a plugin with what it has said of its kinds.
type described struct {
	*host.Plugin
	log    *slog.Logger
	asking singleflight.Group // one asks, and all wait as long as they like

	mu    sync.Mutex
	of    *host.Manifest // of the process that was asked: each has its own
	until time.Time      // what is known holds, zero is always
	kinds []query.KindInfo
	err   error // why there are none
}

// New takes the plugins of a host that serve panels.
func New(h *host.Host, log *slog.Logger) *Panels {
	p := &Panels{}
	for _, plugin := range h.Plugins(contract.ExtensionPanel) {
		p.plugins = append(p.plugins, &described{Plugin: plugin, log: log})
	}
	return p
}

// Kinds describes the kinds of one plugin, or of all. Those that are down are in the error.
func (p *Panels) Kinds(ctx context.Context, plugin string) ([]query.KindInfo, error) {
	if plugin != "" {
		for _, d := range p.plugins {
			if d.ID() == plugin {
				return d.describe(ctx)
			}
		}
		return nil, nil
	}
	kinds, errs := make([][]query.KindInfo, len(p.plugins)), make([]error, len(p.plugins))
	var all sync.WaitGroup
	for i, d := range p.plugins {
		all.Go(func() { kinds[i], errs[i] = d.describe(ctx) })
	}
	all.Wait()
	return slices.Concat(kinds...), errors.Join(errs...)
}

// describe says what a plugin's kinds are. A process that has said it is not asked again.
func (d *described) describe(ctx context.Context) ([]query.KindInfo, error) {
	if err := d.Err(); err != nil {
		return nil, faulted(err)
	}
	if kinds, err, known := d.known(); known {
		return kinds, err
	}
	answer := d.asking.DoChan("", func() (any, error) {
		if kinds, err, known := d.known(); known { // since it was looked
			return kinds, err
		}
		return d.ask(context.WithoutCancel(ctx)) // its deadline is the plugin's: others wait too
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case res := <-answer:
		kinds, _ := res.Val.([]query.KindInfo)
		return kinds, res.Err
	}
}

func (d *described) known() (kinds []query.KindInfo, err error, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of != d.Manifest() || !d.until.IsZero() && time.Now().After(d.until) {
		return nil, nil, false
	}
	return d.kinds, d.err, true
}

func (d *described) ask(ctx context.Context) (kinds []query.KindInfo, err error) {
	of := d.Manifest()
	var wrong error
	err = d.call(ctx, func(ctx context.Context, panels contractv1.PanelClient, m *host.Manifest) error {
		of = m
		res, err := panels.Describe(ctx, &contractv1.DescribeRequest{})
		if err != nil {
			return err
		}
		// A wrong description is no reason to start the plugin again: it would say the same.
		if kinds, wrong = panel.Kinds(d.ID(), res.GetKinds()); wrong != nil {
			kinds, wrong = nil, panel.Wrong(d.ID(), fmt.Errorf("its description of its kinds: %w", wrong))
			d.log.ErrorContext(ctx, "a plugin's kinds of question are not there", "plugin", d.ID(), "error", wrong)
		}
		return nil
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of, d.kinds, d.err, d.until = of, kinds, wrong, time.Time{}
	if err != nil {
		d.err, d.until = err, time.Now().Add(askedAgain)
	}
	return d.kinds, d.err
}

// Plan asks a plugin what a question needs.
func (p *Panels) Plan(ctx context.Context, req *contractv1.PlanRequest, take func(*contractv1.PlanResponse) error) error {
	d, name, err := p.find(req.GetQuestion().GetKind())
	if err != nil {
		return err
	}
	err = d.call(ctx, func(ctx context.Context, panels contractv1.PanelClient, _ *host.Manifest) error {
		res, err := panels.Plan(ctx, &contractv1.PlanRequest{Question: named(req.GetQuestion(), name)})
		if err != nil {
			return err
		}
		return take(res)
	})
	return asked(err, req.GetQuestion())
}

// Answer lets a plugin make an answer.
func (p *Panels) Answer(ctx context.Context, req *contractv1.AnswerRequest, take func(*contractv1.AnswerResponse) error) error {
	d, name, err := p.find(req.GetQuestion().GetKind())
	if err != nil {
		return err
	}
	err = d.call(ctx, func(ctx context.Context, panels contractv1.PanelClient, _ *host.Manifest) error {
		res, err := panels.Answer(ctx, &contractv1.AnswerRequest{Question: named(req.GetQuestion(), name), Tables: req.GetTables()})
		if err != nil {
			return err
		}
		return take(res)
	})
	return asked(err, req.GetQuestion())
}

// find returns the plugin of a kind, and what the plugin calls it.
func (p *Panels) find(kind string) (*described, string, error) {
	id, name, _ := strings.Cut(kind, ".")
	for _, d := range p.plugins {
		if d.ID() == id {
			return d, name, nil
		}
	}
	return nil, "", &query.RequestError{Param: "kind", Value: query.Shortened(kind), Message: "no plugin of this process has it"}
}

func named(q *contractv1.Question, name string) *contractv1.Question {
	return &contractv1.Question{
		Kind: name, From: q.GetFrom(), To: q.GetTo(), TimeZone: q.GetTimeZone(), Granularity: q.GetGranularity(), Parameters: q.GetParameters(),
	}
}

// call asks the plugin's process.
func (d *described) call(ctx context.Context, ask func(context.Context, contractv1.PanelClient, *host.Manifest) error) error {
	return faulted(d.Call(ctx, contract.ExtensionPanel, func(ctx context.Context, conn grpc.ClientConnInterface, m *host.Manifest) error {
		return ask(ctx, contractv1.NewPanelClient(conn), m)
	}))
}

// faulted says what a plugin did instead of answering. What is the caller's stays: a context
// that is over, and a question that the plugin refuses.
func faulted(err error) error {
	var refused *host.RefusedError
	if errors.As(err, &refused) && refused.Unimplemented {
		return panel.Wrong(refused.ID, errors.New(refused.Message))
	}
	if fault := Fault(err); fault != nil {
		return fault
	}
	return err
}

// asked makes a plugin's refusal one of the question that it was asked.
func asked(err error, q *contractv1.Question) error {
	var refused *host.RefusedError
	if errors.As(err, &refused) {
		return &query.RequestError{Param: "kind", Value: query.Shortened(q.GetKind()), Message: panel.Sentence(refused.Error())}
	}
	return err
}
