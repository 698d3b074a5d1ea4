package plugin

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/query"
)

// The words of the query model that are not the engine's.
const (
	auto = "auto"
	none = "none"
)

// Granularity is one choice of the editor.
type Granularity struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

var granularities = []Granularity{
	{auto, "Auto"},
	{none, "Whole period"},
	{string(query.Minute), "Minute"},
	{string(query.Quarter), "15 minutes"},
	{string(query.Hour), "Hour"},
	{string(query.Day), "Day"},
	{string(query.Week), "Week"},
	{string(query.Month), "Month"},
}

// granularity translates the model's word, choosing for auto.
func granularity(word string, q backend.DataQuery) (query.Granularity, error) {
	switch word {
	case auto, "":
		return autoGranularity(q.TimeRange.Duration(), q.Interval, q.MaxDataPoints), nil
	case none:
		return query.Whole, nil
	}
	allowed := make([]string, len(granularities))
	for i, g := range granularities {
		allowed[i] = g.Name
	}
	return query.Granularity(word), oneOf("granularity", word, allowed...)
}

const (
	fewPoints  = 100  // a graph with fewer looks coarse
	mostPoints = 1500 // one with more is slower and looks the same
)

// widths are auto's choices, widest first. Weeks and months are not among them:
// where they begin is a decision of the reader's.
var widths = []struct {
	name  query.Granularity
	width time.Duration
}{
	{query.Day, 24 * time.Hour},
	{query.Hour, time.Hour},
	{query.Quarter, 15 * time.Minute},
	{query.Minute, time.Minute},
}

// autoGranularity returns the widest bucket that still makes about a hundred
// points, or as many as fit where fewer do. It is then widened until it is not
// finer than the panel's interval, which holds the panel's width and the
// author's minimum, and not more than mostPoints.
func autoGranularity(period, interval time.Duration, maxDataPoints int64) query.Granularity {
	wanted := float64(fewPoints)
	if maxDataPoints > 0 && maxDataPoints < fewPoints {
		wanted = float64(maxDataPoints)
	}
	// "About": 96 quarters of a day and the 90 days of a quarter will do.
	wanted *= 0.85

	at := len(widths) - 1
	for i, w := range widths {
		if float64(period)/float64(w.width) >= wanted {
			at = i
			break
		}
	}
	// Grafana rounds the interval up or down; a bucket a little below it is fine.
	floor := interval * 9 / 10
	for at > 0 && (widths[at].width < floor || period/widths[at].width > mostPoints) {
		at--
	}
	return widths[at].name
}
