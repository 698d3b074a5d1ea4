package forecast

// Crossing is when the sum of what is to come reaches an amount. Steps count from 1, the first
// step after the history; 0 is "already now", and none is "not within the horizon".
type Crossing struct {
	// Expected is the first step whose expected sum reaches the amount.
	Expected int `json:"expected"`
	// Earliest and Latest bound it: the sum's 80 % interval reaches the amount with its
	// upper end first, with its lower end last. One time in ten the crossing is
	// earlier, and one time in ten later.
	Earliest int `json:"earliest"`
	Latest   int `json:"latest"`
}

// Never is a crossing that does not happen within the horizon.
const Never = -1

// Crossing tells when the sum of the next steps reaches an amount, e.g. what is left of a
// budget:
//
//	m, err := forecast.New(dollarsPerDay, forecast.Options{Horizon: 31, Periods: []int{7}})
//	c := m.Crossing(left)  // c.Expected == 12: on the 12th day from now
//
// Where steps can be negative, a sum may fall again below what it reached; it is
// the first time that counts.
func (m *Model) Crossing(amount float64) Crossing {
	if amount <= 0 {
		return Crossing{}
	}
	return Crossing{
		Expected: reaches(m.sums.Point, amount),
		Earliest: reaches(m.sums.Upper80, amount),
		Latest:   reaches(m.sums.Lower80, amount),
	}
}

func reaches(sums []float64, amount float64) int {
	for i, s := range sums {
		if s >= amount {
			return i + 1
		}
	}
	return Never
}
