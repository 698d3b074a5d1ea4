package simulate

import "math"

// trigger is what starts an execution.
type trigger int

const (
	webhook trigger = iota
	scheduled
	manual
	api
)

var triggerNames = [...]string{webhook: "webhook", scheduled: "schedule", manual: "manual", api: "api"}

// week is how busy each hour of a local week is, Monday first, 1 on average.
type week [7 * 24]float64

// weeks are the rhythms of triggers; a schedule has its clock instead.
var weeks = [...]week{
	webhook: rhythm(0.30, 0.45, 9.5, 18),
	manual:  rhythm(0.01, 0.06, 9, 17.5),
	api:     rhythm(0.45, 0.65, 8, 21),
}

// office is the rhythm of people.
var office = rhythm(0.015, 0.10, 8.5, 17.5)

// rhythm returns a week with a share of the day's rate at night and of a
// weekday's at weekends, busy between two hours.
func rhythm(night, weekend, opens, closes float64) week {
	var w week
	sum := 0.0
	for h := range w {
		clock := float64(h%24) + 0.5
		// Two logistic slopes, and a dip at lunch.
		busy := 1/(1+math.Exp(-(clock-opens)*1.6)) - 1/(1+math.Exp(-(clock-closes)*1.4))
		busy *= 1 - 0.25*math.Exp(-(clock-12.7)*(clock-12.7)/0.8)
		w[h] = night + (1-night)*busy
		switch day := h / 24; {
		case day >= 5:
			w[h] *= weekend
		case day == 4:
			w[h] *= 0.88 // Fridays end early
		case day == 0:
			w[h] *= 1.06
		}
		sum += w[h]
	}
	for h := range w {
		w[h] *= float64(len(w)) / sum
	}
	return w
}

// schedule is how often a clock starts a workflow.
type schedule int

const (
	quarterly schedule = iota + 1 // every quarter of an hour
	hourly
	daily
	weekdays
	weekly
	monthly
)

// perDay is how often a schedule fires on an average day.
func (s schedule) perDay() float64 {
	switch s {
	case quarterly:
		return 96
	case hourly:
		return 24
	case daily:
		return 1
	case weekdays:
		return 5.0 / 7
	case weekly:
		return 1.0 / 7
	case monthly:
		return 12 / 365.25
	}
	return 0
}

// firings returns the minutes at which a schedule fires in a local hour, at being
// its hour of the day where it has one.
func (s schedule) firings(l localHour, at int) []int64 {
	onTheHour := l.hour == at
	switch s {
	case quarterly:
		return quarters[:]
	case hourly:
		onTheHour = true
	case weekdays:
		onTheHour = onTheHour && l.weekday < 5
	case weekly:
		onTheHour = onTheHour && l.weekday == 0
	case monthly:
		onTheHour = onTheHour && l.day == 1
	}
	if onTheHour {
		return quarters[:1]
	}
	return nil
}

var quarters = [...]int64{0, 15, 30, 45}

// localHour is an hour in the zone of the platform's offices.
type localHour struct {
	hour    int // of the day
	weekday int // Monday is 0
	day     int // of the month
	month   int
	date    int64 // days since 1970
}

func (l localHour) ofWeek() int { return l.weekday*24 + l.hour }
