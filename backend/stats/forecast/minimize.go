package forecast

import (
	"math"

	"gonum.org/v1/gonum/optimize"
)

// bounds are the limits of one parameter, and where its search starts.
type bounds struct{ low, high, start float64 }

// minimize searches parameters within bounds that make loss small, by the simplex
// of Nelder and Mead. The number of evaluations is bounded, and so is the time.
func minimize(loss func(p []float64) float64, of []bounds, evaluations int) []float64 {
	inside := func(x, p []float64) {
		for i, b := range of {
			p[i] = b.low + (b.high-b.low)/(1+math.Exp(-x[i]))
		}
	}
	p, start := make([]float64, len(of)), make([]float64, len(of))
	for i, b := range of {
		at := (b.start - b.low) / (b.high - b.low)
		start[i] = math.Log(at / (1 - at))
	}
	problem := optimize.Problem{Func: func(x []float64) float64 {
		inside(x, p)
		if l := loss(p); l < math.MaxFloat64 { // also not NaN
			return l
		}
		return math.MaxFloat64
	}}
	settings := &optimize.Settings{
		FuncEvaluations: evaluations,
		Converger:       &optimize.FunctionConverge{Relative: 1e-4, Iterations: 12},
	}
	// An error here says that the evaluations were used up; the best point stands.
	found, _ := optimize.Minimize(problem, start, settings, &optimize.NelderMead{SimplexSize: 1})
	out := make([]float64, len(of))
	if found == nil {
		for i, b := range of {
			out[i] = b.start
		}
		return out
	}
	inside(found.X, out)
	return out
}
