package query

import (
	"time"
)

// shifted returns the question of a comparison's period.
func (q *question) shifted(c Compare) *question {
	p := *q
	p.limit, p.order, p.descending = 0, -1, false
	if c == PreviousPeriod {
		p.to = q.from
		p.from = q.from.Add(-q.to.Sub(q.from))
		// Whole days stay whole where one of them has 23 or 25 hours.
		if days, ok := wholeDays(q.from.In(q.loc), q.to.In(q.loc)); ok {
			p.from = midnight(q.from.In(q.loc), 0, -days)
		}
		return &p
	}
	p.from, p.to = back(q.from.In(q.loc), c), back(q.to.In(q.loc), c)
	return &p
}

// back moves a moment by a calendar unit on the wall clock. A day that the
// earlier month does not have becomes its last.
func back(t time.Time, c Compare) time.Time {
	switch c {
	case PreviousDay:
		return t.AddDate(0, 0, -1)
	case PreviousWeek:
		return t.AddDate(0, 0, -7)
	}
	months := 1
	if c == PreviousYear {
		months = 12
	}
	moved := t.AddDate(0, -months, 0)
	if moved.Day() != t.Day() {
		moved = moved.AddDate(0, 0, -moved.Day()) // AddDate went on into the next month.
	}
	return moved
}

// wholeDays counts the days between two midnights, if that is what they are.
func wholeDays(from, to time.Time) (int, bool) {
	if !from.Equal(midnight(from, 0, 0)) || !to.Equal(midnight(to, 0, 0)) {
		return 0, false
	}
	return int(wall(to)-wall(from)) / secondsPerDay, true
}

func midnight(t time.Time, months, days int) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m+time.Month(months), d+days, 0, 0, 0, 0, t.Location())
}

// wall returns what the wall clock shows, as if it were UTC.
func wall(t time.Time) int64 {
	_, offset := t.Zone()
	return t.Unix() + int64(offset)
}

// counterparts maps the labels of the comparison's buckets to those of the
// question's. Days, weeks and months go by their number in the period; shorter
// buckets by the time on the wall clock since its beginning, so that 9 o'clock
// meets 9 o'clock although a clock was changed in between.
func counterparts(now, before *calendar, loc *time.Location) map[int64]int64 {
	out := map[int64]int64{}
	current, previous := now.labels(), before.labels()
	if now.granularity.width() == 0 {
		for i := range min(len(current), len(previous)) {
			out[previous[i]] = current[i]
		}
		return out
	}
	positions := func(labels []int64, from int64) map[[2]int64]int64 {
		base := wall(time.Unix(from, 0).In(loc))
		at := make(map[[2]int64]int64, len(labels))
		for _, l := range labels {
			key := [2]int64{wall(time.Unix(l, 0).In(loc)) - base, 0}
			for _, taken := at[key]; taken; _, taken = at[key] {
				key[1]++ // An hour that the clock shows twice.
			}
			at[key] = l
		}
		return at
	}
	wanted := positions(current, now.from)
	for key, l := range positions(previous, before.from) {
		if c, ok := wanted[key]; ok {
			out[l] = c
		}
	}
	return out
}

// pair is a row of the result: where it lies in the answers of the period and of
// the comparison's, -1 for nowhere.
type pair struct {
	label         int64
	now, previous int
}

// pairs matches the rows of two answers. Rows of the question come first, in
// their order; what only the comparison has follows.
func pairs(now *answer, order []int, previous *answer, labels map[int64]int64) []pair {
	out := make([]pair, 0, len(order))
	index := make(map[string]int, len(order))
	var key []byte
	for _, row := range order {
		p := pair{now: row, previous: -1}
		if now.labels != nil {
			p.label = now.labels[row]
		}
		if previous != nil {
			key = appendDims(appendKey(key[:0], p.label), now.dims, row)
			index[string(key)] = len(out)
		}
		out = append(out, p)
	}
	if previous == nil {
		return out
	}
	for row := range previous.rows {
		label := int64(0)
		if previous.labels != nil {
			var ok bool
			if label, ok = labels[previous.labels[row]]; !ok {
				continue // A 31st that the other month has not.
			}
		}
		key = appendDims(appendKey(key[:0], label), previous.dims, row)
		if i, ok := index[string(key)]; ok {
			out[i].previous = row
			continue
		}
		out = append(out, pair{label: label, now: -1, previous: row})
	}
	return out
}
