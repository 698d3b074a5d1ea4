package plugin

import (
	"fmt"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/query"
)

// describe puts how the answer came about on the first frame: what was
// executed, what it cost, and what a reader of the figures should know.
func describe(frames data.Frames, m query.Meta, r query.Request) {
	if len(frames) == 0 {
		return
	}
	if frames[0].Meta == nil {
		frames[0].Meta = &data.FrameMeta{}
	}
	meta := frames[0].Meta
	meta.ExecutedQueryString = strings.Join(m.SQL, ";\n\n")
	meta.Stats = []data.QueryStat{
		stat("Rows read", "short", float64(m.RowsRead)),
		stat("Time in the database", "ms", float64(m.Elapsed.Microseconds())/1000),
	}
	meta.Notices = notices(m, r, time.Now())
	meta.Custom = m
}

func stat(title, unit string, value float64) data.QueryStat {
	return data.QueryStat{FieldConfig: data.FieldConfig{DisplayName: title, Unit: unit}, Value: value}
}

// manyPending is how many minutes wait before a reader must know: the latest ones
// of every kind of event always do, for some seconds.
const manyPending = 60

// notices says what the figures do not show themselves. What every panel of a
// live dashboard would say is read by nobody and hides what matters: that a query
// that asks for the top ten has got ten groups, or that the last hour still runs.
// Groups that are missing although the query set no limit are the engine's notice.
func notices(m query.Meta, r query.Request, now time.Time) []data.Notice {
	var out []data.Notice
	add := func(severity data.NoticeSeverity, text string) {
		out = append(out, data.Notice{Severity: severity, Text: text})
	}
	if m.PendingBuckets >= manyPending {
		add(data.NoticeSeverityInfo, fmt.Sprintf("%d minutes of this period are stored but not counted yet: the figures will change.", m.PendingBuckets))
	}
	if m.PartialPeriod && misleading(m, r, now) {
		add(data.NoticeSeverityInfo, "The last period is still running: its figures are not complete.")
	}
	for _, text := range m.Notices {
		add(data.NoticeSeverityWarning, text)
	}
	return out
}

// misleading reports whether what still runs looks like a fall that is none: a week
// or a month beside whole ones, and whatever has only begun beside a period before
// that is complete.
func misleading(m query.Meta, r query.Request, now time.Time) bool {
	switch r.Granularity {
	case query.Week, query.Month:
		return true
	case query.Day:
		return r.Compare != query.NoCompare
	case query.Whole:
		// A dashboard that ends now may be ahead of this clock by a little.
		return r.Compare != query.NoCompare && m.To.Sub(now) > time.Minute
	}
	return false
}
