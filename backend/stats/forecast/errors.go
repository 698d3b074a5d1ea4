package forecast

import "math"

// SMAPE is the symmetric mean absolute percentage error, 0 to 200, as the M4 competition
// defines it (Makridakis, Spiliotis and Assimakopoulos, 2020): the mean of
// 200 |actual - forecast| / (|actual| + |forecast|). Two zeros are no error.
func SMAPE(forecast, actual []float64) float64 {
	s := 0.0
	for i, f := range forecast {
		if size := math.Abs(actual[i])/2 + math.Abs(f)/2; size > 0 {
			s += math.Abs(actual[i]/2-f/2) / size
		}
	}
	return 200 * s / float64(max(1, len(forecast)))
}

// MASE is the mean absolute scaled error (Hyndman and Koehler, 2006): the mean size of
// the errors in units of the mean difference within the history to the value one season before.
// A history without differences gives 0 for a forecast without error, else the
// largest number.
func MASE(forecast, actual, history []float64, season int) float64 {
	s := 0.0
	for i, f := range forecast {
		s += math.Abs(actual[i]/float64(len(forecast)) - f/float64(len(forecast)))
	}
	if s == 0 {
		return 0
	}
	return bounded(s / naiveError(history, season))
}
