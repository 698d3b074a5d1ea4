package query

import (
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // A machine without zone data answers like any other.

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

const (
	maxMetrics      = 50
	maxFilters      = 50
	maxFilterValues = 10_000
)

var (
	granularities = []string{"minute", "15m", "hour", "day", "week", "month"}
	comparisons   = []string{"previous_period", "previous_day", "previous_week", "previous_month", "previous_year"}

	earliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

// question is a Request that is known to be sound: its names are the catalogue's,
// its scope is the caller's, its period is within the limits.
type question struct {
	scope       scope
	metrics     []*metric.Metric
	formulas    []formula
	sources     []metric.Source // in the order in which the metrics need them
	dims        []string
	filters     []condition
	groups      *groups // restricts the answer to these, or nil
	granularity Granularity
	loc         *time.Location
	from, to    time.Time
	now         time.Time
	order       int // index of the metric that sorts, or -1: by dimensions
	descending  bool
	limit       int // 0 is none
	minimum     int // of different users in a group, by the caller's policy
	fill        Fill
	narrowSince narrowSince
	// numbers says that versions stay numbers in a statement's inner part: a text for each row
	// costs a seventh of a dense one.
	numbers bool
}

// condition is a filter with its dimension checked.
type condition struct {
	dimension string
	not       bool
	values    []string
	numbers   []int64 // in the place of values for a dimension that is a number
}

// groups lists the combinations of dimension values that an answer is
// restricted to, one slice per dimension.
type groups struct {
	dims   []string
	values [][]string
}

func (e *Engine) check(p access.Principal, r Request) (*question, error) {
	s, err := e.scope(p)
	if err != nil {
		return nil, err
	}
	q := &question{scope: s, now: e.now(), granularity: r.Granularity, limit: r.Limit}
	if err := q.checkMetrics(r.Metrics); err != nil {
		return nil, err
	}
	if err := q.checkPeriod(r, e.limits); err != nil {
		return nil, err
	}
	if err := q.checkDimensions(r); err != nil {
		return nil, err
	}
	if err := q.checkOrder(r, e.limits); err != nil {
		return nil, err
	}
	if err := q.checkFill(r); err != nil {
		return nil, err
	}
	if r.Compare != NoCompare && !slices.Contains(comparisons, string(r.Compare)) {
		return nil, requestError("compare", string(r.Compare), "no such comparison", "previous_week", comparisons...)
	}
	if e.limits.Rows < int(min(q.calendar().points(), int64(e.limits.Rows)+1)) {
		return nil, requestError("granularity", string(r.Granularity),
			"the period has more time buckets than the "+strconv.Itoa(e.limits.Rows)+" rows of an answer: take a coarser granularity or a shorter period", "hour", granularities...)
	}
	if err := q.checkAsOf(e.limits); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(q.sources, q.byDetail) && r.To.Sub(r.From) > e.limits.RawMetadata {
		return nil, requestError("from", r.From.Format(time.RFC3339),
			"figures by execution or metadata are read from the events themselves, up to "+strconv.Itoa(int(e.limits.RawMetadata.Hours()/24))+" days: take a shorter period", "2026-03-01T00:00:00Z")
	}
	if i := slices.IndexFunc(q.metrics, readsReceived); i >= 0 && r.To.Sub(r.From) > e.limits.RawReceived {
		return nil, requestError("from", r.From.Format(time.RFC3339),
			"metric "+q.metrics[i].Name+" is read from the events themselves, up to "+strconv.Itoa(int(e.limits.RawReceived.Hours()/24))+" days: take a shorter period", "2026-03-01T00:00:00Z")
	}
	if q.granularity == Minute && slices.ContainsFunc(q.sources, q.byUser) && r.To.Sub(r.From) > e.limits.RawUser {
		return nil, requestError("granularity", string(r.Granularity),
			"figures of single users below a quarter of an hour are read from the events themselves, up to "+e.limits.RawUser.String()+": take a shorter period or a coarser granularity", "15m", granularities[1:]...)
	}
	return q, nil
}

func (q *question) checkMetrics(names []string) error {
	if len(names) == 0 {
		return requestError("metrics", "", "name at least one metric", "executions", metric.Names()...)
	}
	if len(names) > maxMetrics {
		return requestError("metrics", strconv.Itoa(len(names)), "at most "+strconv.Itoa(maxMetrics)+" metrics in one request", "executions")
	}
	for i, name := range names {
		m, ok := metric.Lookup(name)
		if !ok {
			return requestError("metrics", name, "no such metric", "executions", metric.Names()...)
		}
		if slices.Contains(names[:i], name) {
			return requestError("metrics", name, "named twice", "")
		}
		if m.AdminOnly && !q.scope.all {
			return &AccessError{Message: "metric " + name + " is for administrators"}
		}
		q.metrics = append(q.metrics, m)
		q.formulas = append(q.formulas, formulas[name])
		for _, s := range m.Sources {
			if !slices.Contains(q.sources, s) {
				q.sources = append(q.sources, s)
			}
		}
	}
	return nil
}

func (q *question) checkPeriod(r Request, limits Limits) error {
	const example = "2026-03-01T00:00:00Z"
	if r.From.IsZero() || r.To.IsZero() {
		param := "from"
		if !r.From.IsZero() {
			param = "to"
		}
		return requestError(param, "", "the period needs a beginning and an end", example)
	}
	for _, t := range []struct {
		param string
		at    time.Time
	}{{"from", r.From}, {"to", r.To}} {
		if t.at.Before(earliest) || t.at.After(latest) {
			return requestError(t.param, t.at.Format(time.RFC3339), "must lie between 1970 and 2100", example)
		}
	}
	// Events have milliseconds: a finer instant lies before the next of them.
	q.from, q.to = ceilMilli(r.From), ceilMilli(r.To)
	if !q.from.Before(q.to) {
		return requestError("to", r.To.Format(time.RFC3339Nano), "must be later than from: the end of the period is exclusive", example)
	}
	if q.to.Sub(q.from) > limits.Period {
		return requestError("from", r.From.Format(time.RFC3339), "the period may be "+strconv.Itoa(int(limits.Period.Hours()/24))+" days long at most", example)
	}
	if r.Granularity != Whole && !slices.Contains(granularities, string(r.Granularity)) {
		return requestError("granularity", string(r.Granularity), "no such granularity", "hour", granularities...)
	}
	loc, err := location(r.TimeZone)
	if err != nil {
		return err
	}
	q.loc = loc
	for _, m := range q.metrics {
		if slices.Contains(m.Sources, metric.SourceRolling) && r.Granularity.width() > 0 {
			return requestError("granularity", string(r.Granularity), "metric "+m.Name+" is counted by whole days", "day", granularities[3:]...)
		}
		if slices.Contains(m.Sources, metric.SourcePending) && r.Granularity != Whole {
			return requestError("granularity", string(r.Granularity), "metric "+m.Name+" is a state of now and has no history: ask for it without granularity", "")
		}
	}
	return nil
}

func ceilMilli(t time.Time) time.Time {
	if ms := t.Truncate(time.Millisecond); ms.Before(t) {
		return ms.Add(time.Millisecond)
	}
	return t
}

// location knows IANA's names only. "Local" would be the server's own zone, and
// a path is none.
func location(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, requestError("timeZone", name, "no such time zone: give the IANA name", "Europe/Berlin")
	}
	return loc, nil
}

func (q *question) checkDimensions(r Request) error {
	for i, name := range r.GroupBy {
		if err := q.checkDimension("groupBy", name); err != nil {
			return err
		}
		if slices.Contains(r.GroupBy[:i], name) {
			return requestError("groupBy", name, "named twice", "")
		}
	}
	q.dims = slices.Clone(r.GroupBy)
	if len(r.Filters) > maxFilters {
		return requestError("filters", strconv.Itoa(len(r.Filters)), "at most "+strconv.Itoa(maxFilters)+" filters in one request", "")
	}
	for _, f := range r.Filters {
		if err := q.checkDimension("filters", f.Dimension); err != nil {
			return err
		}
		c, err := f.condition()
		if err != nil {
			return err
		}
		q.filters = append(q.filters, c)
	}
	return nil
}

// checkDimension wants a dimension that all metrics have.
func (q *question) checkDimension(param, name string) error {
	if _, ok := metric.LookupDimension(name); !ok {
		return requestError(param, name, "no such dimension", metric.Workflow, q.commonDimensions()...)
	}
	var lacking []string
	for _, m := range q.metrics {
		if !m.HasDimension(name) {
			lacking = append(lacking, m.Name)
		}
	}
	if lacking != nil {
		message := "not a dimension of " + strings.Join(lacking, ", ")
		common := q.commonDimensions()
		if len(common) == 0 {
			return requestError(param, name, message+"; these metrics have no dimension in common", "")
		}
		return requestError(param, name, message, common[0], common...)
	}
	return nil
}

func (q *question) commonDimensions() []string {
	var common []string
	for _, name := range metric.DimensionNames() {
		if !slices.ContainsFunc(q.metrics, func(m *metric.Metric) bool { return !m.HasDimension(name) }) {
			common = append(common, name)
		}
	}
	return common
}

// condition checks operator and values.
func (f Filter) condition() (condition, error) {
	c := condition{dimension: f.Dimension, not: f.Operator == NotIn, values: f.Values}
	if f.Operator != In && f.Operator != NotIn {
		return c, requestError("filters", string(f.Operator), "no such operator", "in", "in", "not_in")
	}
	if len(f.Values) == 0 {
		return c, requestError("filters", f.Dimension, "a filter needs at least one value", "")
	}
	most := maxFilterValues
	if f.Values[0] == nobody { // the members of teams
		most = maxTeamUsers + 1
	}
	if len(f.Values) > most {
		return c, requestError("filters", f.Dimension, "at most "+strconv.Itoa(most)+" values in a filter", "")
	}
	if isClock(f.Dimension) {
		values, err := clockValues(f.Dimension, f.Values)
		c.values = values
		return c, err
	}
	if f.Dimension == metric.Version {
		c.values = nil
		for _, v := range f.Values {
			n, err := strconv.ParseUint(v, 10, 32)
			if err != nil {
				return c, requestError("filters", v, "a version is a whole number from 0 to 4294967295", "3")
			}
			c.numbers = append(c.numbers, int64(n))
		}
	}
	return c, nil
}

func (q *question) checkOrder(r Request, limits Limits) error {
	if r.Ascending && r.Descending {
		return requestError("ascending", "true", "ascending and descending at once", "")
	}
	if r.Limit < 0 || r.Limit > limits.Rows {
		return requestError("limit", strconv.Itoa(r.Limit), "must be 1 to "+strconv.Itoa(limits.Rows)+", or 0 for no limit", "10")
	}
	q.order = slices.IndexFunc(q.metrics, func(m *metric.Metric) bool { return m.Name == r.OrderBy })
	if r.OrderBy != "" && q.order < 0 {
		return requestError("orderBy", r.OrderBy, "not a metric of this request", r.Metrics[0], r.Metrics...)
	}
	if r.OrderBy == "" && (r.Limit > 0 || r.Descending || r.Ascending) {
		q.order = 0
	}
	q.descending = r.Descending || (r.Limit > 0 && !r.Ascending)
	return nil
}

// calendar returns the cut of the question's period.
func (q *question) calendar() *calendar {
	return newCalendar(q.granularity, q.loc, q.from.Unix(), (q.to.UnixMilli()+999)/1000)
}

func (q *question) period() span { return span{q.from.UnixMilli(), q.to.UnixMilli()} }

// byDetail reports whether a dimension is one that a source's rollups do not have:
// the execution, or a member of metadata.
func (q *question) byDetail(s metric.Source) bool {
	src, ok := rollupSources[s]
	if !ok {
		return false
	}
	lacking := func(name string) bool {
		_, isMember := metric.MetadataKey(name)
		return isMember || src.detail[name] != ""
	}
	return slices.ContainsFunc(q.dims, lacking) ||
		slices.ContainsFunc(q.filters, func(c condition) bool { return lacking(c.dimension) })
}

// readsReceived reports whether a metric is read from all that was received.
func readsReceived(m *metric.Metric) bool {
	return slices.Contains(m.Sources, metric.SourceVisible) || slices.Contains(m.Sources, metric.SourceConflicts)
}

// byUser reports whether a source's rollups must know the user.
func (q *question) byUser(s metric.Source) bool {
	if _, ok := rollupSources[s]; !ok {
		return false
	}
	if _, counted := rollupSources[s].aggregates[peopleAggregate]; q.minimum > 1 && counted {
		return true
	}
	if !q.scope.all || slices.Contains(q.dims, metric.User) || slices.Contains(q.dims, metric.Team) {
		return true
	}
	if slices.ContainsFunc(q.filters, func(c condition) bool { return c.dimension == metric.User }) {
		return true
	}
	for _, f := range q.formulas {
		if s == metric.SourceActivity && slices.ContainsFunc(f.needs, func(r ref) bool { return r.source == metric.SourceRolling }) {
			return true
		}
		if slices.ContainsFunc(f.needs, func(r ref) bool { return r.source == s && aggregatesOf(s)[r.name].users }) {
			return true
		}
	}
	return false
}

// aggregates returns the names of what is needed of a source, each once, in the
// order of the metrics.
func (q *question) aggregates(s metric.Source) []string {
	var names []string
	for _, f := range q.formulas {
		for _, r := range f.needs {
			if r.source == s && !slices.Contains(names, r.name) {
				names = append(names, r.name)
			}
		}
	}
	if _, counted := aggregatesOf(s)[peopleAggregate]; q.minimum > 1 && counted {
		names = append(names, peopleAggregate)
	}
	return names
}
