package query

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// KindSessions lists sessions.
const KindSessions Kind = "sessions"

const (
	defaultListed = 100
	maxListed     = 1000
)

var sessionsParams = []ParamInfo{
	{Name: "order", Description: "Which come first: those that began last, lasted longest, or have most actions.", Default: "start", Allowed: []string{"start", "active_ms", "actions"}},
}

var sessionsFields = []FieldInfo{
	{"user", "", "Whose session it is; empty is nobody's."},
	{"session", "", "The sessionId of its actions; empty is a session by inactivity."},
	{"start", "", "Time of its first action."},
	{"end", "", "Time of its last action, and the duration of that."},
	{"active_ms", "ms", "From start to end."},
	{"actions", "short", "Actions in it."},
	{"first_action", "", "The first action."},
	{"last_action", "", "The last action."},
}

var sessionsShape = shape{
	KindInfo: KindInfo{
		Kind: KindSessions, Title: "Sessions",
		Description: "The sessions that started in the period, one by one: those that the metric sessions counts, up to 93 days. ascending turns the order round. limit is 100 by default, 1000 at most.",
		Uses:        []string{"filters", "limit", "ascending", "asOf"},
		Params:      sessionsParams,
		Fields:      sessionsFields,
	},
	answer:  (*Engine).sessionList,
	aliases: map[string]string{"first_action": metric.Action, "last_action": metric.Action},
}

// listed checks the limit of a list.
func listed(limit int) (int, error) {
	if limit == 0 {
		return defaultListed, nil
	}
	if limit < 0 || limit > maxListed {
		return 0, requestError("limit", strconv.Itoa(limit), "must be 1 to "+strconv.Itoa(maxListed), "20")
	}
	return limit, nil
}

// checkRaw checks a question about rows one by one, which are read from raw rows
// and for so long only.
func (e *Engine) checkRaw(p access.Principal, r Request, metrics ...string) (*question, error) {
	q, err := e.check(p, Request{Metrics: metrics, From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: r.Filters, Granularity: r.Granularity})
	if err != nil {
		return nil, err
	}
	if q.to.Sub(q.from) > e.limits.RawMetadata {
		return nil, requestError("from", r.From.Format(time.RFC3339),
			"a question of kind "+string(r.Kind)+" reads the events themselves, up to "+strconv.Itoa(int(e.limits.RawMetadata.Hours()/24))+" days: take a shorter period", "2026-03-01T00:00:00Z")
	}
	return q, nil
}

// listMeta says how a list of raw rows came about.
func (q *question) listMeta(st statement, rowsRead uint64, truncated bool) Meta {
	return Meta{
		From: q.from.In(q.loc), To: q.to.In(q.loc), TimeZone: q.loc.String(), Sources: []string{string(levelRaw)},
		PartialPeriod: q.to.After(q.now), Truncated: truncated, RowsRead: rowsRead, SQL: []string{st.sql},
	}
}

func (e *Engine) sessionList(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit, err := listed(r.Limit)
	if err != nil {
		return nil, err
	}
	q, err := e.checkRaw(p, r, "sessions")
	if err != nil {
		return nil, err
	}
	st := q.sessionList(paramOf(sessionsParams, &r, "order"), r.Ascending, limit)
	var (
		user, session, firstAction, lastAction proto.ColStr
		first, active, actions                 proto.ColInt64
		out                                    = newFields(sessionsFields, "", "", time.Time{}, time.Time{}, int64(0), int64(0), "", "")
	)
	rowsRead, err := e.scan(ctx, "sessions", st, proto.Results{
		{Name: "user_id", Data: &user},
		{Name: "session_id", Data: &session},
		{Name: "first", Data: &first},
		{Name: "active", Data: &active},
		{Name: "actions", Data: &actions},
		{Name: "first_action", Data: &firstAction},
		{Name: "last_action", Data: &lastAction},
	}, func(i int) error {
		out.add(user.Row(i), session.Row(i), time.UnixMilli(first[i]).In(q.loc), time.UnixMilli(first[i]+active[i]).In(q.loc),
			active[i], actions[i], firstAction.Row(i), lastAction.Row(i))
		return nil
	})
	if err != nil {
		return nil, err
	}
	truncated := out.cut(limit)
	res := out.result()
	res.Meta = q.listMeta(st, rowsRead, truncated)
	return res, nil
}

// cut keeps the first rows and reports whether there were more.
func (f *fields) cut(limit int) bool {
	more := len(f.rows) > limit
	f.rows = f.rows[:min(limit, len(f.rows))]
	return more
}

func (q *question) sessionList(order string, ascending bool, limit int) statement {
	by := map[string]string{"start": "first", "active_ms": "active", "actions": "actions"}[order]
	direction := "DESC"
	if ascending {
		direction = "ASC"
	}
	b := newBinder(q.scope)
	from := q.sessionRows(b, `user_id, session_id, first, toInt64(last.1 - first + last.2) AS active,
        toInt64(arrayCount(e -> e.1 <= first + `+strconv.Itoa(sessionMost)+`, session)) AS actions, session[1].3 AS first_action, last.3 AS last_action`,
		"(toUnixTimestamp64Milli(time), duration_ms, action)")
	return statement{params: b.params, sql: fmt.Sprintf(`SELECT user_id, session_id, first, active, actions, first_action, last_action
FROM %s
ORDER BY %s %s, first %s, user_id, session_id
LIMIT %d
SETTINGS do_not_merge_across_partitions_select_final = 1`, from, by, direction, direction, limit+1)}
}
