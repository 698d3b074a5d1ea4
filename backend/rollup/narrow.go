package rollup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

// keptColumns are the dimensions that a kind's narrow table has.
func (k kind) keptColumns() []string {
	var out []string
	for _, n := range schema.Narrows[k.name] {
		for _, c := range n.Keep {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	return out
}

// narrowed adds up what this recomputation has just written, all levels in one
// statement. A bucket's narrow rows have the version of its others, so that all of
// them become current at once, and no more than the version says which count.
func (k kind) narrowed() string {
	return k.narrowFrom(fmt.Sprintf("%s AND %s AND (level = 'minute' AND %s OR level IN ('quarter', 'quarter_user') AND %s OR level IN ('day', 'day_user') AND %s)",
		bucketsInSpan, rewritten, in("bucket", "minutes"), in("bucket", "quarters"), in("bucket", "days")))
}

// Narrowed is the statement that makes narrow rollups of the rollups of a kind for which
// a condition holds, for who has written these in another way than a Roller does.
func Narrowed(kind, where string) (string, error) {
	for _, k := range kinds {
		if k.name == kind {
			return k.narrowFrom(where), nil
		}
	}
	return "", fmt.Errorf("rollup: there is no kind %q", kind)
}

func (k kind) narrowFrom(where string) string {
	cases := make([]string, len(levels)) // of each level, those that there are
	for i, l := range levels {
		var of []string
		for _, n := range schema.Narrows[k.name] {
			if n.Has(l.name) {
				of = append(of, "'"+n.Name+"'")
			}
		}
		cases[i] = fmt.Sprintf("level = '%s', [%s]", l.name, strings.Join(of, ", "))
	}
	var names, values, keys []string
	for _, c := range k.keptColumns() {
		names = append(names, c)
		values = append(values, fmt.Sprintf("if(r.kept IN (%s), r.%s, defaultValueOfArgumentType(r.%s)) AS kept_%s", k.keepers(c), c, c, c))
		keys = append(keys, "kept_"+c)
	}
	for _, m := range k.measures {
		names = append(names, m.name)
		values = append(values, m.merge+" AS agg_"+m.name)
	}
	return fmt.Sprintf(`INSERT INTO %s (tenant, kept, level, bucket, %s, version)
SELECT r.tenant AS tenant, r.kept AS kept, r.level AS level, r.bucket AS bucket, %s,
    max(r.version) AS new_version
FROM (
    SELECT *, arrayJoin(multiIf(%s, [])) AS kept
    FROM %s
    WHERE %s
) AS r
GROUP BY tenant, kept, level, bucket, %s`,
		k.narrow, strings.Join(names, ", "), strings.Join(values, ",\n    "), strings.Join(cases, ", "),
		k.rollup, where, strings.Join(keys, ", "))
}

// keepers are the names of the narrow rollups that keep a column.
func (k kind) keepers(column string) string {
	var out []string
	for _, n := range schema.Narrows[k.name] {
		if n.Keeps([]string{column}) {
			out = append(out, "'"+n.Name+"'")
		}
	}
	return strings.Join(out, ", ")
}
