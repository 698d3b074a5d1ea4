package query

import "slices"

// level names a body of rows that a segment reads.
type level string

// The levels. raw is the events themselves.
const (
	levelDay         level = "day"
	levelQuarter     level = "quarter"
	levelMinute      level = "minute"
	levelDayUser     level = "day_user"
	levelQuarterUser level = "quarter_user"
	levelRaw         level = "raw"
)

// width returns the seconds of a level's buckets.
func (l level) width() int64 {
	switch l {
	case levelDay, levelDayUser:
		return secondsPerDay
	case levelQuarter, levelQuarterUser:
		return Quarter.width()
	}
	return Minute.width()
}

// span is a stretch of time in Unix milliseconds, from inclusive, to exclusive.
type span struct{ from, to int64 }

// segment is what one branch of a statement reads.
type segment struct {
	level level
	spans []span
}

// plan covers a period with the coarsest rollups that give the exact answer, and
// the rest with raw rows. Segments go from coarse to fine and do not overlap.
//
//	|raw|minute|quarter|  day  |  day  |quarter|minute|raw|
//	from                                                 to
//
// Buckets with an unsettled minute (Unix seconds, in order) are left out: their
// settled parts are read from finer levels, the rest raw. Levels with users have
// no minutes: what is left of a quarter is raw.
func plan(period span, cal *calendar, users bool, unsettled []int64) []segment {
	return cover([]span{period}, users, unsettled, cal.aligned)
}

// cover does it for several spans, with the levels whose width in seconds is usable.
func cover(rest []span, users bool, unsettled []int64, usable func(width int64) bool) []segment {
	levels := []level{levelDay, levelQuarter, levelMinute}
	if users {
		levels = []level{levelDayUser, levelQuarterUser}
	}
	var segments []segment
	for _, l := range levels {
		if !usable(l.width()) {
			continue
		}
		var taken, left []span
		for _, s := range rest {
			in, out := take(s, l.width()*1000, unsettled)
			taken, left = append(taken, in...), append(left, out...)
		}
		if rest = left; len(taken) > 0 {
			segments = append(segments, segment{l, join(taken)})
		}
	}
	if len(rest) > 0 {
		segments = append(segments, segment{levelRaw, join(rest)})
	}
	return segments
}

// take splits a span into whole buckets that are settled, and the rest.
func take(s span, width int64, unsettled []int64) (taken, left []span) {
	from, to := floorTo(s.from+width-1, width), floorTo(s.to, width)
	if from >= to {
		return nil, []span{s}
	}
	if s.from < from {
		left = append(left, span{s.from, from})
	}
	first, _ := slices.BinarySearch(unsettled, from/1000)
	at := from
	for _, minute := range unsettled[first:] {
		if minute*1000 >= to {
			break
		}
		dirty := floorTo(minute*1000, width)
		if dirty < at {
			continue // Its bucket has been left out already.
		}
		if at < dirty {
			taken = append(taken, span{at, dirty})
		}
		at = dirty + width
		left = append(left, span{dirty, at})
	}
	if at < to {
		taken = append(taken, span{at, to})
	}
	if to < s.to {
		left = append(left, span{to, s.to})
	}
	return taken, left
}

// join puts spans in order and makes one of those that touch.
func join(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return int(a.from - b.from) })
	out := spans[:1]
	for _, s := range spans[1:] {
		if last := &out[len(out)-1]; last.to == s.from {
			last.to = s.to
		} else {
			out = append(out, s)
		}
	}
	return out
}

// readable returns the unsettled minutes of a period that are few enough to be
// read from raw rows, or nil. most is in minutes; a level with users costs a
// quarter of an hour for each of its dirty quarters.
func readable(pending []int64, period span, users bool, most int) []int64 {
	width := Minute.width()
	if users {
		width = Quarter.width()
	}
	first, _ := slices.BinarySearch(pending, floorTo(period.from/1000, width))
	last, _ := slices.BinarySearch(pending, (period.to+999)/1000)
	if first >= last {
		return nil
	}
	pending = pending[first:last]
	cost, previous := int64(0), int64(-1)
	for _, minute := range pending {
		if b := floorTo(minute, width); b != previous {
			cost, previous = cost+width/60, b
		}
		if cost > int64(most) {
			return nil
		}
	}
	return pending
}
