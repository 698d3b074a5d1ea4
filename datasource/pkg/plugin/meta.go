package plugin

import (
	"fmt"
	"strings"

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
	meta.Notices = notices(m, r)
	meta.Custom = m
}

func stat(title, unit string, value float64) data.QueryStat {
	return data.QueryStat{FieldConfig: data.FieldConfig{DisplayName: title, Unit: unit}, Value: value}
}

func notices(m query.Meta, r query.Request) []data.Notice {
	var out []data.Notice
	add := func(severity data.NoticeSeverity, text string) {
		out = append(out, data.Notice{Severity: severity, Text: text})
	}
	if m.PendingBuckets > 0 {
		add(data.NoticeSeverityInfo, fmt.Sprintf("%d minutes of this period are stored but not counted yet; the figures will change within seconds.", m.PendingBuckets))
	}
	if m.Truncated {
		add(data.NoticeSeverityInfo, truncated(r.Limit))
	}
	if m.PartialPeriod && misleading(r) {
		add(data.NoticeSeverityInfo, "The last period is still running: its figures are not complete.")
	}
	for _, text := range m.Notices {
		add(data.NoticeSeverityWarning, text)
	}
	return out
}

func truncated(limit int) string {
	if limit > 0 {
		return fmt.Sprintf("Only the top %d groups are shown; there are more.", limit)
	}
	return "Only as many groups as the server gives at most are shown; there are more. Filter, or group by fewer dimensions."
}

// A running minute or hour is what every live graph ends with, and a notice on
// each of them would be read by nobody. Where long buckets or two periods are
// compared, it looks like a fall that is none.
func misleading(r query.Request) bool {
	switch r.Granularity {
	case query.Day, query.Week, query.Month:
		return true
	}
	return r.Compare != query.NoCompare
}
