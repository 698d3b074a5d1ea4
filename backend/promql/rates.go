package promql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/flowgauge/flowgauge/backend/query"
)

// A sum of rates is the rate of the sum, but for one thing: rate does not extrapolate
// a counter below 0, and that is about single series. Of a window it matters only to a
// counter that rises in it by more than it was at its first sample, because samples are
// a minute apart, and so is the window's beginning from the first of them at most. So
// in sum by (a) (rate(m[5m])) the database adds up all series that were, before the
// first window, at least half of what they come to be. Those that are younger stay
// series of their own, beside the sums of the others.

// grouping is what a sum keeps of labels.
type grouping struct {
	by     bool
	labels []string
}

func (g *grouping) keeps(label string) bool { return slices.Contains(g.labels, label) == g.by }

func (g *grouping) equal(o *grouping) bool {
	return g != nil && o != nil && g.by == o.by && slices.Equal(g.labels, o.labels)
}

// sumsOfRates finds the selectors of a query of whose rates nothing but one sum is
// asked for. A selector that is there twice in different surroundings is not among them.
func sumsOfRates(e parser.Expr) map[string]*grouping {
	out := map[string]*grouping{}
	parser.Inspect(e, func(n parser.Node, path []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		function, window, sum := surroundings(path)
		key := selectorKey(function, window, v.LabelMatchers)
		if known, twice := out[key]; twice && !known.equal(sum) {
			sum = nil
		}
		out[key] = sum
		return nil
	})
	return out
}

// surroundings returns what the engine's hints will say of a selector, and the sum
// around it if there is nothing but a function between them.
func surroundings(path []parser.Node) (function string, window time.Duration, sum *grouping) {
	at := len(path) - 1
	if at >= 0 {
		if m, ok := path[at].(*parser.MatrixSelector); ok {
			window = m.Range
			at--
		}
	}
	for ; at >= 0; at-- {
		switch n := path[at].(type) {
		case *parser.BinaryExpr:
			return function, window, nil
		case *parser.Call:
			if function != "" {
				return function, window, nil
			}
			function = n.Func.Name
		case *parser.AggregateExpr:
			if function == "" {
				return n.Op.String(), window, nil
			}
			if n.Op == parser.SUM {
				sum = &grouping{by: !n.Without, labels: n.Grouping}
			}
			return function, window, sum
		case *parser.ParenExpr:
		default:
			if function != "" {
				return function, window, nil
			}
		}
	}
	return function, window, nil
}

func selectorKey(function string, window time.Duration, matchers []*labels.Matcher) string {
	texts := make([]string, len(matchers))
	for i, m := range matchers {
		texts[i] = m.String()
	}
	slices.Sort(texts)
	return fmt.Sprint(function, window.Milliseconds(), texts)
}

// sumAround returns the sum that a selection is for, or nil.
func (q *querier) sumAround(h *storage.SelectHints, matchers []*labels.Matcher) *grouping {
	return q.sums[selectorKey(h.Func, time.Duration(h.Range)*time.Millisecond, matchers)]
}

const (
	// mostYoung is how many series stay apart.
	mostYoung = 1000
	// ofOthers is the value of a label that a sum does away with, in the series that is
	// the sum of others: no series that stays apart has the same labels.
	ofOthers = "\xff"
)

// summed reads a selection for a sum of rates. ok is false when every series is wanted.
func (q *querier) summed(ctx context.Context, s *selection, g *grouping) (list []storage.Series, notices []string, ok bool, err error) {
	sums := *s
	if s.family.histogram || s.family.byUser() || len(s.rest) > 0 || !sums.add(g) {
		return nil, nil, false, nil
	}
	young, ok, err := q.young(ctx, s)
	if err != nil || !ok {
		return nil, nil, false, err
	}
	totals, err := q.kept(ctx, sums.request(nil))
	if err != nil {
		return nil, nil, false, err
	}
	groups := totals.Groups
	if len(young) > 0 {
		apart, err := q.kept(ctx, s.request(young))
		if err != nil {
			return nil, nil, false, err
		}
		for i := range apart.Groups {
			list = append(list, s.series(&apart.Groups[i])...)
		}
		groups = sums.without(groups, apart.Groups, s.groupBy)
	}
	for i := range groups {
		list = append(list, sums.series(&groups[i])...)
	}
	return list, totals.Notices, true, nil
}

// add makes a selection one of sums; false if these would be its series.
func (s *selection) add(g *grouping) bool {
	all := s.groupBy
	s.groupBy = slices.DeleteFunc(slices.Clone(all), func(l string) bool { return !g.keeps(l) })
	for _, l := range all {
		if !g.keeps(l) {
			s.marked = l
		}
	}
	if s.status && !g.keeps(statusLabel) {
		s.status, s.marked = false, statusLabel
	}
	return s.marked != ""
}

// request asks for a selection's totals, of all groups or of some, by dimension.
func (s *selection) request(only [][]string) query.TotalsRequest {
	return query.TotalsRequest{
		Metrics: s.family.metrics(), Histogram: s.family.histogram, GroupBy: s.groupBy, Filters: s.filters, Only: only,
		Horizon: s.horizon, At: s.known,
	}
}

// young returns the groups with a series that may come to be more than twice what it was
// before the first window. ok is false if they are many. Whole days are compared,
// of which there are rollups.
func (q *querier) young(ctx context.Context, s *selection) (only [][]string, ok bool, err error) {
	const day = 24 * 60 * minute
	first, last := s.known[0], s.known[len(s.known)-1]
	before := first - first%day
	after := max(last, min(last-last%day+day, s.horizon.Last))
	if before <= s.horizon.First || before == after {
		return nil, false, nil // there was nothing before
	}
	r := s.request(nil)
	r.At = []int64{before, after}
	totals, err := q.totals(ctx, r)
	if err != nil {
		return nil, false, err
	}
	only = make([][]string, len(s.groupBy))
	n := 0
	for i := range totals.Groups {
		g := &totals.Groups[i]
		if !slices.ContainsFunc(s.parts, func(part int) bool { return at(g, part, 1) > 2*at(g, part, 0) }) {
			continue
		}
		n++
		for d, v := range g.Dimensions {
			only[d] = append(only[d], v)
		}
	}
	if n == 0 {
		return nil, true, nil
	}
	return only, n <= mostYoung && 2*n <= len(totals.Groups), nil
}

// at returns a group's total of a metric at a moment.
func at(g *query.TotalsGroup, metric int, moment int32) float64 {
	n, found := slices.BinarySearch(g.Steps, moment)
	if found {
		n++
	}
	if n == 0 {
		return 0
	}
	return g.Sums[metric][n-1]
}

// without takes groups that stay apart out of the sums.
func (s *selection) without(sums, apart []query.TotalsGroup, dims []string) []query.TotalsGroup {
	of := map[string][]*query.TotalsGroup{}
	for i := range apart {
		kept := make([]string, len(s.groupBy))
		for j, d := range s.groupBy {
			kept[j] = apart[i].Dimensions[slices.Index(dims, d)]
		}
		key := strings.Join(kept, "\x00")
		of[key] = append(of[key], &apart[i])
	}
	out := slices.Clone(sums)
	for i := range out {
		others := of[strings.Join(out[i].Dimensions, "\x00")]
		if len(others) == 0 {
			continue
		}
		left := make([][]float64, len(out[i].Sums))
		for metric := range left {
			left[metric] = slices.Clone(out[i].Sums[metric])
			highest := 0.0
			for n, moment := range out[i].Steps {
				for _, o := range others {
					left[metric][n] -= at(o, metric, moment)
				}
				// Amounts are rounded: what does not rise must not fall by the last bit.
				highest = max(highest, left[metric][n])
				left[metric][n] = highest
			}
		}
		out[i].Sums = left
	}
	return out
}
