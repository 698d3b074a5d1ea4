package query

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// KindAuditTrail is what a user did, or what was done to a resource.
const KindAuditTrail Kind = "audit_trail"

var auditParams = []ParamInfo{
	{Name: "user", Description: "Whose actions; this or resource is needed.", Example: "ann"},
	{Name: "resource", Description: "Actions on which kind of thing; this or user is needed.", Example: "workflow"},
	{Name: "resource_id", Description: "Actions on which thing of that kind.", Example: "wf-7"},
	{Name: "before", Description: "Goes on where an answer ended: the cursor of its last row.", Example: "1772323200000/a-17"},
}

var auditFields = []FieldInfo{
	{"time", "", "When it was done."},
	{"user", "", "Who did it; empty is nobody."},
	{"action", "", "What was done."},
	{"resource", "", "The kind of thing that it was done to."},
	{"resource_id", "", "Which thing of that kind."},
	{"session", "", "The session's id, where the source says one."},
	{"duration_ms", "ms", "How long it took."},
	{"id", "", "The event's id."},
	{"cursor", "", "Given as params.before, the answer goes on behind this row."},
}

var auditShape = shape{
	KindInfo: KindInfo{
		Kind: KindAuditTrail, Title: "Audit trail",
		Description: "What a user did, or what was done to a resource, action by action and the newest first, up to 93 days. limit is 100 by default, 1000 at most; params.before reads on.",
		Uses:        []string{"filters", "limit", "asOf"},
		Params:      auditParams,
		Fields:      auditFields,
	},
	answer:  (*Engine).auditTrail,
	filters: trailFilters,
	texts:   []string{"resource_id"},
}

// trailFilters are the filters that say whose trail it is, or of what.
func trailFilters(r *Request) []Filter {
	var out []Filter
	for _, of := range []struct{ param, dimension string }{{"user", metric.User}, {"resource", metric.Resource}} {
		if value := r.Params[of.param]; value != "" {
			out = append(out, Filter{Dimension: of.dimension, Operator: In, Values: []string{value}})
		}
	}
	return out
}

// cursor is a place in a list that goes back in time: behind one event.
type cursor struct {
	time int64
	id   string
}

func (c cursor) String() string { return strconv.FormatInt(c.time, 10) + "/" + c.id }

func parseCursor(text string) (cursor, error) {
	at, id, ok := strings.Cut(text, "/")
	ms, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || ms < 0 || ms >= latest.UnixMilli() {
		return cursor{}, requestError("params.before", text, "no cursor: give the field cursor of the last row as it is", "1772323200000/a-17")
	}
	return cursor{ms, id}, nil
}

func (e *Engine) auditTrail(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit, err := listed(r.Limit)
	if err != nil {
		return nil, err
	}
	q, err := e.checkRaw(p, r, "actions")
	if err != nil {
		return nil, err
	}
	if r.Params["user"] == "" && r.Params["resource"] == "" {
		return nil, requestError("params.user", "", "a trail is of a user or of a resource: give params.user, params.resource or both", "ann")
	}
	if r.Params["resource_id"] != "" && r.Params["resource"] == "" {
		return nil, requestError("params.resource", "", "ids are those of a kind of resource: give params.resource as well", "workflow")
	}
	st, err := q.auditTrail(r.Params["resource_id"], r.Params["before"], limit)
	if err != nil {
		return nil, err
	}
	var (
		user, action, resource, resourceID, session, id proto.ColStr
		at, duration                                    proto.ColInt64
		out                                             = newFields(auditFields, time.Time{}, "", "", "", "", "", int64(0), "", "")
	)
	rowsRead, err := e.scan(ctx, "audit trail", st, proto.Results{
		{Name: "at", Data: &at},
		{Name: "user_id", Data: &user},
		{Name: "action", Data: &action},
		{Name: "resource", Data: &resource},
		{Name: "resource_id", Data: &resourceID},
		{Name: "session_id", Data: &session},
		{Name: "duration_ms", Data: &duration},
		{Name: "id", Data: &id},
	}, func(i int) error {
		out.add(time.UnixMilli(at[i]).In(q.loc), user.Row(i), action.Row(i), resource.Row(i), resourceID.Row(i), session.Row(i),
			duration[i], id.Row(i), cursor{at[i], id.Row(i)}.String())
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

func (q *question) auditTrail(resourceID, before string, limit int) (statement, error) {
	b := newBinder(q.scope)
	src := rollupSources[metric.SourceActivity]
	more := q.conditions(b, q.timed(src.dimensions, rawSeconds))
	if resourceID != "" {
		more += " AND resource_id = " + b.bind(resourceID, "String")
	}
	if before != "" {
		c, err := parseCursor(before)
		if err != nil {
			return statement{}, err
		}
		at := b.millis(c.time)
		more += fmt.Sprintf(" AND time <= %s AND (time < %s OR id < %s)", at, at, b.bind(c.id, "String"))
	}
	return statement{params: b.params, sql: fmt.Sprintf(`SELECT toUnixTimestamp64Milli(time) AS at, user_id, action, resource, resource_id, session_id, duration_ms, id
FROM %s AS r
WHERE 1%s
ORDER BY time DESC, id DESC
LIMIT %d
SETTINGS do_not_merge_across_partitions_select_final = 1`,
		src.raw(b, "tenant = {tenant:String} AND "+within("time", []span{q.period()}, b.millis)), more, limit+1)}, nil
}
