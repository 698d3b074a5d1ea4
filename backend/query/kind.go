package query

import (
	"context"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Kind is the shape of an answer. Kinds lists them with what each takes and gives.
type Kind string

// The kinds. Empty is KindMetrics.
const (
	KindMetrics Kind = "metrics" // figures of the catalogue, over time, by dimension or as one
	KindErrors  Kind = "errors"  // what executions failed of

	KindWaterfall   Kind = "waterfall"   // one execution, step by step
	KindBottlenecks Kind = "bottlenecks" // what a workflow's executions wait for
	KindRanking     Kind = "ranking"     // slowest and least reliable workflows and steps
	KindComparison  Kind = "comparison"  // whether a version or a period is better than another
)

// KindInfo describes a kind to editors and documentation.
type KindInfo struct {
	Kind        Kind   `json:"kind"`
	Title       string `json:"title"`
	Description string `json:"description"`
	// Uses are the members of Request that it reads beside from, to and timeZone.
	Uses   []string    `json:"uses"`
	Params []ParamInfo `json:"params"` // members of Request.Params
	Fields []FieldInfo `json:"fields"` // of the answer's frame; none where they follow from the request
	// From is the id of the plugin that answers it; empty is Flowgauge.
	From string `json:"plugin,omitempty"`

	// Personal are fields that hold users' ids, beside "user" and "user_id". Policies put
	// pseudonyms there.
	Personal []string `json:"personal,omitempty"`
	// Text are fields with what events said, in which ids of users may occur, beside
	// "message", "sample" and the like.
	Text []string `json:"text,omitempty"`
	// Grouped says that all figures come from Engine.figures, which leaves out groups of
	// too few users where a policy wants that. People is the field that counts the
	// different users of a row. A kind with neither is refused under such a policy.
	Grouped bool   `json:"-"`
	People  string `json:"-"`
	// Single are fields that repeat one row of a group, and so show what one user did
	// however many the group has.
	Single []string `json:"-"`
}

// ParamInfo describes a member of Request.Params.
type ParamInfo struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Required    bool     `json:"required"`
	Default     string   `json:"default,omitempty"`
	Allowed     []string `json:"allowed,omitempty"` // all values, where they are few
	Example     string   `json:"example,omitempty"`
}

// FieldInfo describes a field of an answer.
type FieldInfo struct {
	Name        string `json:"name"`
	Unit        string `json:"unit,omitempty"` // as in the catalogue
	Description string `json:"description"`
}

// shape is a kind with what answers it. An answer that needs figures of the
// catalogue asks Engine.figures, not Do.
type shape struct {
	KindInfo
	answer func(e *Engine, ctx context.Context, p access.Principal, r Request) (*Result, error)

	// aliases are the dimensions of fields that are named otherwise.
	aliases map[string]string
	// groups are the dimensions that a parameter, or its default, divides by, and whose
	// values are then in the field "group". What is kept back of dimensions holds for them
	// as for those of groupBy.
	groups func(r *Request) []string
	// filters are what parameters filter by, so that policies hold for them as well; the
	// answer leaves these parameters to the request's filters.
	filters func(r *Request) []Filter
	// texts are parameters that are compared with what events said: the field of the same
	// name.
	texts []string
}

// filtered returns all that a request filters by.
func (s *shape) filtered(r *Request) []Filter {
	if s.filters == nil {
		return r.Filters
	}
	return slices.Concat(r.Filters, s.filters(r))
}

// divided returns the dimensions that a request divides by, however it names them.
func (s *shape) divided(r *Request) []string {
	if s.groups == nil {
		return r.GroupBy
	}
	return slices.Concat(r.GroupBy, s.groups(r))
}

// shapes are all kinds, in the order in which they are shown.
var shapes = []shape{
	metricsShape, errorsShape, costBreakdownShape, budgetsShape, reconciliationShape,
	waterfallShape, bottlenecksShape, rankingShape, comparisonShape, durationsShape,
	forecastShape,
	executionsShape,
	sessionsShape, engagementShape, auditShape, annotationsShape,
	restatementsShape,
}

// Kinds describes every kind of question.
func Kinds() []KindInfo {
	out := make([]KindInfo, len(shapes))
	for i, s := range shapes {
		out[i] = s.KindInfo
	}
	return out
}

// shapeOf finds a request's kind and refuses what the kind does not take: ignored,
// it would silently be another question.
func shapeOf(r *Request) (*shape, error) {
	kind := r.Kind
	if kind == "" {
		kind = KindMetrics
	}
	at := slices.IndexFunc(shapes, func(s shape) bool { return s.Kind == kind })
	if at < 0 {
		names := make([]string, len(shapes))
		for i, s := range shapes {
			names[i] = string(s.Kind)
		}
		return nil, requestError("kind", string(kind), "no such kind of question", string(KindMetrics), names...)
	}
	s := &shapes[at]
	return s, s.checkMembers(r)
}

// checkMembers refuses what the kind does not take.
func (s *shape) checkMembers(r *Request) error {
	for _, name := range r.members() {
		if !slices.Contains(s.Uses, name) {
			return requestError(name, "", "a question of kind "+string(s.Kind)+" does not take it", "", s.Uses...)
		}
	}
	return s.checkParams(r.Params)
}

// Sound reports what is wrong with a request's members without asking it: a kind that
// there is, and nothing that the kind does not take. Of a plugin's kind only the plugin
// can tell.
func Sound(r Request) error {
	if r.Kind.Plugin() != "" {
		return nil
	}
	_, err := shapeOf(&r)
	return err
}

// members names the optional members of a request that are set.
func (r *Request) members() []string {
	var out []string
	for _, m := range []struct {
		name string
		set  bool
	}{
		{"metrics", len(r.Metrics) > 0},
		{"granularity", r.Granularity != Whole},
		{"groupBy", len(r.GroupBy) > 0},
		{"filters", len(r.Filters) > 0},
		{"orderBy", r.OrderBy != ""},
		{"descending", r.Descending},
		{"ascending", r.Ascending},
		{"limit", r.Limit != 0},
		{"compare", r.Compare != NoCompare},
		{"fill", r.Fill != NoFill},
		{"asOf", !r.AsOf.IsZero()},
	} {
		if m.set {
			out = append(out, m.name)
		}
	}
	return out
}

// checkParams wants the parameters that the kind has, with values that are allowed.
func (s *shape) checkParams(params map[string]string) error {
	names := make([]string, len(s.Params))
	for i, p := range s.Params {
		names[i] = "params." + p.Name
		value, given := params[p.Name]
		switch {
		case !given && p.Required:
			return requestError(names[i], "", "a question of kind "+string(s.Kind)+" needs it", p.Example, p.Allowed...)
		case given && len(p.Allowed) > 0 && !slices.Contains(p.Allowed, value):
			return requestError(names[i], value, "no such value", p.Example, p.Allowed...)
		}
	}
	for name := range params {
		if full := "params." + name; !slices.Contains(names, full) {
			message := "a question of kind " + string(s.Kind) + " has no such parameter"
			if len(names) == 0 {
				message += ", nor any other"
			}
			return requestError(full, params[name], message, "", names...)
		}
	}
	return nil
}

// param returns a parameter's value, or its default.
func (s *shape) param(r *Request, name string) string {
	return paramOf(s.Params, r, name)
}

// paramOf is the same for an answer that knows its parameters: one that named its
// shape would refer to itself.
func paramOf(params []ParamInfo, r *Request, name string) string {
	if value, ok := r.Params[name]; ok {
		return strings.TrimSpace(value)
	}
	return params[slices.IndexFunc(params, func(p ParamInfo) bool { return p.Name == name })].Default
}

var metricsShape = shape{
	KindInfo: KindInfo{
		Kind: KindMetrics, Title: "Metrics",
		Description: "Figures of the catalogue, over time, by dimension or as one figure.",
		Uses:        []string{"metrics", "granularity", "groupBy", "filters", "orderBy", "descending", "ascending", "limit", "compare", "fill", "asOf"},
		Params:      []ParamInfo{}, Fields: []FieldInfo{}, Grouped: true,
	},
	answer: (*Engine).figures,
}
