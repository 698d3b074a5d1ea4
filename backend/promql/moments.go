package promql

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/storage"

	"github.com/flowgauge/flowgauge/backend/query"
)

const minute = int64(60)

// moments returns the minutes' ends, in Unix seconds, whose samples a selector can
// see: between the horizon's ends, in order.
//
// The engine looks at samples in windows only: (t - lookback, t] of each evaluation
// time t, of which it takes the last, or (t - range, t], of which it takes all. Where
// the hints say exactly what the evaluation times are, the others need no sample.
// They do not within a subquery: then all minutes are given.
//
// ends are those moments of all that begin or end a window of single samples: how a
// counter rises from one to the other makes no difference to its rate. whole says that
// each window has its first and its last minute: none reaches out of the horizon.
func moments(h *storage.SelectHints, horizon query.Horizon, lookback time.Duration, exact bool) (all, ends []int64, whole bool) {
	first, last := horizon.First, horizon.Last
	from, to := max(ceilMinute(h.Start), first), min(floorMinute(h.End), last)
	window := h.Range
	if h.Range == 0 {
		window = lookback.Milliseconds()
	}
	t := h.Start + window - 1 // the engine leaves the window's beginning out
	if !exact || t > h.End {
		return minutes(nil, from, to), nil, false
	}
	whole = true
	step := h.Step
	if step <= 0 || t == h.End {
		step = math.MaxInt64 - h.End // one evaluation
	}
	for ; t <= h.End; t += step {
		begin, end := ceilMinute(t-window+1), floorMinute(t)
		whole = whole && first <= begin && end <= last
		begin, end = max(begin, first), min(end, last)
		if h.Range == 0 {
			begin = max(begin, end)
		}
		if begin <= end {
			ends = append(ends, begin, end)
		}
		if n := len(all); n > 0 {
			begin = max(begin, all[n-1]+minute)
		}
		all = minutes(all, begin, end)
	}
	slices.Sort(ends)
	return all, slices.Compact(ends), whole
}

// held maps moments to the last of some that is not later; the first of both is the same.
func held(at, some []int64) []int32 {
	slots := make([]int32, len(at))
	next := 0
	for i, t := range at {
		for next < len(some) && some[next] <= t {
			next++
		}
		slots[i] = int32(next - 1)
	}
	return slots
}

func minutes(out []int64, from, to int64) []int64 {
	for at := from; at <= to; at += minute {
		out = append(out, at)
	}
	return out
}

// floorMinute and ceilMinute turn milliseconds into whole minutes, in seconds.
func floorMinute(ms int64) int64 {
	m := ms / 60_000
	if ms%60_000 < 0 {
		m--
	}
	return m * minute
}

func ceilMinute(ms int64) int64 { return floorMinute(ms + 59_999) }

// coarse maps moments to those of a coarser resolution: the totals that are known at
// each, and where they lie among them.
func coarse(at []int64, resolution int64) (known []int64, slots []int32) {
	if resolution == minute {
		return at, nil
	}
	slots = make([]int32, len(at))
	for i, t := range at {
		k := t - t%resolution
		if n := len(known); n == 0 || known[n-1] != k {
			known = append(known, k)
		}
		slots[i] = int32(len(known) - 1)
	}
	return known, slots
}
