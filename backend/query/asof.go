package query

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse/history"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// historyLabel is what Meta.Sources says of versions that are kept.
const historyLabel = "history"

// settling is how long what was received may wait to be stored while all goes well.
const settling = time.Minute

// historical are the sources whose rows are kept in all versions.
var historical = []metric.Source{
	metric.SourceExecutions, metric.SourceSteps, metric.SourceCosts, metric.SourceActivity,
	metric.SourceRunning, metric.SourceSessions, metric.SourceRolling, metric.SourceConflicts,
}

// at returns an engine that sees the data as it stood at a moment; the zero time is
// now. All that an answer asks in turn, it asks that engine, so no part of an answer
// is of another moment. Rollups know the present only, so it reads events.
func (e *Engine) at(ctx context.Context, moment time.Time) (*Engine, error) {
	if moment.IsZero() {
		return e, nil
	}
	const example = "2026-04-02T00:00:00Z"
	if !moment.After(earliest) || moment.After(latest) {
		return nil, requestError("asOf", moment.Format(time.RFC3339), "must lie between 1970 and 2100", example)
	}
	s, err := history.Read(ctx, e.client)
	if err != nil {
		return nil, err
	}
	switch {
	case s.Phase == history.Off:
		return nil, requestError("asOf", moment.Format(time.RFC3339), "no history is kept: the setting history.days says for how long", "")
	case s.Phase == history.Starting:
		return nil, requestError("asOf", moment.Format(time.RFC3339), "the history has just been switched on and begins within minutes: ask again", "")
	case moment.UnixMicro() < s.Since:
		first := s.Earliest().Format(time.RFC3339Nano)
		return nil, requestError("asOf", moment.Format(time.RFC3339), "the history begins at "+first+": earlier states are not known", first)
	}
	now := e.now()
	if moment.Before(now) {
		now = moment
	}
	at := *e
	at.asOf, at.now = moment.UnixMicro(), func() time.Time { return now }
	at.ask = noneAsOf
	return &at, nil
}

// noneAsOf stands in for what would ask about the present.
func noneAsOf(context.Context, access.Principal, Request) (*Result, error) {
	return nil, requestError("asOf", "", "a question within this one is of now: it has no history", "")
}

// scope is scopeOf at the engine's moment.
func (e *Engine) scope(p access.Principal) (scope, error) {
	s, err := scopeOf(p)
	s.asOf = e.asOf
	return s, err
}

// checkAsOf wants a question that the history can answer.
func (q *question) checkAsOf(limits Limits) error {
	if q.scope.asOf == 0 {
		return nil
	}
	for _, m := range q.metrics {
		if slices.ContainsFunc(m.Sources, func(s metric.Source) bool { return !slices.Contains(historical, s) }) {
			return requestError("asOf", "", "metric "+m.Name+" is of now: it has no history", "")
		}
	}
	if q.to.Sub(q.from) > limits.RawMetadata {
		return requestError("from", q.from.Format(time.RFC3339),
			"how the data stood earlier is read from the events themselves, up to "+strconv.Itoa(int(limits.RawMetadata.Hours()/24))+" days: take a shorter period", "2026-03-01T00:00:00Z")
	}
	return nil
}

// describe says in an answer's meta what it is as of, if that is not now.
func (e *Engine) describe(moment, now time.Time, m *Meta) {
	if moment.IsZero() || !m.AsOf.IsZero() {
		return
	}
	m.AsOf = moment.UTC()
	m.Sources = []string{historyLabel}
	switch {
	case moment.After(now):
		m.Notices = append(m.Notices, "asOf lies ahead: what is received until then will count too")
	case now.Sub(moment) < settling:
		m.Notices = append(m.Notices, "what was received shortly before asOf may not be stored yet, and will count when it is")
	}
}

// rows is a subquery of the rows of a raw table that stand, now or at the binder's
// moment. where is about columns of the key, which are the same in all versions of an
// event; besides may be about any, and is empty or a condition.
func (b *binder) rows(table, where, besides string) string {
	if besides != "" {
		besides = " AND " + besides
	}
	if b.asOf == 0 { // FINAL applies replacement and deletion.
		return "(SELECT * FROM " + table + " FINAL WHERE " + where + besides + ")"
	}
	return fmt.Sprintf("(SELECT * FROM %s WHERE deleted = 0%s)", b.versions(table, where), besides)
}

// versions is a subquery of the version of each row that had the last word at the
// binder's moment, deleted ones too. A version that was stored twice is there twice.
func (b *binder) versions(table, where string) string {
	known := b.known(table)
	return fmt.Sprintf(`(
        SELECT * FROM (
            SELECT * FROM %[1]s WHERE %[3]s AND %[4]s
            UNION ALL
            SELECT * FROM %[2]s WHERE %[3]s AND %[4]s
        )
        ORDER BY version DESC, stored_at DESC
        LIMIT 1 BY %[5]s
    )`, table+history.Baseline, table+history.Versions, where, known, history.Key(table))
}

// known restricts versions to those known before the binder's moment: received or, of
// a stored cost's new price, applied.
func (b *binder) known(table string) string {
	at := uint64(b.asOf)
	received := fmt.Sprintf("(version < %s OR version >= %s AND version < %s)", b.bind(at, "UInt64"), b.bind(schema.VersionMoved, "UInt64"), b.bind(at|schema.VersionMoved, "UInt64"))
	if table != "costs" {
		return received
	}
	return fmt.Sprintf("if(toUnixTimestamp64Milli(priced_at) = 0, %s, priced_at < fromUnixTimestamp64Micro(%s, 'UTC'))", received, b.bind(b.asOf, "Int64"))
}

// executionsByID is a subquery of the rows of executions that stand and that which
// finds by id. The order of ids knows every identity that there ever was, so it says
// where to look; besides restricts the rows that are found there.
func (b *binder) executionsByID(which, besides string) string {
	which = "tenant = {tenant:String} AND " + which
	if b.asOf == 0 {
		return "(SELECT * FROM executions_by_id FINAL WHERE " + which + ")"
	}
	return b.rows("executions", "tenant = {tenant:String} AND (time, id) IN (SELECT time, id FROM executions_by_id WHERE "+which+")", besides)
}

// steps is rows for steps, which take what they were sent without from their
// executions as those stood at the same moment.
func (b *binder) steps(where, besides string) string {
	if b.asOf == 0 {
		if besides != "" {
			where += " AND " + besides
		}
		return schema.ResolvedSteps(where)
	}
	// All versions' executions are looked up: those that none of them needs do not matter.
	lacking := fmt.Sprintf(`id IN (
        SELECT execution_id FROM steps%[1]s WHERE %[3]s AND (workflow_id = '' OR workflow_version = 0 OR user_id = '')
        UNION ALL
        SELECT execution_id FROM steps%[2]s WHERE %[3]s AND (workflow_id = '' OR workflow_version = 0 OR user_id = '')
    )`, history.Baseline, history.Versions, where)
	return schema.ResolveSteps(b.rows("steps", where, besides), b.executionsByID(lacking, ""))
}
