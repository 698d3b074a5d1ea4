package query

import (
	"fmt"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// rollingDays is how many days a rolling count looks back, its own last day among
// them. Four weeks have the same weekdays wherever they end, so that the figure does
// not go up and down with the number of weekends in it.
const rollingDays = 28

// lookingBack is the question over the days that a rolling count needs.
func (q *question) lookingBack() *question {
	wide := *q
	wide.granularity = Day
	first := time.Unix(min(q.last(q.calendar().label(q.from.Unix())), q.to.Unix()-1), 0).In(q.loc)
	wide.from = midnight(first, 0, 1-rollingDays)
	if wide.from.Before(earliest) {
		wide.from = earliest
	}
	return &wide
}

// last is the last second of a bucket, as far as the period goes.
func (q *question) last(label int64) int64 {
	end := (q.to.UnixMilli() + 999) / 1000
	if q.granularity == Whole {
		return end - 1
	}
	return min(q.calendar().end(label), end) - 1
}

// rolling renders counts of the users of the days that end with each bucket. Days
// are read once, each with its users; a user's day then counts in the up to 28
// windows that it lies in, of which those stay that end with a bucket.
func (q *question) rolling(wide *question, segments []segment, cal *calendar, o ordering) statement {
	src, b := rollupSources[metric.SourceActivity], newBinder(q.scope)
	measures := []string{"user_id", "actions"}
	branches, levels := wide.branches(b, src, segments, measures)
	days := wide.days()
	var ends, moments []int64 // the last day of each bucket, and a moment in it
	if q.granularity == Whole {
		ends, moments = append(ends, days.label(q.last(0))), append(moments, q.last(0))
	} else {
		for _, l := range cal.labels() {
			ends, moments = append(ends, days.label(q.last(l))), append(moments, q.last(l))
		}
	}
	dims := ""
	for _, d := range q.dims {
		dims += ", " + dimensionAlias(d)
	}
	boundEnds := b.bind(ends, "Array(Int64)")
	from := fmt.Sprintf(`(
    SELECT d, u%[1]s, e, transform(e, %[2]s, %[3]s, toInt64(0)) AS ts
    FROM (
        SELECT d, u%[1]s, arrayJoin(range(greatest(d, %[4]s), least(d + %[5]d, %[6]s))) AS e
        FROM (
            SELECT toInt64(%[7]s) AS d, m_user_id AS u%[1]s
            FROM (
%[8]s
            )
            WHERE m_user_id != '' AND m_actions > 0
            GROUP BY d, u%[1]s
        )
    )
    WHERE has(%[2]s, e)
)`, dims, boundEnds, b.bind(moments, "Array(Int64)"), b.bind(ends[0], "Int64"), rollingDays, b.bind(ends[len(ends)-1]+1, "Int64"),
		days.sql("ts"), strings.Join(branches, "\n    UNION ALL\n"))
	return q.grouped(b, metric.SourceRolling, q.aggregates(metric.SourceRolling), levels, from, cal, o)
}
