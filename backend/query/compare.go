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
	if t.Equal(midnight(t, 0, 0)) { // It meets a day's beginning, whatever the clocks show at either.
		y, m, d := t.Date()
		y, m, d = backOnWall(time.Date(y, m, d, 0, 0, 0, 0, time.UTC), c).Date()
		return DayStart(y, m, d, t.Location())
	}
	return backOnWall(t, c)
}

func backOnWall(t time.Time, c Compare) time.Time {
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

// wholeDays counts the days between the beginnings of two, if that is what they are.
func wholeDays(from, to time.Time) (int, bool) {
	if !from.Equal(midnight(from, 0, 0)) || !to.Equal(midnight(to, 0, 0)) {
		return 0, false
	}
	return int((floorTo(wall(to), secondsPerDay) - floorTo(wall(from), secondsPerDay)) / secondsPerDay), true
}

func midnight(t time.Time, months, days int) time.Time {
	y, m, d := t.Date()
	return DayStart(y, m+time.Month(months), d+days, t.Location())
}

// wall returns what the wall clock shows, as if it were UTC.
func wall(t time.Time) int64 {
	_, offset := t.Zone()
	return t.Unix() + int64(offset)
}

// counterparts maps the labels of the comparison's buckets to those of the
// question's. The first bucket meets the first, wherever in them the periods
// begin. From there days, weeks and months go by their number, shorter buckets by
// the wall clock, so that 9 o'clock meets 9 o'clock although a clock was changed
// in between.
//
// Every bucket of the comparison gets a label of its own: its buckets sum to its
// period. What the question's period has no bucket for continues behind its end, as
// a 31st beside a month of 30 days. An hour that only the comparison's clock
// showed, or that it showed twice, lies half a bucket behind the one that it would
// hide.
func counterparts(now, before *calendar, loc *time.Location) map[int64]int64 {
	out := map[int64]int64{}
	previous := before.labels()
	if now.granularity.width() == 0 {
		label := now.label(now.from)
		for _, p := range previous {
			out[p] = label
			label = now.next(label)
		}
		return out
	}
	if len(previous) == 0 {
		return out
	}
	current := now.labels()
	taken := make(map[int64]bool, len(current))
	for _, l := range current {
		taken[l] = true
	}
	wanted, shown := wallClock(current, loc), wallClock(previous, loc)
	shift := shown[previous[0]].wall - wanted[current[0]].wall
	at := make(map[shownAt]int64, len(current))
	for l, s := range wanted {
		at[s] = l
	}
	for _, p := range previous {
		s := shown[p]
		s.wall -= shift
		label, ok := at[s]
		if !ok {
			label = free(instantOf(s.wall, loc), now.granularity.width(), taken)
			taken[label] = true
		}
		out[p] = label
	}
	return out
}

// shownAt is what the wall clock shows, and how many buckets before began when it
// showed the same.
type shownAt struct {
	wall  int64
	again int
}

// wallClock returns what the clock shows when buckets begin.
func wallClock(labels []int64, loc *time.Location) map[int64]shownAt {
	out, times := make(map[int64]shownAt, len(labels)), map[int64]int{}
	for _, l := range labels {
		w := wall(time.Unix(l, 0).In(loc))
		out[l] = shownAt{w, times[w]}
		times[w]++
	}
	return out
}

// instantOf returns a moment at which the wall clock shows wall, or one beside the
// gap where it never does.
func instantOf(wall int64, loc *time.Location) int64 {
	t := time.Unix(wall, 0).UTC()
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc).Unix()
}

// free returns the label itself, or one that is behind it by less than the width
// and not taken.
func free(label, width int64, taken map[int64]bool) int64 {
	for taken[label] {
		width = max(1, width/2)
		label += width
	}
	return label
}

// pair is a row of the result: where it lies in the answers of the period and of
// the comparison's, -1 for nowhere.
type pair struct {
	label         int64
	now, previous int
	like          *pair // of the same group, for a row that fills a bucket
}

// dims returns where the dimensions of a row are.
func (p *pair) dims(now, previous *answer) ([][]string, int) {
	switch {
	case p.now >= 0:
		return now.dims, p.now
	case p.previous >= 0:
		return previous.dims, p.previous
	case p.like != nil:
		return p.like.dims(now, previous)
	}
	return nil, -1
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
			label = labels[previous.labels[row]]
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
