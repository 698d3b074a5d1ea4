package query

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// run is the work on one request: what its statements share and gather.
type run struct {
	e       *Engine
	pending pendingMinutes

	mu       sync.Mutex
	sql      []string
	rowsRead uint64
	levels   map[string]bool
	withheld int
	stale    uint64 // pending minutes that were not read from raw rows
}

func tooManyRows(most int) error {
	return requestError("groupBy", "", "the answer has more than "+strconv.Itoa(most)+" rows: set a limit, take a coarser granularity, a shorter period or fewer dimensions", "")
}

// answer answers a question. truncated says that more groups exist.
func (r *run) answer(ctx context.Context, q *question) (a *answer, truncated bool, err error) {
	switch {
	case q.groups != nil || len(q.dims) == 0:
		a, err = r.all(ctx, q, q.sources)
		if err == nil && a.rows > r.e.limits.Rows {
			err = tooManyRows(r.e.limits.Rows)
		}
		return a, false, err
	case q.granularity == Whole:
		return r.whole(ctx, q)
	}
	if q.limit > 0 {
		return r.series(ctx, q, q.limit)
	}
	a, err = r.all(ctx, q, q.sources)
	if err != nil || a.rows <= r.e.limits.Rows {
		return a, false, err
	}
	// Too many series: the largest of them, all of their points.
	fit := max(1, r.e.limits.Rows/int(q.calendar().points()))
	a, _, err = r.series(ctx, q, fit)
	return a, true, err
}

func sequence(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// whole answers a question without granularity: groups, ranked and cut.
func (r *run) whole(ctx context.Context, q *question) (*answer, bool, error) {
	limit := q.limit
	if limit == 0 {
		limit = r.e.limits.Rows
	}
	if len(q.sources) == 1 || (q.limit > 0 && q.formulas[q.order].order != "") {
		return r.ranked(ctx, q, limit)
	}
	a, err := r.all(ctx, q, q.sources)
	if err != nil {
		return nil, false, err
	}
	if slices.ContainsFunc(q.sources, func(s metric.Source) bool { return a.tables[s].rows > r.e.limits.Rows }) {
		return nil, false, tooManyRows(r.e.limits.Rows)
	}
	return a.top(limit), a.rows > limit, nil
}

// ranked lets the database sort and cut the groups of the source that the order
// goes by, and reads the same groups of the others.
func (r *run) ranked(ctx context.Context, q *question, limit int) (*answer, bool, error) {
	leader, o := q.sources[0], ordering{limit: limit + 1}
	if q.order >= 0 {
		leader = q.formulas[q.order].needs[0].source
		o.by, o.descending = q.formulas[q.order].order, q.descending
	}
	t, err := r.source(ctx, q, leader, o)
	if err != nil {
		return nil, false, err
	}
	tables := []*table{t}
	truncated := t.rows > limit
	others := slices.DeleteFunc(slices.Clone(q.sources), func(s metric.Source) bool { return s == leader })
	if len(others) > 0 {
		rest := *q
		if truncated {
			// Else a group that the leader does not have may still be in the answer.
			rest.groups = q.join(tables).groups(sequence(limit))
		}
		more, err := r.tables(ctx, &rest, others)
		if err != nil {
			return nil, false, err
		}
		for _, t := range more {
			if t.rows > r.e.limits.Rows {
				return nil, false, tooManyRows(r.e.limits.Rows)
			}
		}
		tables = append(tables, more...)
	}
	a := q.join(tables)
	return a.top(limit), truncated || a.rows > limit, nil
}

// top keeps the first rows in the question's order.
func (a *answer) top(limit int) *answer {
	order := a.ranked()
	return a.keep(order[:min(limit, len(order))])
}

// keep returns an answer of some of the rows.
func (a *answer) keep(order []int) *answer {
	out := &answer{q: a.q, rows: len(order), tables: a.tables, at: map[metric.Source][]int32{}}
	out.labels = permute(a.labels, order)
	for _, d := range a.dims {
		out.dims = append(out.dims, permute(d, order))
	}
	for s := range a.tables {
		at := make([]int32, len(order))
		for i, row := range order {
			at[i] = int32(a.row(s, row))
		}
		out.at[s] = at
	}
	return out
}

// all reads sources and joins them.
func (r *run) all(ctx context.Context, q *question, sources []metric.Source) (*answer, error) {
	tables, err := r.tables(ctx, q, sources)
	if err != nil {
		return nil, err
	}
	return q.join(tables), nil
}

// tables reads sources at the same time.
func (r *run) tables(ctx context.Context, q *question, sources []metric.Source) ([]*table, error) {
	out := make([]*table, len(sources))
	g, ctx := errgroup.WithContext(ctx)
	for i, s := range sources {
		g.Go(func() (err error) {
			out[i], err = r.source(ctx, q, s, ordering{limit: r.e.limits.Rows + 1})
			return err
		})
	}
	return out, g.Wait()
}

// source reads one source.
func (r *run) source(ctx context.Context, q *question, s metric.Source, o ordering) (*table, error) {
	if s == metric.SourcePending {
		return r.pendingTable(), nil
	}
	cal := q.calendar()
	t, err := r.statement(ctx, r.render(q, s, cal, o))
	if err != nil {
		return nil, err
	}
	if s == metric.SourceRunning && q.granularity != Whole {
		return q.accumulate(t, cal, r.e.limits.Rows)
	}
	return t, nil
}

// statement reads the rows of a statement and notes that it did.
func (r *run) statement(ctx context.Context, st statement) (*table, error) {
	t, rowsRead, err := r.e.read(ctx, st)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sql = append(r.sql, st.sql)
	r.rowsRead += rowsRead
	for _, l := range st.levels {
		r.levels[l] = true
	}
	return t, nil
}

// render plans and renders the statement of a source.
func (r *run) render(q *question, s metric.Source, cal *calendar, o ordering) statement {
	switch s {
	case metric.SourceRunning:
		return q.running(cal, o)
	case metric.SourceSessions:
		return q.sessions(cal, o)
	case metric.SourceRolling:
		days := q.lookingBack()
		return q.rolling(days, r.plan(days, metric.SourceActivity), cal, o)
	case metric.SourceIngest:
		return q.ingest(cal, o)
	case metric.SourceVisible:
		return q.visible(cal, o)
	case metric.SourceConflicts:
		return q.conflicts(cal, o)
	case metric.SourceDeadLetters:
		return q.letters(cal, o)
	}
	return q.rollups(s, r.plan(q, s), cal, o)
}

// plan covers a question's period with the rollups of a source.
func (r *run) plan(q *question, s metric.Source) []segment {
	if q.byDetail(s) || q.scope.asOf != 0 {
		return []segment{{levelRaw, []span{q.period()}}}
	}
	src := rollupSources[s]
	unsettled := readable(r.pending[src.kind], q.period(), q.byUser(s), r.e.limits.Unsettled)
	if unsettled == nil {
		r.mu.Lock()
		r.stale = max(r.stale, r.pending.within(src.kind, q.period()))
		r.mu.Unlock()
	}
	return cover([]span{q.period()}, q.byUser(s), unsettled, q.aligned)
}

// pendingTable counts what waits now, of all kinds.
func (r *run) pendingTable() *table {
	n := 0
	for _, minutes := range r.pending {
		n += len(minutes)
	}
	r.levels["marks"] = true
	return &table{
		source: metric.SourcePending, names: []string{"pending"}, rows: 1,
		cells: []cells{{kind: integers, ints: []int64{int64(n)}}},
	}
}

// before answers the question of a comparison. A period before 1970 is empty.
func (r *run) before(ctx context.Context, q *question) (*answer, error) {
	if q.from.Before(earliest) {
		return nil, requestError("compare", "", "the period to compare with lies before 1970", "")
	}
	a, err := r.all(ctx, q, q.sources)
	if err == nil && a.rows > r.e.limits.Rows {
		err = tooManyRows(r.e.limits.Rows)
	}
	return a, err
}

// meta says how the answer came about.
func (r *run) meta(q *question, truncated bool) Meta {
	m := Meta{
		From: q.from.In(q.loc), To: q.to.In(q.loc), TimeZone: q.loc.String(), Granularity: q.granularity,
		Sources: r.sources(), Truncated: truncated, Notices: r.notices(truncated, q), RowsRead: r.rowsRead, SQL: r.sql,
		PartialPeriod: q.to.After(q.now), StaleBuckets: r.stale,
	}
	if q.granularity != Whole {
		cal := q.calendar()
		m.PartialPeriod = m.PartialPeriod || cal.end(cal.label(cal.to-1)) > q.now.Unix()
	}
	if m.PartialPeriod {
		m.PartialFrom = partialFrom(q.calendar(), q.now, m.From)
	}
	var kinds []string
	for _, s := range q.sources {
		kind := rollupSources[s].kind + plainSources[s].kind
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
			m.PendingBuckets += r.pending.within(kind, q.period())
		}
	}
	return m
}

// partialFrom is where what is not over begins.
func partialFrom(cal *calendar, now, from time.Time) time.Time {
	if cal.granularity == Whole {
		return from
	}
	return time.Unix(cal.start(cal.label(max(now.Unix(), cal.from))), 0).In(from.Location())
}

// sourceOrder is the order in which Meta lists what was read.
var sourceOrder = []string{"day", "day_user", "quarter", "quarter_user", "minute", "raw", historyLabel, "spans", "ingest_log", "dead_letters", "marks"}

func (r *run) sources() []string {
	out := []string{}
	for _, l := range sourceOrder {
		if r.levels[l] {
			out = append(out, l)
		}
	}
	return out
}

func (r *run) notices(truncated bool, q *question) []string {
	var out []string
	if r.stale > 0 {
		out = append(out, fmt.Sprintf("%d minutes of the period have changed and are not rolled up yet: their figures are those from before", r.stale))
	}
	if r.withheld > 0 {
		out = append(out, withheldNotice(r.withheld, q.minimum))
	}
	if truncated && q.limit == 0 {
		out = append(out, "more groups exist than an answer may have: set a limit and an order, filter, or take fewer dimensions")
	}
	return out
}
