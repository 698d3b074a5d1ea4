package rollup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

// A Difference is a group of a bucket whose figures are not those of its raw events.
type Difference struct {
	Kind    string
	Level   string
	Rollup  string // the group with its figures as the rollup has it; "" when it has none
	Recount string // and as the raw events give it; "" when there are none
}

// Checked says what Verify has compared.
type Checked struct {
	Groups      uint64 // of every kind and level, in the raw events
	Differences []Difference
}

// mostDifferences is the most that Verify lists.
const mostDifferences = 100

// Verify counts a period's raw events again, whole UTC days, in another way than the
// roller does: each level straight from the raw rows, in one statement for a day,
// without versions or finer levels. What is waiting to be recomputed is left out. It
// covers all tenants when tenant is empty. progress is called with each day that is done.
func Verify(ctx context.Context, client *clickhouse.Client, tenant string, from, to time.Time, progress func(day time.Time, c Checked)) (Checked, error) {
	var c Checked
	const day = 24 * time.Hour
	for at := from.UTC().Truncate(day); at.Before(to); at = at.Add(day) {
		for _, k := range kinds {
			if there, err := anything(ctx, client, k, at); err != nil {
				return c, fmt.Errorf("verify %s on %s: %w", k.name, at.Format(time.DateOnly), err)
			} else if !there {
				continue
			}
			for _, body := range k.bodies() {
				if err := verify(ctx, client, k, body, tenant, at, &c); err != nil {
					return c, fmt.Errorf("verify %s by %s on %s: %w", k.name, body.title(), at.Format(time.DateOnly), err)
				}
				if len(c.Differences) >= mostDifferences {
					return c, nil
				}
			}
		}
		progress(at, c)
	}
	return c, nil
}

// level is one of the five levels, computed from raw rows.
type level struct{ name, bucket, user string }

var levels = []level{
	{"minute", "toStartOfMinute(r.time)", "''"},
	{"quarter", "toStartOfFifteenMinutes(r.time)", "''"},
	{"quarter_user", "toStartOfFifteenMinutes(r.time)", "r.user_id"},
	{"day", "toDateTime(toStartOfDay(r.time, 'UTC'), 'UTC')", "''"},
	{"day_user", "toDateTime(toStartOfDay(r.time, 'UTC'), 'UTC')", "r.user_id"},
}

// widen is the bucket of a level that a minute belongs to.
func (l level) widen(minute string) string {
	return strings.ReplaceAll(l.bucket, "r.time", minute)
}

// unsettled are the minutes of the day that are waiting, in the terms of Roller.marked
// but for all time.
const unsettled = `SELECT m.tenant AS tenant, m.minute AS minute FROM (
    SELECT tenant, minute, max(marked_at) AS marked FROM bucket_marks
    WHERE kind = {kind:String} AND minute >= toDateTime({from:Int64}, 'UTC') AND minute < toDateTime({to:Int64}, 'UTC') GROUP BY tenant, minute
) AS m LEFT ANY JOIN (
    SELECT tenant, bucket, max(version) AS version FROM bucket_versions
    WHERE kind = {kind:String} AND level = 'minute' AND ` + bucketsInSpan + ` GROUP BY tenant, bucket
) AS v ON m.tenant = v.tenant AND m.minute = v.bucket
WHERE m.marked >= v.version`

// body is a level of a kind's rollups, or of one of its narrow ones.
type body struct {
	level
	table  string
	kept   string   // the narrow one's name
	narrow []string // what it keeps
	dims   []string // the table's dimensions
}

func (b body) title() string { return strings.TrimSpace(b.kept + " " + b.name) }

// of renders a dimension over raw rows.
func (b body) of(dim string) string {
	switch {
	case b.kept != "" && !slices.Contains(b.narrow, dim):
		return "defaultValueOfArgumentType(r." + dim + ")"
	case dim == "user_id":
		return b.user
	}
	return "r." + dim
}

func (b body) where() string {
	if b.kept == "" {
		return "level = '" + b.name + "'"
	}
	return "level = '" + b.name + "' AND kept = '" + b.kept + "'"
}

// bodies are all that a kind's raw rows are rolled up into.
func (k kind) bodies() []body {
	var out []body
	for _, l := range levels {
		out = append(out, body{level: l, table: k.rollup, dims: append(slices.Clone(k.dims), "user_id")})
	}
	for _, n := range schema.Narrows[k.name] {
		for _, l := range levels {
			if n.Has(l.name) {
				out = append(out, body{level: l, table: k.narrow, kept: n.Name, narrow: n.Keep, dims: k.keptColumns()})
			}
		}
	}
	return out
}

// anything says whether a day has raw rows of a kind or buckets that it ever had.
func anything(ctx context.Context, client *clickhouse.Client, k kind, day time.Time) (bool, error) {
	var there proto.ColUInt8
	err := client.Do(ctx, clickhouse.Query{
		SQL: "SELECT toUInt8(1) AS there FROM (SELECT 1 FROM " + k.raw + " WHERE " + inSpan +
			" LIMIT 1 UNION ALL SELECT 1 FROM bucket_versions WHERE kind = {kind:String} AND " + bucketsInSpan + " LIMIT 1) LIMIT 1",
		Params: map[string]any{"kind": k.name, "from": day.Unix(), "to": day.AddDate(0, 0, 1).Unix()},
		Result: proto.Results{{Name: "there", Data: &there}},
	})
	return there.Rows() > 0, err
}

func verify(ctx context.Context, client *clickhouse.Client, k kind, l body, tenant string, day time.Time, c *Checked) error {
	var raw, kept, groups []string
	for _, d := range l.dims {
		raw, kept = append(raw, l.of(d)+" AS by_"+d), append(kept, d)
		groups = append(groups, "by_"+d)
	}
	for _, m := range k.measures {
		raw = append(raw, m.raw+" AS agg_"+m.name)
		kept = append(kept, m.name)
	}
	left := "(tenant, bucket) NOT IN (SELECT tenant, " + l.widen("minute") + " FROM (" + unsettled + "))"
	recount := "SELECT r.tenant AS tenant, " + l.bucket + " AS bucket, " + strings.Join(raw, ", ") + " FROM " + k.source(inSpan) + " AS r GROUP BY tenant, bucket, " + strings.Join(groups, ", ")
	current := "SELECT tenant, bucket, " + strings.Join(kept, ", ") + " FROM " + l.table + " WHERE " + l.where() + " AND " + bucketsInSpan +
		" AND (tenant, bucket, version) IN (SELECT tenant, bucket, max(version) FROM bucket_versions WHERE kind = {kind:String} AND level = '" + l.name + "' AND " + bucketsInSpan + " GROUP BY tenant, bucket)"
	if l.kept != "" { // what older days do not have yet is no difference
		left += " AND bucket >= (SELECT if(count() = 0, toDateTime(4294967295, 'UTC'), min(since)) FROM narrow_since WHERE kind = {kind:String})"
	}
	// Positions, since the recount's columns have names of its own.
	line := func(source string) string {
		return "SELECT tenant, bucket, toString(tuple(*)) AS line FROM (" + source + ") WHERE ({tenant:String} = '' OR tenant = {tenant:String}) AND " + left
	}
	sql := "SELECT line, sum(side) AS balance, toUInt64(countIf(side = 1)) AS counted FROM (SELECT line, toInt64(1) AS side FROM (" + line(recount) + ") UNION ALL SELECT line, toInt64(-1) AS side FROM (" + line(current) + ")) GROUP BY line"
	var (
		text    proto.ColStr
		balance proto.ColInt64
		counted proto.ColUInt64
	)
	return client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT if(balance = 0, '', line) AS difference, balance, sum(counted) AS groups FROM (" + sql + ") GROUP BY difference, balance ORDER BY difference LIMIT 1000",
		Params: map[string]any{"kind": k.name, "tenant": tenant, "from": day.Unix(), "to": day.AddDate(0, 0, 1).Unix()},
		Result: proto.Results{{Name: "difference", Data: &text}, {Name: "balance", Data: &balance}, {Name: "groups", Data: &counted}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range text.Rows() {
				c.Groups += counted.Row(i)
				switch b := balance.Row(i); {
				case b > 0:
					c.Differences = append(c.Differences, Difference{Kind: k.name, Level: l.title(), Recount: text.Row(i)})
				case b < 0:
					c.Differences = append(c.Differences, Difference{Kind: k.name, Level: l.title(), Rollup: text.Row(i)})
				}
			}
			return nil
		},
	})
}
