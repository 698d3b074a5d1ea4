package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// calendar cuts time into the buckets of a granularity in one time zone. The
// same cut is made in Go and, by sql, in the database, from numbers alone: no
// zone name reaches a statement, and the two never differ because one of them
// has older zone data.
//
// Buckets below a day are cut from the hours of the wall clock. Where a clock
// changes by less than a bucket (half an hour in Lord Howe), the change begins
// a bucket. Days, weeks and months are those of the calendar on the wall, 23 or
// 25 hours long as they come.
//
// A bucket goes by its label: the instant of its start (below a day), the day's
// number since 1970 (day and week), or year and month as YYYYMM.
type calendar struct {
	granularity Granularity
	pieces      []piece // in order; the first begins at the beginning of time
	from, to    int64   // the period in seconds, outward
}

// piece is a stretch of time in which the offset from UTC does not change.
type piece struct {
	start  int64 // Unix seconds
	offset int64 // seconds
}

const (
	secondsPerDay = 24 * 60 * 60
	// margin is how far beyond the period a bucket that overlaps it can reach.
	margin = 33 * secondsPerDay
)

// width returns the seconds of a bucket below a day, else 0.
func (g Granularity) width() int64 {
	switch g {
	case Minute:
		return 60
	case Quarter:
		return 15 * 60
	case Hour:
		return 60 * 60
	}
	return 0
}

// newCalendar takes the period in Unix seconds.
func newCalendar(g Granularity, loc *time.Location, from, to int64) *calendar {
	c := &calendar{granularity: g, from: from, to: to}
	width := g.width()
	start := int64(math.MinInt64)
	for at := time.Unix(from-margin, 0).In(loc); ; {
		_, offset := at.Zone()
		p := piece{start: start, offset: int64(offset)}
		// Below a day a change by whole buckets changes nothing.
		if n := len(c.pieces); n == 0 || p.offset-c.pieces[n-1].offset != 0 && (width == 0 || (p.offset-c.pieces[n-1].offset)%width != 0) {
			c.pieces = append(c.pieces, p)
		}
		end := offsetEnd(at)
		if end.IsZero() || end.Unix() >= to+margin {
			return c
		}
		start, at = end.Unix(), end
	}
}

// at returns the index of the piece that ts lies in.
func (c *calendar) at(ts int64) int {
	i := len(c.pieces) - 1
	for c.pieces[i].start > ts {
		i--
	}
	return i
}

// label returns the label of the bucket that ts (Unix seconds) lies in.
func (c *calendar) label(ts int64) int64 {
	p := c.pieces[c.at(ts)]
	if w := c.granularity.width(); w > 0 {
		return max(floorTo(ts+p.offset, w)-p.offset, p.start)
	}
	day := floorTo(ts+p.offset, secondsPerDay) / secondsPerDay
	switch c.granularity {
	case Week:
		return floorTo(day+3, 7) - 3 // 1970-01-01 was a Thursday.
	case Month:
		y, m, _ := time.Unix(day*secondsPerDay, 0).UTC().Date()
		return int64(y)*100 + int64(m)
	}
	return day
}

// start returns the instant at which a labelled bucket begins.
func (c *calendar) start(label int64) int64 {
	switch c.granularity {
	case Day, Week:
		return c.instant(label * secondsPerDay)
	case Month:
		return c.instant(time.Date(int(label/100), time.Month(label%100), 1, 0, 0, 0, 0, time.UTC).Unix())
	}
	return label
}

// instant returns the first moment at which the wall clock shows wall or later.
func (c *calendar) instant(wall int64) int64 {
	for i, p := range c.pieces {
		t := max(wall-p.offset, p.start)
		if i == len(c.pieces)-1 || t < c.pieces[i+1].start {
			return t
		}
	}
	return wall // Unreachable: the last piece has no end.
}

// next returns the label of the bucket behind a labelled one.
func (c *calendar) next(label int64) int64 {
	switch c.granularity {
	case Day:
		return label + 1
	case Week:
		return label + 7
	case Month:
		if label%100 == 12 {
			return label + 89
		}
		return label + 1
	}
	i := c.at(label)
	p, w := c.pieces[i], c.granularity.width()
	end := floorTo(label+p.offset, w) - p.offset + w
	if i < len(c.pieces)-1 {
		end = min(end, c.pieces[i+1].start)
	}
	return end
}

// end returns the instant at which a labelled bucket ends.
func (c *calendar) end(label int64) int64 { return c.start(c.next(label)) }

// labels returns the labels of all buckets of the period, in order.
func (c *calendar) labels() []int64 {
	var out []int64
	for l := c.label(c.from); c.start(l) < c.to; l = c.next(l) {
		out = append(out, l)
	}
	return out
}

// points bounds the number of buckets from above without listing them.
func (c *calendar) points() int64 {
	length := c.to - c.from
	switch c.granularity {
	case Whole:
		return 1
	case Day:
		return length/secondsPerDay + 2
	case Week:
		return length/(7*secondsPerDay) + 2
	case Month:
		return length/(28*secondsPerDay) + 2
	}
	return length/c.granularity.width() + 2 + 2*int64(len(c.pieces))
}

// aligned reports whether every bucket is made of whole UTC stretches of that
// many seconds.
func (c *calendar) aligned(width int64) bool {
	if w := c.granularity.width(); c.granularity != Whole && w > 0 && w%width != 0 {
		return false
	}
	if c.granularity == Whole {
		return true
	}
	for i, p := range c.within() {
		if p.offset%width != 0 || (i > 0 && p.start%width != 0) {
			return false
		}
	}
	return true
}

// within returns the pieces that the period touches.
func (c *calendar) within() []piece {
	return c.pieces[c.at(c.from) : c.at(max(c.from, c.to-1))+1]
}

// sql renders label for a column of Unix seconds.
func (c *calendar) sql(ts string) string {
	pieces := c.within()
	if w := c.granularity.width(); w > 0 {
		return branches(ts, pieces, func(i int) string {
			offset := floorMod(pieces[i].offset, w)
			bucket := fmt.Sprintf("intDiv(%s, %d) * %d", ts, w, w)
			if offset != 0 {
				bucket = fmt.Sprintf("intDiv(%s + %d, %d) * %d - %d", ts, offset, w, w, offset)
			}
			if pieces[i].start > c.from-w {
				return fmt.Sprintf("greatest(%s, %d)", bucket, pieces[i].start)
			}
			return bucket
		})
	}
	local, shift := c.wall(ts)
	day := fmt.Sprintf("intDiv(%s, %d)", local, secondsPerDay)
	if shift != 0 {
		day += " - 7"
	}
	switch c.granularity {
	case Week:
		return fmt.Sprintf("intDiv(%s + 3, 7) * 7 - 3", day)
	case Month:
		return fmt.Sprintf("toInt64(toYYYYMM(toDate32(toInt32(%s))))", day)
	}
	return day
}

// wall renders seconds of the wall clock, of a calendar of days. intDiv cuts towards
// zero, and the first days of 1970 lie below zero west of Greenwich: then a week is
// added, which shift says.
func (c *calendar) wall(ts string) (local string, shift int64) {
	if c.from < 7*secondsPerDay {
		shift = 7 * secondsPerDay
	}
	pieces := c.within()
	offset := branches(ts, pieces, func(i int) string { return strconv.FormatInt(pieces[i].offset+shift, 10) })
	if offset == "0" {
		return ts, shift
	}
	return ts + " + " + offset, shift
}

// branches picks one expression for each piece.
func branches(ts string, pieces []piece, expression func(i int) string) string {
	if len(pieces) == 1 {
		return expression(0)
	}
	var b strings.Builder
	b.WriteString("multiIf(")
	for i := range pieces[1:] {
		fmt.Fprintf(&b, "%s < %d, %s, ", ts, pieces[i+1].start, expression(i))
	}
	b.WriteString(expression(len(pieces) - 1))
	b.WriteString(")")
	return b.String()
}

func floorTo(n, width int64) int64 { return n - floorMod(n, width) }

func floorMod(n, width int64) int64 {
	if m := n % width; m < 0 {
		return m + width
	}
	return n % width
}
