package budget

import (
	"fmt"
	"time"

	"github.com/flowgauge/flowgauge/backend/query"
)

// Unit is the length of a budget's periods.
type Unit string

// The units.
const (
	Day     Unit = "day"
	Week    Unit = "week"
	Month   Unit = "month"
	Quarter Unit = "quarter"
	Year    Unit = "year"
)

// Period is how a budget repeats. Periods begin with a day of the time zone: days
// each day, weeks on Mondays, months on the first, quarters and years in January, or
// on the day that Start falls on.
type Period struct {
	Unit     Unit   `json:"unit"`
	TimeZone string `json:"timeZone,omitempty"` // IANA name, UTC by default
	// Start is the first day of the first period, YYYY-MM-DD. Before it there is no
	// budget. Empty: it has always been.
	Start string `json:"start,omitempty"`
}

func (p *Period) validate() error {
	switch p.Unit {
	case Day, Week, Month, Quarter, Year:
	default:
		return &InvalidError{"period.unit", fmt.Sprintf("%q is no period: day, week, month, quarter or year", p.Unit)}
	}
	if _, err := p.location(); err != nil {
		return &InvalidError{"period.timeZone", fmt.Sprintf("%q is no time zone: give the IANA name, e.g. Europe/Berlin", p.TimeZone)}
	}
	if p.Start != "" {
		if t, err := time.Parse(time.DateOnly, p.Start); err != nil || t.Year() < 1970 || t.Year() >= 2100 {
			return &InvalidError{"period.start", fmt.Sprintf("%q is no day from 1970 to 2099: give YYYY-MM-DD, e.g. 2026-01-15", p.Start)}
		}
	}
	return nil
}

func (p *Period) location() (*time.Location, error) {
	if p.TimeZone == "Local" { // It would be the server's own.
		return nil, fmt.Errorf("time zone %s", p.TimeZone)
	}
	return time.LoadLocation(p.TimeZone)
}

// at returns the period that holds a moment, and false before the first.
func (p *Period) at(t time.Time) (from, to time.Time, ok bool) {
	loc, err := p.location()
	if err != nil {
		return from, to, false
	}
	anchor := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	if p.Unit == Week {
		anchor = time.Date(1970, 1, 5, 0, 0, 0, 0, time.UTC) // a Monday
	}
	if p.Start != "" {
		if anchor, err = time.Parse(time.DateOnly, p.Start); err != nil {
			return from, to, false
		}
	}
	y, m, d := t.In(loc).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, time.UTC) // a date, without a clock to change
	if today.Before(anchor) {
		return from, to, false
	}
	n := p.number(anchor, today)
	return midnight(p.nth(anchor, n), loc), midnight(p.nth(anchor, n+1), loc), true
}

// from returns the first period that ends after a moment, and false where none is known.
func (p *Period) from(t time.Time) (from, to time.Time, ok bool) {
	if from, to, ok = p.at(t); ok || p.Start == "" {
		return from, to, ok
	}
	loc, err := p.location()
	if err != nil {
		return from, to, false
	}
	start, err := time.Parse(time.DateOnly, p.Start)
	if err != nil {
		return from, to, false
	}
	return p.at(midnight(start, loc))
}

// number counts the periods between the anchor and a later date.
func (p *Period) number(anchor, date time.Time) int {
	days := int(date.Sub(anchor) / (24 * time.Hour))
	months := (date.Year()-anchor.Year())*12 + int(date.Month()) - int(anchor.Month())
	n := map[Unit]int{Day: days, Week: days / 7, Month: months, Quarter: months / 3, Year: months / 12}[p.Unit]
	if p.nth(anchor, n).After(date) {
		n-- // The day of the month is still to come.
	}
	return n
}

// nth is the first day of a period. A day that its month does not have is the
// month's last.
func (p *Period) nth(anchor time.Time, n int) time.Time {
	switch p.Unit {
	case Day:
		return anchor.AddDate(0, 0, n)
	case Week:
		return anchor.AddDate(0, 0, 7*n)
	}
	months := n * map[Unit]int{Month: 1, Quarter: 3, Year: 12}[p.Unit]
	out := anchor.AddDate(0, months, 0)
	if out.Day() != anchor.Day() {
		out = out.AddDate(0, 0, -out.Day())
	}
	return out
}

func midnight(date time.Time, loc *time.Location) time.Time {
	y, m, d := date.Date()
	return query.DayStart(y, m, d, loc)
}

// buckets is the width in which a period's costs are looked at, how much history a
// forecast of it has, and after how many buckets a pattern repeats.
func (u Unit) buckets() (g query.Granularity, history time.Duration, seasons []int) {
	const day = 24 * time.Hour
	switch u {
	case Day, Week:
		return query.Hour, 35 * day, []int{24, 168}
	case Month:
		return query.Day, 182 * day, []int{7}
	}
	return query.Day, 2 * 365 * day, []int{7}
}

// comparison is the period before, up to the same day.
func (u Unit) comparison() query.Compare {
	switch u {
	case Day:
		return query.PreviousDay
	case Week:
		return query.PreviousWeek
	case Month:
		return query.PreviousMonth
	case Year:
		return query.PreviousYear
	}
	return query.PreviousPeriod
}

// starts lists the beginnings of buckets from one midnight to another moment, and the
// end of the last.
func starts(g query.Granularity, from, to time.Time) []time.Time {
	var out []time.Time
	y, m, d := from.Date()
	for at := from; ; {
		out = append(out, at)
		if !at.Before(to) {
			return out
		}
		if g == query.Hour {
			if at = at.Add(time.Hour); at.After(to) { // The clock changed by half an hour.
				at = to
			}
		} else { // Counted from the first: not every day has the midnight to go on from.
			at = query.DayStart(y, m, d+len(out), from.Location())
		}
	}
}
