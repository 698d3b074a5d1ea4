package otlp

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive/mapping"
)

// rule is a mapping that is ready to use.
type rule struct {
	name        string
	kind        event.Kind // 0: the span is ignored
	span, scope mapping.Pattern
	kinds       uint8 // a bit for each span kind that matches; 0 is every one
	attributes  []condition
	resource    []condition
	fields      []assignment
	start       mapping.Texts // in the place of the span's
	status      mapping.Status
	started     bool
	metadata    detail
	used        map[int]bool // slots that a field is made of
}

// condition is an attribute that a rule asks for.
type condition struct {
	slot    int
	pattern mapping.Pattern
	absent  bool // it must not be there
}

// assignment is a field and where it comes from.
type assignment struct {
	name      string
	set       setter
	texts     mapping.Texts
	ofFailure bool // is of an execution that failed, and of no other
}

// detail is what goes into an event's metadata.
type detail uint8

const (
	spanAlone detail = iota
	everything
	nothing
)

var spanKinds = map[string]uint8{
	"":         0,
	"internal": 1<<0 | 1<<1, // unspecified may be taken for internal
	"server":   1 << 2, "client": 1 << 3, "producer": 1 << 4, "consumer": 1 << 5,
}

// compileRule reads a mapping. Its references are added to the slots.
func compileRule(m *config.SpanMapping, s *slots) (*rule, error) {
	kind, err := mapping.Kind(m.Event)
	if err != nil {
		return nil, err
	}
	r := &rule{
		name: m.Name, kind: kind, span: mapping.NewPattern(m.Match.Span), scope: mapping.NewPattern(m.Match.Scope),
		started: kind == event.KindExecution && (m.Started == nil || *m.Started), used: map[int]bool{},
	}
	var ok bool
	if r.kinds, ok = spanKinds[m.Match.Kind]; !ok {
		return nil, fmt.Errorf("match: kind is %q: it is internal, server, client, producer or consumer", m.Match.Kind)
	}
	r.attributes, r.resource = conditions(m.Match.Attributes, s), conditions(m.Match.Resource, s)
	for name, pattern := range m.Match.Attributes {
		if !strings.Contains(pattern, "*") {
			r.use(s.add(name)) // The mapping says as much.
		}
	}
	if r.span.Any() && r.scope.Any() && len(r.attributes) == 0 && len(r.resource) == 0 {
		return nil, errors.New("match: it would match every span: give a span, a scope, attributes or a resource")
	}
	switch m.Metadata {
	case "", "span":
	case "all":
		r.metadata = everything
	case "none":
		r.metadata = nothing
	default:
		return nil, fmt.Errorf("metadata is %q: it is span, all or none", m.Metadata)
	}
	if kind == event.KindStep {
		r.metadata = nothing // A step has none.
	}
	if kind == 0 {
		if len(m.Fields) > 0 {
			return nil, errors.New("what is ignored has no fields")
		}
		return r, nil
	}
	return r, r.compileFields(m, s)
}

func conditions(of map[string]string, s *slots) []condition {
	var out []condition
	for _, name := range slices.Sorted(maps.Keys(of)) {
		out = append(out, condition{slot: s.add(name), pattern: mapping.NewPattern(of[name]), absent: of[name] == ""})
	}
	return out
}

func (r *rule) compileFields(m *config.SpanMapping, s *slots) error {
	ends := r.kind == event.KindExecution || r.kind == event.KindStep
	if m.Status.Skipped != nil && r.kind != event.KindStep || m.Status.Started != nil && r.kind != event.KindExecution ||
		(m.Status.Completed != nil || m.Status.Failed != nil) && !ends {
		return errors.New("status: executions are started, completed or failed, steps completed, failed or skipped; others can only be ignored")
	}
	var err error
	if r.status, err = mapping.CompileStatus(m.Status, s.resolve); err != nil {
		return err
	}
	r.status.Refs(r.use)
	texts := maps.Clone(defaults[r.kind])
	maps.Copy(texts, m.Fields)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		compiled, err := mapping.Compile(texts[name], s.resolve)
		if err != nil {
			return fmt.Errorf("fields: %s: %w", name, err)
		}
		compiled.Refs(r.use)
		if name == "startTime" {
			r.start = compiled
			continue
		}
		f, ok := fields[name]
		if !ok || !slices.Contains(f.kinds, r.kind) {
			return fmt.Errorf("fields: a mapping to %s sets no field %q", r.kind, name)
		}
		r.fields = append(r.fields, assignment{name, f.set, compiled, strings.HasPrefix(name, "error")})
	}
	return nil
}

func (r *rule) use(ref int) { r.used[ref] = true }

// fits says whether spans of the scope at hand may match.
func (r *rule) fits(d *decoder) bool {
	if _, ok := r.scope.Match(d.scope); !ok {
		return false
	}
	return all(r.resource, d.outer, &d.arena)
}

// matches says whether the span at hand, whose scope fits, matches.
func (r *rule) matches(d *decoder) bool {
	if r.kinds != 0 && (d.span.kind > 7 || r.kinds&(1<<d.span.kind) == 0) {
		return false
	}
	for i := range r.attributes {
		if c := &r.attributes[i]; (d.values[c.slot] == nil) != c.absent {
			return false
		}
	}
	star, ok := r.span.Match(d.span.name)
	if !ok || !all(r.attributes, d.values, &d.arena) {
		return false
	}
	d.star = star
	return true
}

func all(conditions []condition, values [][]byte, arena *mapping.Arena) bool {
	for i := range conditions {
		c := &conditions[i]
		value := values[c.slot]
		if (value == nil) != c.absent {
			return false
		}
		if c.pattern.Any() {
			continue
		}
		if _, ok := c.pattern.Match(text(value, arena)); !ok {
			return false
		}
	}
	return true
}
