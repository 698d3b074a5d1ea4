package query

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// Seconds since 1970 of what a branch reads.
const (
	bucketSeconds = "toInt64(toUnixTimestamp(bucket))"
	rawSeconds    = "intDiv(toUnixTimestamp64Milli(time), 1000)"
)

// isClock reports whether a dimension is read from the clock on the wall.
func isClock(name string) bool { return name == metric.HourOfDay || name == metric.Weekday }

// byClock reports whether a question groups or filters by such a dimension.
func (q *question) byClock() bool {
	return slices.ContainsFunc(q.dims, isClock) || slices.ContainsFunc(q.filters, func(c condition) bool { return isClock(c.dimension) })
}

// days cuts the question's period into days. Unlike coarser cuts it knows every
// change of the clock.
func (q *question) days() *calendar {
	return newCalendar(Day, q.loc, q.from.Unix(), (q.to.UnixMilli()+999)/1000)
}

// timed adds the dimensions of the clock to a source's, for rows whose time in
// seconds is ts. Hours have two digits, so that their order as text is that of time.
func (q *question) timed(columns map[string]string, ts string) map[string]string {
	if !q.byClock() {
		return columns
	}
	wall, _ := q.days().wall(ts) // A week that is added changes neither.
	out := maps.Clone(columns)
	out[metric.HourOfDay] = fmt.Sprintf("leftPad(toString(intDiv(modulo(%s, %d), 3600)), 2, '0')", wall, secondsPerDay)
	out[metric.Weekday] = fmt.Sprintf("toString(modulo(intDiv(%s, %d) + 3, 7) + 1)", wall, secondsPerDay) // 1970-01-01 was a Thursday.
	return out
}

// aligned reports whether rollups of that width tell the question's buckets, hours
// and weekdays apart.
func (q *question) aligned(width int64) bool {
	if !q.calendar().aligned(width) {
		return false
	}
	if !q.byClock() {
		return true
	}
	used := func(name string) bool {
		return slices.Contains(q.dims, name) || slices.ContainsFunc(q.filters, func(c condition) bool { return c.dimension == name })
	}
	return q.days().aligned(width) && (width <= Hour.width() || !used(metric.HourOfDay))
}

// split separates what a question asks of rows from what it asks of the clock at
// the start of that which is made of them.
func (q *question) split() (rows, starts *question) {
	rows, starts = new(*q), new(*q)
	if !q.byClock() {
		starts.scope, starts.filters, starts.groups = scope{tenant: q.scope.tenant, all: true}, nil, nil
		return rows, starts
	}
	rows.groups, rows.filters = nil, nil
	starts.scope, starts.filters = scope{tenant: q.scope.tenant, all: true}, nil
	for _, c := range q.filters {
		if isClock(c.dimension) {
			starts.filters = append(starts.filters, c)
		} else {
			rows.filters = append(rows.filters, c)
		}
	}
	return rows, starts
}

// clockRange is the first and the last value of a dimension of the clock, and how
// many digits it has.
func clockRange(name string) (first, last, digits int) {
	if name == metric.Weekday {
		return 1, 7, 1
	}
	return 0, 23, 2
}

// clockValues writes a filter's values as the dimension does.
func clockValues(name string, values []string) ([]string, error) {
	first, last, digits := clockRange(name)
	out := make([]string, len(values))
	for i, v := range values {
		n, err := strconv.Atoi(v)
		if err != nil || n < first || n > last {
			return nil, requestError("filters", v, fmt.Sprintf("%s is a whole number from %d to %d", name, first, last), strconv.Itoa(last))
		}
		out[i] = fmt.Sprintf("%0*d", digits, n)
	}
	return out, nil
}

// clockMatches lists the values of a dimension of the clock, whatever the events.
func clockMatches(p access.Principal, r ValuesRequest) ([]string, error) {
	if _, err := scopeOf(p); err != nil {
		return nil, err
	}
	if r.Limit < 0 || r.Limit > maxValues {
		return nil, requestError("limit", strconv.Itoa(r.Limit), "must be 1 to "+strconv.Itoa(maxValues)+", or 0 for that many", "100")
	}
	first, last, digits := clockRange(r.Dimension)
	var out []string
	for n := first; n <= last; n++ {
		if v := fmt.Sprintf("%0*d", digits, n); strings.Contains(v, r.Search) && (r.Limit == 0 || len(out) < r.Limit) {
			out = append(out, v)
		}
	}
	return out, nil
}
