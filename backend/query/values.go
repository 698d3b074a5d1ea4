package query

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/metric"
)

const maxValues = 1000

// ValuesRequest asks for the values that a dimension has.
type ValuesRequest struct {
	Dimension string    `json:"dimension"`
	Search    string    `json:"search,omitempty"` // part of the value, in any case
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Filters   []Filter  `json:"filters,omitempty"` // by other dimensions: the steps of one workflow
	Limit     int       `json:"limit,omitempty"`   // 0 is 1,000, also the most
}

// valueSources are looked at for values, in this order.
var valueSources = []metric.Source{
	metric.SourceExecutions, metric.SourceSteps, metric.SourceCosts, metric.SourceActivity, metric.SourceIngest, metric.SourceDeadLetters,
}

// volumes is how often a value occurs in a row of a source.
var volumes = map[metric.Source]string{
	metric.SourceExecutions: "started + completed + failed",
	metric.SourceSteps:      "completed + failed + skipped",
	metric.SourceCosts:      "records",
	metric.SourceActivity:   "actions",
	metric.SourceIngest:     "accepted + duplicates + rejected",

	metric.SourceDeadLetters: "1",
}

// Values returns the distinct values of a dimension in a period, for variables
// and editors: the most frequent first, so that a limit keeps those that matter
// and a variable starts with one that has data. The empty value is left out. The period is widened to
// whole UTC days, so that the coarsest rollups answer.
func (e *Engine) Values(ctx context.Context, p access.Principal, r ValuesRequest) ([]string, error) {
	out, err := e.guardedValues(ctx, p, r)
	if err := e.audit(ctx, p, AuditRecord{Kind: auditValues, GroupBy: []string{r.Dimension}, Filters: r.Filters, From: r.From, To: r.To, Rows: len(out)}, nil, err); err != nil {
		return nil, err
	}
	return out, err
}

// guardedValues lists values with what the caller's policy keeps back left out.
func (e *Engine) guardedValues(ctx context.Context, p access.Principal, r ValuesRequest) ([]string, error) {
	g, err := e.guard(ctx, p)
	if err != nil {
		return nil, err
	}
	if r.Dimension == metric.User && g.Minimum > 1 {
		return nil, &AccessError{Message: "single users are not shown to the role " + string(p.Role)}
	}
	if r.Filters, err = g.admit(ctx, r.From.UnixMilli(), r.To.UnixMilli(), []string{r.Dimension}, r.Filters); err != nil {
		return nil, err
	}
	if r.Dimension != metric.User || len(g.PseudonymKey) == 0 {
		return e.listValues(g.context(ctx), p, r)
	}
	// Searched for in the pseudonyms: a part of an id would give it away.
	search, limit := strings.ToLower(r.Search), r.Limit
	if r.Search, r.Limit = "", 0; limit < 0 || limit > maxValues {
		r.Limit = limit // refused below
	}
	ids, err := e.listValues(ctx, p, r)
	var out []string
	for _, id := range ids {
		text := e.pseudonyms.of(p.Tenant, g.PseudonymKey, id)
		if strings.Contains(text, search) && (limit == 0 || len(out) < limit) {
			out = append(out, text)
		}
	}
	return out, err
}

func (e *Engine) listValues(ctx context.Context, p access.Principal, r ValuesRequest) ([]string, error) {
	if isClock(r.Dimension) {
		return clockMatches(p, r)
	}
	if r.Dimension == metric.Team {
		return e.teamValues(ctx, p, r)
	}
	var err error
	if r.Filters, err = e.byMembers(ctx, p.Tenant, r.Filters); err != nil {
		return nil, err
	}
	q, sources, err := e.checkValues(p, r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	if q.narrowSince, err = e.narrow.read(ctx); err != nil {
		return nil, err
	}
	q.minimum = minimumOf(ctx)
	st := q.values(r.Dimension, r.Search, sources)
	var col proto.ColStr
	var out []string
	err = e.client.Do(ctx, clickhouse.Query{
		SQL: st.sql, Params: st.params, Settings: e.settings(),
		Result: proto.Results{{Name: "value", Data: &col}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range col.Rows() {
				out = append(out, col.Row(i))
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read values of %s: %w", r.Dimension, err)
	}
	return out, nil
}

// Unlisted are the dimensions whose values cannot be listed, because they are too many.
func Unlisted() []string {
	var out []string
	for _, name := range metric.DimensionNames() {
		if name != metric.Team && !slices.ContainsFunc(valueSources, func(s metric.Source) bool { return dimensionsOf(s)[name] != "" }) {
			out = append(out, name)
		}
	}
	return out
}

// checkValues finds the sources that have the dimension and those of the filters.
func (e *Engine) checkValues(p access.Principal, r ValuesRequest) (*question, []metric.Source, error) {
	s, err := scopeOf(p)
	if err != nil {
		return nil, nil, err
	}
	q := &question{scope: s, now: e.now(), limit: r.Limit}
	if r.Limit < 0 || r.Limit > maxValues {
		return nil, nil, requestError("limit", strconv.Itoa(r.Limit), "must be 1 to "+strconv.Itoa(maxValues)+", or 0 for that many", "100")
	}
	if q.limit == 0 {
		q.limit = maxValues
	}
	if err := q.checkPeriod(Request{From: r.From, To: r.To}, e.limits); err != nil {
		return nil, nil, err
	}
	wanted := []string{r.Dimension}
	for _, f := range r.Filters {
		c, err := f.condition()
		if err != nil {
			return nil, nil, err
		}
		q.filters = append(q.filters, c)
		wanted = append(wanted, f.Dimension)
	}
	for i, name := range wanted {
		if _, ok := metric.LookupDimension(name); !ok {
			param := "dimension"
			if i > 0 {
				param = "filters"
			}
			return nil, nil, requestError(param, name, "no such dimension", metric.Workflow, metric.DimensionNames()...)
		}
	}
	var sources []metric.Source
	for _, s := range valueSources {
		columns := dimensionsOf(s)
		if !slices.ContainsFunc(wanted, func(d string) bool { return columns[d] == "" }) {
			sources = append(sources, s)
		}
	}
	switch {
	case len(sources) == 0 && len(wanted) == 1:
		return nil, nil, requestError("dimension", r.Dimension, "it has too many values to list them", metric.Workflow)
	case len(sources) == 0:
		return nil, nil, requestError("filters", strings.Join(wanted[1:], ", "), "no events have these dimensions and "+r.Dimension, "")
	case (sources[0] == metric.SourceIngest || sources[0] == metric.SourceDeadLetters) && !q.scope.all:
		return nil, nil, &AccessError{Message: "dimension " + r.Dimension + " is for administrators"}
	}
	return q, sources, nil
}

// values renders the statement. Under a policy with a least number of users it lists what
// so many have, and what is nobody's.
func (q *question) values(dimension, search string, sources []metric.Source) statement {
	b := newBinder(q.scope)
	const day = secondsPerDay * 1000
	days := []span{{floorTo(q.from.UnixMilli(), day), floorTo(q.to.UnixMilli()+day-1, day)}}
	branches := make([]string, len(sources))
	for i, s := range sources {
		columns := dimensionsOf(s)
		needs := []string{columns[dimension]}
		value := "CAST(" + text(columns[dimension]) + ", 'String') AS value, toUInt64(" + volumes[s] + ") AS volume"
		if q.minimum > 1 {
			value += ", " + person(columns) + " AS person"
			needs = append(needs, columns[metric.User])
		}
		if s == metric.SourceIngest {
			branches[i] = fmt.Sprintf("    SELECT %s\n    FROM ingest_log\n    WHERE tenant = {tenant:String} AND %s%s",
				value, within("minute", days, b.seconds), q.conditions(b, columns))
			continue
		}
		if s == metric.SourceDeadLetters {
			branches[i] = fmt.Sprintf("    SELECT %s\n    FROM %s AS r\n    WHERE 1%s", value, b.letters(days[0]), q.conditions(b, columns))
			continue
		}
		q.dims = nil
		seg := segment{level: levelDay, spans: days}
		if !q.scope.all || q.minimum > 1 || dimension == metric.User || slices.ContainsFunc(q.filters, func(c condition) bool { return c.dimension == metric.User }) {
			seg.level = levelDayUser
		}
		branches[i] = strings.Join(q.rollupBranches(b, rollupSources[s], []segment{seg}, value, needs), "\n    UNION ALL\n")
	}
	having := ""
	if q.minimum > 1 {
		having = fmt.Sprintf("\nHAVING uniqExactIf(person, person != '') = 0 OR uniqExactIf(person, person != '') >= %d", q.minimum)
	}
	return statement{params: b.params, sql: fmt.Sprintf(`SELECT value
FROM (
%s
)
WHERE value != '' AND positionCaseInsensitiveUTF8(value, %s) > 0
GROUP BY value%s
ORDER BY sum(volume) DESC, value
LIMIT %d`, strings.Join(branches, "\n    UNION ALL\n"), b.bind(search, "String"), having, q.limit)}
}

// person is the user of a row, where a source has users.
func person(columns map[string]string) string {
	if user := columns[metric.User]; user != "" {
		return user
	}
	return "''"
}
