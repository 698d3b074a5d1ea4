package rollup

import (
	"cmp"
	"slices"
	"time"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

const (
	quarterSeconds = 15 * 60
	daySeconds     = 24 * 60 * 60
)

// bucket is a tenant's bucket: its start in Unix seconds.
type bucket = clickhouse.Pair

// change is a minute that is not settled, with its last mark.
type change struct {
	bucket
	mark uint64
}

// chunk is what one recomputation rewrites: changed minutes in order of time,
// and the quarters and days that they lie in.
type chunk struct {
	minutes, quarters, days []bucket
	mark                    uint64 // the highest of the minutes' last marks
	unchanged               bool   // raw rows are those that the rollups were made of
}

// chunks cuts changed minutes into recomputations of at most size minutes. They
// are cut between days, unless a day alone has more, so that a day is not
// rewritten more often than needed.
func chunks(minutes []change, size int) []chunk {
	slices.SortFunc(minutes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Text, b.Text))
	})
	var out []chunk
	for len(minutes) > 0 {
		n := min(size, len(minutes))
		if n < len(minutes) {
			day := floor(minutes[n].Number, daySeconds)
			cut := n
			for cut > 0 && floor(minutes[cut-1].Number, daySeconds) == day {
				cut--
			}
			if cut > 0 {
				n = cut
			}
		}
		c := chunk{minutes: make([]bucket, n)}
		for i, m := range minutes[:n] {
			c.minutes[i], c.mark = m.bucket, max(c.mark, m.mark)
		}
		c.quarters, c.days = widen(c.minutes, quarterSeconds), widen(c.minutes, daySeconds)
		out = append(out, c)
		minutes = minutes[n:]
	}
	return out
}

// span returns the whole days that hold the chunk.
func (c chunk) span() (from, to int64) {
	return c.days[0].Number, c.days[len(c.days)-1].Number + daySeconds
}

// String names the days, for errors.
func (c chunk) String() string {
	from, to := c.span()
	return time.Unix(from, 0).UTC().Format(time.DateOnly) + " to " + time.Unix(to-1, 0).UTC().Format(time.DateOnly)
}

// widen returns the distinct buckets of a width that minutes lie in, in order.
func widen(minutes []bucket, width int64) []bucket {
	seen := make(map[bucket]struct{}, len(minutes)/8)
	var out []bucket
	for _, m := range minutes {
		b := bucket{Text: m.Text, Number: floor(m.Number, width)}
		if _, ok := seen[b]; !ok {
			seen[b] = struct{}{}
			out = append(out, b)
		}
	}
	return out
}

func floor(seconds, width int64) int64 { return seconds - seconds%width }
