package anomaly

import (
	"math"
	"slices"
)

// predict says of each value what those before it make one expect: the level, and by how much
// the same phase of earlier cycles differed from theirs. Season 0 is the level alone.
func predict(y []float64, season int) []float64 {
	level := levels(y, max(season, 0))
	if season == 0 {
		return level
	}
	out := make([]float64, len(y))
	differences := make([]float64, 0, cycles)
	for t := range y {
		differences = differences[:0]
		for k := 1; k <= cycles && t-k*season >= 0; k++ {
			if d := y[t-k*season] - level[t-k*season]; !math.IsNaN(d) {
				differences = append(differences, d)
			}
		}
		out[t] = math.NaN()
		if len(differences) >= least {
			slices.Sort(differences)
			out[t] = level[t] + median(differences)
		}
	}
	return out
}

// levels are the medians of the values of one season before each, of a window where there is
// none. Where less than half of them are known, the level is not.
func levels(y []float64, season int) []float64 {
	width, enough := season, (season+1)/2
	if season == 0 {
		width, enough = window, window/3
	}
	out := make([]float64, len(y))
	sorted := make([]float64, 0, width+1)
	for t := range y {
		out[t] = math.NaN()
		if len(sorted) >= enough && (season == 0 || t >= season) {
			out[t] = median(sorted)
		}
		if !math.IsNaN(y[t]) {
			i, _ := slices.BinarySearch(sorted, y[t])
			sorted = slices.Insert(sorted, i, y[t])
		}
		if t >= width && !math.IsNaN(y[t-width]) {
			i, _ := slices.BinarySearch(sorted, y[t-width])
			sorted = slices.Delete(sorted, i, i+1)
		}
	}
	return out
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
