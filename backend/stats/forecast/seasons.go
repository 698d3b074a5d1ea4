package forecast

import "slices"

// usual are the seasons of data kept by the hour, day, week or month. 364 days are the
// year in whole weeks.
var usual = []int{7, 12, 24, 52, 168, 364}

// evident is how much of a pattern must be left when its noise is taken off (see
// decompose) for a season that was not named to be believed. It is 1-1/F of an
// analysis of variance between and within phases.
const evident = 0.75

// seasons returns the periods named, and those of the usual ones that the history shows:
// longer than those named, and multiples of them, and with cycles enough.
func seasons(y []float64, named []int) []int {
	var out []int
	for _, p := range named {
		if p > 1 && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	for _, p := range usual {
		if len(y) < enough*p || len(out) > 0 && (p <= out[len(out)-1] || p%out[len(out)-1] != 0) {
			continue
		}
		if slices.Equal(named, day) { // and the week: as good as certain, and shrunk if it is not there
			out = append(out, p)
			continue
		}
		rest := y
		if len(out) > 0 {
			rest = decompose(y, out, 1).adjusted
		}
		if _, keep := seasonalMeans(rest, p, 1); keep >= evident {
			out = append(out, p)
		}
	}
	return out
}

// day is the season of data kept by the hour.
var day = []int{24}

// enough cycles of a season that was not named.
const enough = 3
