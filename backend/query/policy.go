package query

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// Policies says what is kept from whom.
type Policies interface {
	// Policy returns what holds for a principal now. The zero Policy keeps nothing back.
	Policy(ctx context.Context, p access.Principal) (Policy, error)
}

// Policy is what is kept from a principal of what is within its scope. It holds for
// every kind of question and every surface, since Do, Values and Conflicts apply it.
type Policy struct {
	// PseudonymKey, unless it is empty, puts pseudonyms in the place of users' ids, in
	// answers and in filters.
	PseudonymKey []byte
	// Minimum withholds figures about fewer different users; 0 and 1 withhold none.
	Minimum int
	// Redact are fields of answers and dimensions whose values are not shown; a * at the
	// end matches what begins with the rest, as in metadata.*.
	Redact []string
}

// Redacted is shown in the place of a redacted value.
const Redacted = "[redacted]"

// minimumKey carries Policy.Minimum to the questions that an answer is made of.
type minimumKey struct{}

func minimumOf(ctx context.Context) int {
	n, _ := ctx.Value(minimumKey{}).(int)
	return n
}

// guard is a policy at work on one request.
type guard struct {
	Policy
	e    *Engine
	p    access.Principal
	past bool // the request is about earlier states, in which others may be named
}

// guard finds the policy of who asks. Whoever sees their own rows alone is not
// hidden from themselves.
func (e *Engine) guard(ctx context.Context, p access.Principal) (*guard, error) {
	g := &guard{e: e, p: p}
	if e.policies == nil {
		return g, nil
	}
	policy, err := e.policies.Policy(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	if p.Role == access.RoleViewer {
		policy.Minimum = 0
	}
	g.Policy = policy
	return g, nil
}

// Unrestricted wants a principal from whom nothing of the tenant is kept back. Whoever
// asks in a language that the planner does not read asks past scope and policy.
func (e *Engine) Unrestricted(ctx context.Context, p access.Principal) error {
	s, err := scopeOf(p)
	if err != nil {
		return err
	}
	if !s.all {
		return &AccessError{Message: "this can be asked by those alone who see all data of the tenant"}
	}
	g, err := e.guard(ctx, p)
	if err != nil {
		return err
	}
	if len(g.PseudonymKey) > 0 || g.Minimum > 1 || len(g.Redact) > 0 {
		return &AccessError{Message: "this cannot be asked by the role " + string(p.Role) + ", from which a policy of the tenant keeps something back"}
	}
	return nil
}

// context makes the policy hold for the figures that an answer is made of.
func (g *guard) context(ctx context.Context) context.Context {
	if g.Minimum > 1 {
		return context.WithValue(ctx, minimumKey{}, g.Minimum)
	}
	return ctx
}

// admit checks a request's groups and filters, and puts users' ids in the place of
// pseudonyms.
func (g *guard) admit(ctx context.Context, from, to int64, groupBy []string, filters []Filter) ([]Filter, error) {
	for _, name := range groupBy {
		if g.redacts(name) {
			return nil, &AccessError{Message: "dimension " + name + " is not shown to the role " + string(g.p.Role)}
		}
	}
	out := filters
	for i, f := range filters {
		if g.redacts(f.Dimension) {
			return nil, &AccessError{Message: "dimension " + f.Dimension + " is not shown to the role " + string(g.p.Role)}
		}
		_, member := metric.MetadataKey(f.Dimension)
		if f.Dimension == metric.User && g.Minimum > 1 {
			return nil, &AccessError{Message: "figures of chosen users are not shown to the role " + string(g.p.Role) + ", which sees groups of " + strconv.Itoa(g.Minimum) + " users and more"}
		}
		if len(g.PseudonymKey) == 0 || f.Dimension != metric.User && !member {
			continue
		}
		values, err := g.meant(ctx, from, to, f)
		if err != nil {
			return nil, err
		}
		if &out[0] == &filters[0] { // the caller's
			out = slices.Clone(filters)
		}
		out[i].Values = values
	}
	return out, nil
}

// meant returns the values of a filter by user, or by a member of metadata, with ids in
// the place of pseudonyms.
func (g *guard) meant(ctx context.Context, from, to int64, f Filter) ([]string, error) {
	if f.Dimension == metric.User {
		return g.ids(ctx, from, to, f.Values)
	}
	users, err := g.users(ctx, from, to)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(f.Values))
	for i, value := range f.Values {
		out[i] = g.text(value, users)
	}
	return out, nil
}

// text returns what a text that a caller compares with events' stands for: the id of a
// pseudonym, and nothing that there is for a text with a user's id, which the caller
// cannot have seen and would else find out about.
func (g *guard) text(value string, users *disguise) string {
	if id, known := g.e.pseudonyms.id(g.p.Tenant, g.PseudonymKey, value); known {
		return id
	}
	if users.text(value) != value {
		return nobody
	}
	return value
}

// admitTexts checks parameters that are compared with what events said, and returns the
// parameters with ids in the place of pseudonyms. A text with a user's own id is one that
// the caller cannot have seen.
func (g *guard) admitTexts(ctx context.Context, s *shape, r *Request) (map[string]string, error) {
	out := r.Params
	for _, name := range s.texts {
		value := r.Params[name]
		if value == "" {
			continue
		}
		if g.redacts(name) {
			return nil, &AccessError{Message: "field " + name + " is not shown to the role " + string(g.p.Role)}
		}
		if len(g.PseudonymKey) == 0 {
			continue
		}
		users, err := g.users(ctx, r.From.UnixMilli(), r.To.UnixMilli())
		if err != nil {
			return nil, err
		}
		if meant := g.text(value, users); meant != value {
			out = maps.Clone(out)
			out[name] = meant
		}
	}
	return out, nil
}

// redacts reports whether a field or dimension is not shown.
func (g *guard) redacts(name string) bool { return g.Policy.redacts(name) }

func (p *Policy) redacts(name string) bool {
	return slices.ContainsFunc(p.Redact, func(pattern string) bool {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(name, prefix)
		}
		return name == pattern
	})
}

// checkKind wants a kind whose rows can be told to be about enough users.
func (g *guard) checkKind(s *shape) error {
	if g.Minimum > 1 && !s.Grouped && s.People == "" {
		return &AccessError{Message: "questions of kind " + string(s.Kind) + " show what single users did, and the role " + string(g.p.Role) + " sees groups of " + strconv.Itoa(g.Minimum) + " users and more"}
	}
	return nil
}
