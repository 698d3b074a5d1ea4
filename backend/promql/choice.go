package promql

import (
	"context"
	"slices"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// choice is what matchers choose of a family.
type choice struct {
	family  *family
	filters []query.Filter
	parts   []int // indices of the family's parts
	// rest are matchers that the filters do not express: series are held against them.
	rest []*labels.Matcher
}

// choose finds the families whose names match, and turns the other matchers into
// filters. A label that a family does not have is empty, as anywhere in PromQL.
func (q *querier) choose(ctx context.Context, horizon query.Horizon, matchers []*labels.Matcher) ([]choice, error) {
	var out []choice
	for i := range families {
		c := choice{family: &families[i]}
		ok, err := q.match(ctx, horizon, &c, matchers)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, c)
		}
	}
	return out, nil
}

func (q *querier) match(ctx context.Context, horizon query.Horizon, c *choice, matchers []*labels.Matcher) (bool, error) {
	var dimensions []*labels.Matcher
	for i := range c.family.parts {
		c.parts = append(c.parts, i)
	}
	for _, m := range matchers {
		switch {
		case m.Name == model.MetricNameLabel:
			if !m.Matches(c.family.name) {
				return false, nil
			}
		case m.Name == statusLabel && c.family.hasStatus():
			c.parts = slices.DeleteFunc(c.parts, func(i int) bool { return !m.Matches(c.family.parts[i].status) })
			if len(c.parts) == 0 {
				return false, nil
			}
		case slices.Contains(c.family.labels, m.Name):
			dimensions = append(dimensions, m)
		case !m.Matches(""):
			return false, nil
		}
	}
	var patterns []*labels.Matcher
	for _, m := range dimensions {
		values, operator, ok := listed(m)
		if !ok {
			patterns = append(patterns, m)
			continue
		}
		if some := c.filter(m.Name, operator, values); !some {
			return false, nil
		}
	}
	for _, m := range patterns {
		some, err := q.matchPattern(ctx, horizon, c, m)
		if err != nil || !some {
			return false, err
		}
	}
	return true, nil
}

// listed returns the values that a matcher names, if it names all of them: an equality,
// or an expression such as a|b|c.
func listed(m *labels.Matcher) (values []string, operator query.Operator, ok bool) {
	switch m.Type {
	case labels.MatchEqual:
		return []string{m.Value}, query.In, true
	case labels.MatchNotEqual:
		return []string{m.Value}, query.NotIn, true
	case labels.MatchRegexp:
		values, operator = m.SetMatches(), query.In
	case labels.MatchNotRegexp:
		values, operator = m.SetMatches(), query.NotIn
	}
	return values, operator, len(values) > 0 && len(values) <= maxFilterValues
}

// maxFilterValues is how many values a filter may have.
const maxFilterValues = 10_000

// filter adds a filter; some says that anything can pass it. Versions are numbers:
// text that is not how one is written equals none.
func (c *choice) filter(dimension string, operator query.Operator, values []string) (some bool) {
	if dimension == metric.Version {
		values = slices.DeleteFunc(slices.Clone(values), func(v string) bool {
			n, err := strconv.ParseUint(v, 10, 32)
			return err != nil || strconv.FormatUint(n, 10) != v
		})
	}
	if len(values) == 0 {
		return operator == query.NotIn
	}
	c.filters = append(c.filters, query.Filter{Dimension: dimension, Operator: operator, Values: values})
	return true
}

// matchPattern holds a regular expression against the values that the label has.
func (q *querier) matchPattern(ctx context.Context, horizon query.Horizon, c *choice, m *labels.Matcher) (some bool, err error) {
	totals, err := q.totals(ctx, query.TotalsRequest{
		Metrics: c.family.metrics(), GroupBy: []string{m.Name}, Filters: c.filters,
		Horizon: q.resolved(horizon, c.family), At: c.family.span(horizon, q.mint, q.maxt),
	})
	if err != nil {
		return false, err
	}
	var matching, others []string
	for _, g := range totals.Groups {
		if v := g.Dimensions[0]; m.Matches(v) {
			matching = append(matching, v)
		} else {
			others = append(others, v)
		}
	}
	switch {
	case len(others) == 0:
		return len(matching) > 0, nil
	case len(matching) <= maxFilterValues:
		return c.filter(m.Name, query.In, matching), nil
	case len(others) <= maxFilterValues:
		return c.filter(m.Name, query.NotIn, others), nil
	}
	c.rest = append(c.rest, m)
	return true, nil
}
