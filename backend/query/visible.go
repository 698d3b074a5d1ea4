package query

import (
	"fmt"
	"strings"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// rawTables are the tables of events, by kind.
var rawTables = []struct{ kind, table string }{
	{"execution", "executions"}, {"step", "steps"}, {"cost", "costs"}, {"activity", "activity"},
}

// visible renders how many of the deliveries of a period stand, and how many were
// replaced: what was stored without what stands. Sources that tell runs in fragments
// are left out of the latter, because their rows are made and not received. Minutes
// of receipt are those of ingest, so that the two add up.
func (q *question) visible(cal *calendar, o ordering) statement {
	src := plainSources[metric.SourceVisible]
	b := newBinder(q.scope)
	period := []span{q.receipt()}
	told := fmt.Sprintf("source IN (SELECT source FROM ingest_log WHERE tenant = {tenant:String} AND kind = 'fragment' AND %s)", within("minute", period, b.seconds))
	columns := func(ts, visible, replaced string) string {
		list := []string{ts + " AS ts"}
		for _, d := range q.dims {
			list = append(list, fmt.Sprintf("CAST(%s, 'String') AS %s", src.dimensions[d], dimensionAlias(d)))
		}
		return strings.Join(append(list, "toInt64("+visible+") AS m_visible", "toInt64(if("+told+", 0, "+replaced+")) AS m_replaced"), ", ")
	}
	branches := []string{fmt.Sprintf("    SELECT %s\n    FROM ingest_log\n    WHERE tenant = {tenant:String} AND kind != 'fragment' AND %s%s",
		columns("toInt64(toUnixTimestamp(minute))", "0", "stored"), within("minute", period, b.seconds), q.conditions(b, src.dimensions))}
	ts := fmt.Sprintf("toInt64(intDiv(bitAnd(version, %d), 1000000))", schema.VersionMoved-1)
	for _, t := range rawTables {
		branches = append(branches, fmt.Sprintf("    SELECT %s\n    FROM (SELECT version, source, '%s' AS kind FROM %s FINAL WHERE tenant = {tenant:String} AND %s) AS r\n    WHERE 1%s",
			columns(ts, "1", "-1"), t.kind, t.table, b.receivedIn(period[0]), q.conditions(b, src.dimensions)))
	}
	from := "(\n" + strings.Join(branches, "\n    UNION ALL\n") + "\n)"
	return q.grouped(b, metric.SourceVisible, q.aggregates(metric.SourceVisible), []string{src.label}, from, cal, o)
}

// receipt is the period as whole minutes of receipt, those that begin in it.
func (q *question) receipt() span {
	const minute = 60_000
	ceil := func(ms int64) int64 { return floorTo(ms+minute-1, minute) }
	return span{ceil(q.from.UnixMilli()), ceil(q.to.UnixMilli())}
}

// receivedIn restricts versions, which are the microseconds of receipt; those of
// events that moved back have a bit above them.
func (b *binder) receivedIn(s span) string {
	versions := func(bit uint64) string {
		return fmt.Sprintf("version >= %s AND version < %s", b.bind(uint64(s.from)*1000|bit, "UInt64"), b.bind(uint64(s.to)*1000|bit, "UInt64"))
	}
	return "(" + versions(0) + " OR " + versions(schema.VersionMoved) + ")"
}
