package query

import (
	"fmt"
	"strings"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// ingest renders what the collector received and what became of it. Its rows are
// minutes of receipt; one belongs to the period in which it begins. Rows of one
// key add up, merged or not. Scope needs no clause:
// check lets administrators only ask for these metrics.
func (q *question) ingest(cal *calendar, o ordering) statement {
	src := plainSources[metric.SourceIngest]
	b := newBinder(q.scope)
	period := []span{{ceilSecond(q.from.UnixMilli()), ceilSecond(q.to.UnixMilli())}}
	columns := []string{"toInt64(toUnixTimestamp(minute)) AS ts"}
	for _, d := range q.dims {
		columns = append(columns, fmt.Sprintf("CAST(%s, 'String') AS %s", src.dimensions[d], dimensionAlias(d)))
	}
	columns = append(columns, "accepted", "duplicates", "rejected", "added", "stored", "lag_ms_sum", "lag_ms_max")
	from := fmt.Sprintf(`(
    SELECT %s
    FROM ingest_log
    WHERE tenant = {tenant:String} AND %s%s
)`, strings.Join(columns, ", "), within("minute", period, b.seconds), q.conditions(b, src.dimensions))
	return q.grouped(b, metric.SourceIngest, q.aggregates(metric.SourceIngest), []string{src.label}, from, cal, o)
}

func ceilSecond(ms int64) int64 { return floorTo(ms+999, 1000) }
