package promql

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

// Store is what the querier needs of query.Engine.
type Store interface {
	Horizon(ctx context.Context, p access.Principal) (query.Horizon, bool, error)
	Totals(ctx context.Context, p access.Principal, r query.TotalsRequest) (*query.Totals, error)
}

// queryable gives the samples that somebody may see. It is made for one request.
type queryable struct {
	store     Store
	who       access.Principal
	lookback  time.Duration
	maxSeries int
	exact     bool                 // hints say when the engine evaluates; not with subqueries
	sums      map[string]*grouping // of rates, by selector; see sumsOfRates
	most      int                  // of what the selectors of the request hold together, see query.Totals.Size
	held      atomic.Int64

	once    sync.Once
	horizon query.Horizon
	some    bool
	err     error
}

// Querier returns a querier of a period in milliseconds.
func (q *queryable) Querier(mint, maxt int64) (storage.Querier, error) {
	return &querier{queryable: q, mint: mint, maxt: maxt}, nil
}

// end reads the horizon, once: all selectors of a request end at the same minute.
func (q *queryable) end(ctx context.Context) (query.Horizon, bool, error) {
	q.once.Do(func() { q.horizon, q.some, q.err = q.store.Horizon(ctx, q.who) })
	return q.horizon, q.some, q.err
}

func (q *queryable) resolved(h query.Horizon, f *family) query.Horizon {
	return h.Coarser(query.Resolution(q.who, f.metrics(), f.byUser()))
}

type querier struct {
	*queryable
	mint, maxt int64
}

func (q *querier) Close() error { return nil }

// Select returns the series that match. Only samples that the engine can see are
// made; see moments.
func (q *querier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	if hints == nil {
		hints = &storage.SelectHints{Start: q.mint, End: q.maxt}
	}
	horizon, some, err := q.end(ctx)
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	if !some {
		return storage.EmptySeriesSet()
	}
	at, ends, whole := moments(hints, horizon, q.lookback, q.exact && hints.Func != seriesFunc)
	if len(at) == 0 {
		return storage.EmptySeriesSet()
	}
	choices, err := q.choose(ctx, horizon, matchers)
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	var (
		out      []storage.Series
		warnings annotations.Annotations
	)
	for i := range choices {
		s := selection{choice: choices[i], horizon: q.resolved(horizon, choices[i].family)}
		s.reduce(hints)
		var sum *grouping
		if hints.Func == seriesFunc {
			s.bare(horizon, hints)
		} else {
			rises := ends != nil && s.rises(hints)
			switch {
			case rises && whole:
				s.sampled(ends, nil)
			case rises:
				s.sampled(at, ends)
			default:
				s.sampled(at, nil)
			}
			if rises {
				sum = q.sumAround(hints, matchers)
			}
		}
		list, notices, err := q.read(ctx, &s, sum)
		if err != nil {
			return storage.ErrSeriesSet(err)
		}
		out = append(out, list...)
		for _, n := range notices {
			warnings.Add(fmt.Errorf("%w: %s: %s", annotations.PromQLWarning, s.family.name, n))
		}
		if len(out) > q.maxSeries {
			return storage.ErrSeriesSet(&tooManySeriesError{most: q.maxSeries})
		}
	}
	return newSeriesSet(out, warnings)
}

// seriesFunc is the hint of who asks which series there are.
const seriesFunc = "series"

// tooManySeriesError refuses what would take too much memory.
type tooManySeriesError struct{ most int }

func (e *tooManySeriesError) Error() string {
	return fmt.Sprintf("the selector has more than %d series: choose fewer with matchers, or sum them up: sum by (workflow) (…)", e.most)
}

// totals asks for totals that are no more than what the request may still hold.
func (q *queryable) totals(ctx context.Context, r query.TotalsRequest) (*query.Totals, error) {
	if r.Most = q.most - int(q.held.Load()); r.Most <= 0 {
		return nil, &tooMuchError{most: q.most}
	}
	return q.store.Totals(ctx, q.who, r)
}

// kept asks for totals that the request holds until it is answered.
func (q *queryable) kept(ctx context.Context, r query.TotalsRequest) (*query.Totals, error) {
	totals, err := q.totals(ctx, r)
	if err == nil {
		q.held.Add(int64(totals.Size))
	}
	return totals, err
}

// tooMuchError refuses what would take too much memory.
type tooMuchError struct{ most int }

func (e *tooMuchError) Error() string {
	return fmt.Sprintf("the selectors of the query have more than %d samples together: take a shorter period, a longer step, or fewer series", e.most)
}

// read asks for a selection's totals and makes series of them. sum is not nil if
// nothing but a sum of their rates is asked for.
func (q *querier) read(ctx context.Context, s *selection, sum *grouping) ([]storage.Series, []string, error) {
	if sum != nil {
		if list, notices, ok, err := q.summed(ctx, s, sum); ok || err != nil {
			return list, notices, err
		}
	}
	totals, err := q.kept(ctx, s.request(nil))
	if err != nil {
		return nil, nil, err
	}
	var out []storage.Series
	for i := range totals.Groups {
		out = append(out, s.series(&totals.Groups[i])...)
		if len(out) > q.maxSeries {
			return nil, nil, &tooManySeriesError{most: q.maxSeries}
		}
	}
	return out, totals.Notices, nil
}

// LabelValues returns the values of a label, in order.
func (q *querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.collect(ctx, hints, matchers, func(l labels.Labels, add func(string)) {
		if v := l.Get(name); v != "" {
			add(v)
		}
	})
}

// LabelNames returns the names of the labels, in order.
func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.collect(ctx, hints, matchers, func(l labels.Labels, add func(string)) {
		l.Range(func(l labels.Label) { add(l.Name) })
	})
}

func (q *querier) collect(ctx context.Context, hints *storage.LabelHints, matchers []*labels.Matcher, each func(labels.Labels, func(string))) ([]string, annotations.Annotations, error) {
	found := map[string]bool{}
	set := q.Select(ctx, false, &storage.SelectHints{Start: q.mint, End: q.maxt, Func: seriesFunc}, matchers...)
	for set.Next() {
		each(set.At().Labels(), func(v string) { found[v] = true })
	}
	if err := set.Err(); err != nil {
		return nil, nil, err
	}
	out := slices.Sorted(maps.Keys(found))
	if hints != nil && hints.Limit > 0 && len(out) > hints.Limit {
		warnings := annotations.New().Add(errors.New("results truncated due to limit"))
		return out[:hints.Limit], warnings, nil
	}
	return out, set.Warnings(), nil
}

// NewQueryable returns what makes a view of somebody's samples for one query, for those
// who bring an engine of their own.
func NewQueryable(store Store, who access.Principal, e parser.Expr) func() storage.Queryable {
	return func() storage.Queryable {
		l := Limits{}.withDefaults()
		return &queryable{
			store: store, who: who, lookback: lookback, maxSeries: l.Series, most: l.Samples, exact: !hasSubquery(e), sums: sumsOfRates(e),
		}
	}
}
