package query

import "time"

// DayStart returns the first moment of a date, which may be out of its month's range
// as with time.Date. It is not always midnight: where a clock is put forward at
// midnight, as in Santiago and Havana, the day begins at one, and time.Date may give an
// hour of the day before. A date that a zone left out begins with the next.
func DayStart(year int, month time.Month, day int, loc *time.Location) time.Time {
	wall := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	for at := wall.Add(-secondsPerDay * time.Second).In(loc); ; { // No zone is a day ahead.
		_, offset := at.Zone()
		start := wall.Add(-time.Duration(offset) * time.Second)
		if start.Before(at) {
			start = at
		}
		end := offsetEnd(at)
		if end.IsZero() || start.Before(end) {
			return start.In(loc)
		}
		at = end
	}
}

// offsetEnd returns a moment after at up to which its offset holds; zero is for ever.
// Where a zone goes by rule (in most, after 2037) time.ZoneBounds takes each year for
// 365 days long, and on the last day of a leap year its end is not after the moment.
func offsetEnd(at time.Time) time.Time {
	_, end := at.ZoneBounds()
	if !end.IsZero() && !end.After(at) {
		return at.Add(secondsPerDay * time.Second) // No rule changes the clock at New Year.
	}
	return end
}
