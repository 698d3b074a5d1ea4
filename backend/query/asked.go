package query

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// Asked is what a cache needs to know of a question: what tells it from others, what
// its answer depends on, and where its period can be cut. See package cache for the
// argument.
type Asked struct {
	Tenant string
	// Key tells the question from all others but for its period: equal keys mean equal
	// answers for the same period, whoever asks.
	Key      string
	From, To time.Time
	// Uncacheable says why no answer may be kept; empty if one may.
	Uncacheable string
	// Until is when the answer changes without an event: when the last bucket or the
	// period ends. Zero if it does not.
	Until time.Time
	// Cuts are the moments in the period, in order, at which the answer can be cut:
	// its rows before each are the answer for the period up to it. None if it cannot.
	Cuts []time.Time
	// MaxRows is how many rows an answer may have in one piece.
	MaxRows int

	reach     []reach
	steps     bool // it is about steps
	unsettled int  // Limits.Unsettled
}

// reach is a stretch of a kind's minutes.
type reach struct {
	kind string
	span
	users bool // by levels with users
}

// Key is what Asked.Key is, without a look at whether the question is sound.
func (e *Engine) Key(p access.Principal, r Request) (tenant, key string, from, to time.Time, err error) {
	s, err := scopeOf(p)
	if err != nil {
		return "", "", from, to, err
	}
	kind := r.Kind
	if kind == "" {
		kind = KindMetrics
	}
	return s.tenant, keyOf(s, p.Role, kind, &r), ceilMilli(r.From), ceilMilli(r.To), nil
}

// Plain reports whether the caller's scope alone decides what an answer holds: no policy
// keeps anything from them, and who is in which team plays no part.
func (e *Engine) Plain(ctx context.Context, p access.Principal, r Request) (bool, error) {
	byTeam := func(f Filter) bool { return f.Dimension == metric.Team }
	if slices.Contains(r.GroupBy, metric.Team) || slices.ContainsFunc(r.Filters, byTeam) {
		return false, nil
	}
	g, err := e.guard(ctx, p)
	if err != nil {
		return false, err
	}
	return len(g.PseudonymKey) == 0 && g.Minimum <= 1 && len(g.Redact) == 0, nil
}

// Asked describes a question. The error is the one that Do would give.
func (e *Engine) Asked(p access.Principal, r Request) (*Asked, error) {
	s, err := shapeOf(&r)
	if err != nil {
		return nil, err
	}
	sc, err := scopeOf(p)
	if err != nil {
		return nil, err
	}
	a := &Asked{Tenant: sc.tenant, From: r.From, To: r.To, MaxRows: e.limits.Rows, unsettled: e.limits.Unsettled}
	a.Key = keyOf(sc, p.Role, s.Kind, &r)
	if !r.AsOf.IsZero() {
		a.Uncacheable = "as of"
		return a, nil
	}
	var q *question
	switch s.Kind {
	case KindMetrics:
		q, err = e.check(p, r)
	case KindErrors:
		q, err = e.check(p, Request{Metrics: []string{"executions_failed"}, From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: r.Filters})
	default:
		a.Uncacheable = "kind"
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	a.From, a.To = q.from, q.to
	a.dependsOn(q)
	if r.Compare != NoCompare {
		a.dependsOn(q.shifted(r.Compare))
	}
	a.Until = q.changesAt()
	if s.Kind == KindMetrics && a.Uncacheable == "" && q.granularity != Whole && q.limit == 0 && r.Compare == NoCompare && q.fill == NoFill {
		// Filled, a piece would have the groups of its own rows only.
		a.Cuts = q.cuts()
	}
	return a, nil
}

// keyOf spells a question and whose rows it is about. The principal's own id is not
// part of it: managers of one team share answers.
//
// Every text is written with its length before it, so that no two questions are spelt
// alike. Each panel of each viewer comes by here, which is why it is not JSON.
func keyOf(s scope, role access.Role, kind Kind, r *Request) string {
	b := make([]byte, 0, 256)
	number := func(n int64) { b = append(strconv.AppendInt(b, n, 10), ':') }
	text := func(v string) {
		number(int64(len(v)))
		b = append(b, v...)
	}
	texts := func(all []string) {
		number(int64(len(all)))
		for _, v := range all {
			text(v)
		}
	}
	text(s.tenant)
	text(string(role))
	texts(s.users)
	text(string(kind))
	texts(r.Metrics)
	text(string(r.Granularity))
	text(r.TimeZone)
	texts(r.GroupBy)
	number(int64(len(r.Filters)))
	for _, f := range r.Filters {
		text(f.Dimension)
		text(string(f.Operator))
		texts(f.Values)
	}
	text(r.OrderBy)
	b = strconv.AppendBool(b, r.Descending)
	b = strconv.AppendBool(b, r.Ascending)
	number(int64(r.Limit))
	text(string(r.Compare))
	number(r.AsOf.Unix())
	number(int64(r.AsOf.Nanosecond()))
	text(string(r.Fill))
	number(int64(len(r.Params)))
	for _, name := range slices.Sorted(maps.Keys(r.Params)) {
		text(name)
		text(r.Params[name])
	}
	return string(b)
}

// dependsOn adds what a question's answer is made of. Sources that are not known here
// make it uncacheable: whoever adds one says what marks it has.
func (a *Asked) dependsOn(q *question) {
	for _, s := range q.sources {
		period := q.period()
		switch s {
		case metric.SourceExecutions, metric.SourceCosts, metric.SourceActivity:
			a.reach = append(a.reach, reach{rollupSources[s].kind, period, q.byUser(s)})
		case metric.SourceSteps:
			a.reach, a.steps = append(a.reach, reach{"step", period, q.byUser(s)}), true
		case metric.SourceSessions: // followed for a day on either side
			a.reach = append(a.reach, reach{"activity", span{period.from - sessionMost, period.to + sessionMost}, false})
		case metric.SourceRunning:
			if q.to.After(q.now) {
				a.Uncacheable = "running"
			}
			// Whatever started before and has not ended runs.
			a.reach = append(a.reach, reach{"execution", span{0, period.to}, false})
		default:
			a.Uncacheable = "source"
		}
	}
}

// changesAt is when an answer's meta says something else because time went by.
func (q *question) changesAt() time.Time {
	last := q.to
	if q.granularity != Whole {
		cal := q.calendar()
		if end := time.Unix(cal.end(cal.label(cal.to-1)), 0); end.After(last) {
			last = end
		}
	}
	if !last.After(q.now) {
		return time.Time{}
	}
	if q.granularity != Whole && q.from.Before(q.now) { // What is partial begins later with each bucket.
		cal := q.calendar()
		return time.Unix(cal.end(cal.label(q.now.Unix())), 0)
	}
	return last
}

// mostCuts bounds the pieces of an answer: each is looked up.
const mostCuts = 100

// cuts are the starts of hours, days or months (of weeks, for weeks) in the period
// that have begun. The unit is the finest that has few of them and is no finer than
// the granularity, so that all buckets lie on one side. Running executions are
// states that go on from what was before, so they are not cut.
func (q *question) cuts() []time.Time {
	if slices.Contains(q.sources, metric.SourceRunning) {
		return nil
	}
	units := []Granularity{Hour, Day, Month}
	switch q.granularity {
	case Day:
		units = units[1:]
	case Week:
		units = []Granularity{Week}
	case Month:
		units = units[2:]
	}
	for _, unit := range units {
		cal := newCalendar(unit, q.loc, q.from.Unix(), (q.to.UnixMilli()+999)/1000)
		if cal.points() > mostCuts {
			continue
		}
		var out []time.Time
		for _, l := range cal.labels() {
			if at := time.Unix(cal.start(l), 0); !at.Before(q.from) && at.Before(q.to) && !at.After(q.now) {
				out = append(out, at.In(q.loc))
			}
		}
		return out
	}
	return nil
}

// Part is the question for a part of the period, between cuts.
func (a *Asked) Part(from, to time.Time) *Asked {
	part := *a
	part.From, part.To, part.Until, part.Cuts, part.reach = from, to, time.Time{}, nil, nil
	for _, r := range a.reach {
		// What reaches beyond the period reaches as far beyond the part.
		r.from += from.UnixMilli() - a.From.UnixMilli()
		r.to += to.UnixMilli() - a.To.UnixMilli()
		part.reach = append(part.reach, r)
	}
	return &part
}

// Covered reports whether all that an answer was read from is marked when it
// changes. Events of steps are not: they take workflow and user from their executions,
// and a step is marked only when the roller has seen that its execution changed.
func (a *Asked) Covered(m *Meta) bool {
	return !a.steps || !slices.Contains(m.Sources, string(levelRaw))
}

// Stale reports whether more of the period waits for its rollup than is read from
// events instead. A part of the period may have less, and its figures would not be
// those that the whole is answered with.
func (a *Asked) Stale(c *Changes) bool {
	return slices.ContainsFunc(a.reach, func(r reach) bool {
		return c.pending.within(r.kind, r.span) > 0 && readable(c.pending[r.kind], r.span, r.users, a.unsettled) == nil
	})
}

// Pieced is the meta of an answer that was put together of pieces.
func (a *Asked) Pieced(pieces []Meta, now time.Time) Meta {
	m := pieces[0]
	m.From, m.To = a.From.In(m.From.Location()), a.To.In(m.From.Location())
	m.Sources, m.Notices, m.SQL, m.RowsRead, m.PendingBuckets = nil, nil, nil, 0, 0
	read := map[string]bool{}
	for _, p := range pieces {
		for _, s := range p.Sources {
			read[s] = true
		}
		for _, n := range p.Notices {
			if !slices.ContainsFunc(m.Notices, func(have string) bool { return strings.EqualFold(have, n) }) {
				m.Notices = append(m.Notices, n)
			}
		}
		m.SQL = append(m.SQL, p.SQL...)
		m.RowsRead += p.RowsRead
		m.PendingBuckets += p.PendingBuckets
	}
	m.Sources = (&run{levels: read}).sources()
	m.PartialPeriod, m.PartialFrom = a.Until.After(now), time.Time{}
	if m.PartialPeriod {
		m.PartialFrom = partialFrom(newCalendar(m.Granularity, m.From.Location(), m.From.Unix(), m.To.Unix()), now, m.From)
	}
	return m
}
