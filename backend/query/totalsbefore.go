package query

import (
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// A counter counts everything from the horizon's beginning on, and who reads it every minute,
// such as an alert, would have all of it added up each time. So what it counts up to a quarter of
// an hour shortly before is kept, as a Prometheus keeps the last sample of each series, for as
// long as the change feed says that nothing has changed in it (see package cache for why that
// is known), and carried on from there.

const (
	// keptBehind is how long before the first moment totals are kept, in seconds: minutes that
	// are young change all the time.
	keptBehind = 5 * 60
	// worthKeeping is how much must have been added up for that, in seconds.
	worthKeeping = secondsPerDay
	// mostKept bounds the groups of all totals that are kept, about 200 bytes each.
	mostKept = 200_000
)

// totalsUpTo is what groups of a question count from the horizon's beginning up to a moment.
// It does not change.
type totalsUpTo struct {
	until  int64 // Unix seconds, excluded
	asked  Asked // what it depends on
	state  State // when it was read
	dims   [][]string
	values []cells // of each aggregate, group by group
	keys   map[string]int
	day    *totalsUpTo // up to the day's beginning; nil if there is none
	// tooMany says that there are too many groups to keep, which is not found out each time.
	tooMany bool
}

// current is what of it still holds: all of it, what was up to the day's beginning, or nothing.
func (t *totalsUpTo) current(feed *Changes) *totalsUpTo {
	for t != nil && !t.tooMany && !t.asked.Current(feed, t.state) {
		t = t.day
	}
	return t
}

// places are the places of all groups, to be taken out of.
func (t *totalsUpTo) places() map[string]int {
	if t == nil {
		return nil
	}
	all := make(map[string]int, len(t.keys))
	for k, place := range t.keys {
		all[k] = place
	}
	return all
}

// addTo adds to a group's first moment what was before, and takes it out of rest.
func (t *totalsUpTo) addTo(g *denseGroup, rest map[string]int) {
	if t == nil {
		return
	}
	key := keyOfGroup(g.dims)
	place, known := rest[key]
	if !known {
		return
	}
	delete(rest, key)
	for i := range g.cells {
		if c := &g.cells[i]; c.kind == decimals {
			c.decs[0] = c.decs[0].Add(t.values[i].decs[place])
		} else {
			c.ints[0] += t.values[i].ints[place]
		}
	}
}

// group is one to which nothing has been added since.
func (t *totalsUpTo) group(place, moments int) *denseGroup {
	g := &denseGroup{dims: t.dims[place], cells: make([]cells, len(t.values))}
	for i, v := range t.values {
		c := cells{kind: v.kind}
		if v.kind == decimals {
			c.decs = make([]event.Decimal, moments)
			c.decs[0] = v.decs[place]
		} else {
			c.ints = make([]int64, moments)
			c.ints[0] = v.ints[place]
		}
		g.cells[i] = c
	}
	return g
}

// add appends a group's figures at its first moment.
func (t *totalsUpTo) add(g *denseGroup) {
	t.keys[keyOfGroup(g.dims)] = len(t.dims)
	t.dims = append(t.dims, g.dims)
	for i, c := range g.cells {
		v := &t.values[i]
		v.kind = c.kind
		if c.kind == decimals {
			v.decs = append(v.decs, c.decs[0])
		} else {
			v.ints = append(v.ints, c.ints[0])
		}
	}
}

// keyOfGroup spells a group's dimensions, each with its length.
func keyOfGroup(dims []string) string {
	b := make([]byte, 0, 64)
	for _, d := range dims {
		b = binary.AppendUvarint(b, uint64(len(d)))
		b = append(b, d...)
	}
	return string(b)
}

// totalsBefore returns what the groups of a question count up to a moment before its first, or
// nil where that is not known or not worth it; and a context by whose feed of
// changes the rest is to be asked.
func (e *Engine) totalsBefore(ctx context.Context, q *question, r TotalsRequest) (context.Context, *totalsUpTo, error) {
	until := floorTo(r.At[0]-keptBehind, Quarter.width())
	if until-r.Horizon.First < worthKeeping || !q.scope.all || q.scope.asOf != 0 || r.Only != nil || slices.Contains(r.GroupBy, metric.Team) ||
		slices.ContainsFunc(r.Filters, func(f Filter) bool { return f.Dimension == metric.Team }) {
		return ctx, nil, nil
	}
	feed, err := e.Changes(ctx, q.scope.tenant, 0)
	if err != nil {
		return ctx, nil, err
	}
	ctx = WithChanges(ctx, feed)
	key := strconv.FormatInt(r.Horizon.First, 10) + keyOf(q.scope, access.RoleAdmin, "totals", &Request{Metrics: r.Metrics, GroupBy: r.GroupBy, Filters: r.Filters})
	t := e.kept.get(key).current(feed)
	if t == nil || t.until < until && !t.tooMany {
		if t, err = e.carryOnByDay(ctx, feed, t, q, r.Horizon.First, until); t != nil {
			e.kept.put(key, t)
		}
	}
	if t != nil && (t.tooMany || t.until > until) { // somebody looks at the past
		t = nil
	}
	return ctx, t, err
}

// carryOnByDay carries on to the day's beginning first: that is kept too, and stays when something
// of the day changes.
func (e *Engine) carryOnByDay(ctx context.Context, feed *Changes, known *totalsUpTo, q *question, first, until int64) (*totalsUpTo, error) {
	day := floorTo(until, secondsPerDay)
	if day > first && (known == nil || known.until < day) {
		var err error
		known, err = e.carryOn(ctx, feed, known, q, first, day)
		if known == nil || known.tooMany || day == until {
			return known, err
		}
	}
	t, err := e.carryOn(ctx, feed, known, q, first, until)
	switch {
	case t == nil || known == nil:
	case known.until == day:
		t.day = known
	default:
		t.day = known.day
	}
	return t, err
}

// carryOn reads what is known up to a moment, from what is known up to an earlier one if it is.
// It returns nil if that cannot be kept, because some of it waits for its rollup.
func (e *Engine) carryOn(ctx context.Context, feed *Changes, known *totalsUpTo, q *question, first, until int64) (*totalsUpTo, error) {
	t := &totalsUpTo{until: until, keys: map[string]int{}, values: make([]cells, len(q.aggregates(q.sources[0])))}
	t.asked.reach = []reach{{kind: rollupSources[q.sources[0]].kind, span: span{first * 1000, until * 1000}}}
	var ok bool
	if t.state, ok = t.asked.State(feed); !ok {
		return nil, nil
	}
	part := *q
	part.to = time.Unix(until, 0).UTC()
	if known != nil {
		part.from = time.Unix(known.until, 0).UTC()
	}
	w, err := e.begin(ctx, &part)
	if err != nil {
		return nil, err
	}
	var rest map[string]int
	err = e.readDense(ctx, w, &part, []int64{until}, mostKept, func() func(*denseGroup) error {
		t.dims, t.keys, t.values, rest = nil, map[string]int{}, make([]cells, len(t.values)), known.places()
		return func(g *denseGroup) error {
			known.addTo(g, rest)
			t.add(g)
			return nil
		}
	})
	if err != nil || w.stale > 0 {
		return nil, err
	}
	if len(t.dims)+len(rest) > mostKept {
		return &totalsUpTo{tooMany: true}, nil
	}
	for _, place := range rest {
		t.add(known.group(place, 1))
	}
	return t, nil
}

// keptTotals are the totals that were used last. It is safe for concurrent use.
type keptTotals struct {
	mu     sync.Mutex
	groups int
	order  []string // keys, the last used at the end
	byKey  map[string]*totalsUpTo
}

func (k *keptTotals) get(key string) *totalsUpTo {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.byKey[key]
	if t != nil {
		k.touch(key)
	}
	return t
}

func (k *keptTotals) touch(key string) {
	k.order = append(slices.DeleteFunc(k.order, func(other string) bool { return other == key }), key)
}

func (k *keptTotals) put(key string, t *totalsUpTo) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if old := k.byKey[key]; old != nil {
		k.groups -= old.weight()
	}
	k.byKey[key] = t
	k.groups += t.weight()
	k.touch(key)
	for k.groups > mostKept && len(k.order) > 1 {
		k.groups -= k.byKey[k.order[0]].weight()
		delete(k.byKey, k.order[0])
		k.order = k.order[1:]
	}
}

// weight is that of a question without groups too.
func (t *totalsUpTo) weight() int {
	w := len(t.dims) + 100
	if t.day != nil {
		w += len(t.day.dims)
	}
	return w
}
