package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Extra answers kinds of question that are not Flowgauge's own: those of plugins. It has no
// data of its own. The engine asks what it needs as the one who asks, so that scope, policy,
// limits and audit hold for the parts as for any question, and for the whole with them.
type Extra interface {
	// Kinds describes the kinds of one plugin, or with an empty id of all. The error says
	// why there may be more: a plugin is down.
	Kinds(ctx context.Context, plugin string) ([]KindInfo, error)
	// Plan says what a question needs to be answered. A period or zone that is left out is
	// the question's.
	Plan(ctx context.Context, r Request) ([]Request, error)
	// Answer makes the answer of the parts' answers: Frame, Exact and Meta.Notices.
	Answer(ctx context.Context, r Request, parts []*Result) (*Result, error)
}

// MaxParts is how many questions an Extra may ask to answer one.
const MaxParts = 8

// partsAtOnce keeps one question from taking the database for itself.
const partsAtOnce = 2

// Plugin is the id of the plugin whose kind it is; empty for Flowgauge's own.
func (k Kind) Plugin() string {
	id, _, found := strings.Cut(string(k), ".")
	if !found {
		return ""
	}
	return id
}

// PluginFault says what a plugin did instead of answering.
type PluginFault string

// The faults.
const (
	PluginDown  PluginFault = "down"
	PluginLate  PluginFault = "late"
	PluginWrong PluginFault = "wrong" // it failed, or what it said breaks the contract
)

// PluginError says that a question has no answer because of a plugin. The message names it.
type PluginError struct {
	Fault   PluginFault
	Message string
}

func (e *PluginError) Error() string { return e.Message }

// Kinds describes every kind of question that can be asked now.
func (e *Engine) Kinds(ctx context.Context) []KindInfo {
	all := KindsWith(ctx, e.forecasters, e.detectors)
	if e.extra != nil {
		more, _ := e.extra.Kinds(ctx, "") // of a plugin that is down its host has told
		all = append(all, more...)
	}
	return all
}

// shapeOf is the function of that name, which knows what can be asked of plugins as well.
func (e *Engine) shapeOf(ctx context.Context, r *Request) (*shape, error) {
	if e.extra == nil || r.Kind.Plugin() == "" {
		s, err := shapeOf(r)
		if wrong, ok := err.(*RequestError); ok && wrong.Param == "kind" && e.extra != nil { //nolint:errorlint // it is its own
			return nil, e.noKind(ctx, r.Kind)
		}
		return s, err
	}
	kinds, err := e.extra.Kinds(ctx, r.Kind.Plugin())
	at := slices.IndexFunc(kinds, func(k KindInfo) bool { return k.Kind == r.Kind })
	switch {
	case at < 0 && err != nil:
		return nil, err
	case at < 0:
		return nil, e.noKind(ctx, r.Kind)
	}
	s := &shape{KindInfo: kinds[at]}
	return s, s.checkMembers(r)
}

// Check refuses what the kind does not take.
func (k KindInfo) Check(r *Request) error { return (&shape{KindInfo: k}).checkMembers(r) }

func (e *Engine) noKind(ctx context.Context, kind Kind) error {
	var names []string
	for _, k := range e.Kinds(ctx) {
		names = append(names, string(k.Kind))
	}
	return requestError("kind", string(kind), "no such kind of question", string(KindMetrics), names...)
}

// others answers a question of a kind of a plugin's. The policy is at work in the parts: who
// gets pseudonyms there has pseudonyms in the answer, which is made of nothing else.
func (e *Engine) others(ctx context.Context, p access.Principal, r Request, s *shape) (*Result, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	if _, err := scopeOf(p); err != nil {
		return nil, err
	}
	q := &question{}
	if err := q.checkPeriod(r, e.limits); err != nil {
		return nil, err
	}
	r.From, r.To, r.TimeZone = q.from, q.to, q.loc.String()
	requests, err := e.extra.Plan(ctx, r)
	if err != nil {
		return nil, err
	}
	parts, err := e.parts(ctx, p, r, requests)
	if err != nil {
		return nil, err
	}
	res, err := e.extra.Answer(ctx, r, parts)
	if err != nil {
		return nil, err
	}
	if n := res.Frame.Rows(); n > e.limits.Rows {
		return nil, &PluginError{PluginWrong, fmt.Sprintf("plugin %s: its answer has %d rows, an answer has %d at most", r.Kind.Plugin(), n, e.limits.Rows)}
	}
	s.describe(res)
	res.Meta = metaOf(parts, res.Meta.Notices)
	res.Meta.From, res.Meta.To, res.Meta.TimeZone, res.Meta.Granularity = q.from.In(q.loc), q.to.In(q.loc), r.TimeZone, r.Granularity
	res.Meta.Elapsed = time.Since(began)
	e.log.Debug("answered", "kind", s.Kind, "parts", len(parts), "rows", res.Frame.Rows(), "rows_read", res.Meta.RowsRead, "elapsed", res.Meta.Elapsed)
	return res, nil
}

// describe gives columns the titles, units and descriptions that Flowgauge's have.
func (s *shape) describe(res *Result) {
	for _, f := range res.Frame.Fields {
		f.Config.DisplayNameFromDS = titleOf(f.Name)
		for _, info := range s.Fields {
			if info.Name == f.Name {
				f.Config.Description = info.Description
				f.Config.Unit = cmp.Or(f.Config.Unit, info.Unit)
			}
		}
	}
}

// parts asks what a plugin wants to know, as the one who asks.
func (e *Engine) parts(ctx context.Context, p access.Principal, of Request, requests []Request) ([]*Result, error) {
	wrong := func(format string, args ...any) error {
		return &PluginError{PluginWrong, "plugin " + of.Kind.Plugin() + ": " + fmt.Sprintf(format, args...)}
	}
	if len(requests) > MaxParts {
		return nil, wrong("to answer %s it asks %d questions, %d are allowed", of.Kind, len(requests), MaxParts)
	}
	// A cache in front of the engine keeps the record of the whole. Those of the parts are
	// kept here, where they are asked.
	ctx = context.WithValue(ctx, recordedKey{}, nil)
	parts := make([]*Result, len(requests))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	for i, r := range requests {
		if r.Kind.Plugin() != "" {
			return nil, wrong("to answer %s it asks a question of kind %q: only Flowgauge's own are answered to plugins", of.Kind, Shortened(string(r.Kind)))
		}
		if r.From.IsZero() {
			r.From = of.From
		}
		if r.To.IsZero() {
			r.To = of.To
		}
		if r.TimeZone == "" {
			r.TimeZone = of.TimeZone
		}
		group.Go(func() (err error) {
			parts[i], err = e.Do(gctx, p, r)
			return ofPart(err, of.Kind, i)
		})
	}
	return parts, group.Wait()
}

// ofPart says of an error which question it is about: not the one that the caller wrote.
func ofPart(err error, kind Kind, i int) error {
	switch e := err.(type) { //nolint:errorlint // what Do returns
	case *RequestError:
		return requestError("kind", string(kind), "question "+strconv.Itoa(i+1)+" that it is made of was refused: "+e.Error(), "")
	case *AccessError:
		return &AccessError{Message: "question " + strconv.Itoa(i+1) + " that " + string(kind) + " is made of was refused: " + e.Message}
	}
	return err
}

// metaOf says of an answer what is to be said of its parts.
func metaOf(parts []*Result, notices []string) Meta {
	m := Meta{Notices: slices.Clone(notices)}
	read := map[string]bool{}
	for _, part := range parts {
		of := &part.Meta
		for _, s := range of.Sources {
			read[s] = true
		}
		for _, n := range of.Notices {
			if !slices.Contains(m.Notices, n) {
				m.Notices = append(m.Notices, n)
			}
		}
		m.PendingBuckets = max(m.PendingBuckets, of.PendingBuckets)
		m.StaleBuckets = max(m.StaleBuckets, of.StaleBuckets)
		m.Truncated = m.Truncated || of.Truncated
		if of.PartialPeriod && (!m.PartialPeriod || of.PartialFrom.Before(m.PartialFrom)) {
			m.PartialPeriod, m.PartialFrom = true, of.PartialFrom
		}
		m.RowsRead += of.RowsRead
		m.SQL = append(m.SQL, of.SQL...)
	}
	m.Sources = (&run{levels: read}).sources()
	return m
}
