package query

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// KindEngagement is how much users use the platform.
const KindEngagement Kind = "engagement"

// The score's formula is public: docs/activity.md and the kind's description say it.
// A part is 0 to 1 and depends on nothing but the user's own actions, so that a score
// is the same whoever asks and whoever else is there. Weights sum to 100.
const (
	frequencyWeight = 30
	recencyWeight   = 25
	intensityWeight = 15
	timeWeight      = 15
	breadthWeight   = 15

	recencyHalves  = 7 * 24 * time.Hour // after so long without an action recency is half
	halfIntensity  = 10                 // actions a day at which intensity is half
	halfActiveTime = 30 * time.Minute   // a day, at which time is half
	halfBreadth    = 5                  // different actions at which breadth is half
)

var engagementFields = []FieldInfo{
	{"user", "", "The user."},
	{"score", "short", "0 to 100: 30 frequency + 25 recency + 15 intensity + 15 time + 15 breadth."},
	{"frequency", "percentunit", "Days with an action, by the days of the period until now."},
	{"recency", "percentunit", "Halves with every seven days since the last action, until the end of the period or now."},
	{"intensity", "percentunit", "a / (a + 10), with a actions on a day with any."},
	{"time", "percentunit", "m / (m + 30), with m minutes of active time on a day with actions."},
	{"breadth", "percentunit", "n / (n + 5), with n different actions."},
	{"active_days", "short", "Days with an action, in the time zone."},
	{"actions", "short", "Actions."},
	{"distinct_actions", "short", "Different actions: features used."},
	{"sessions", "short", "Sessions that started in the period."},
	{"active_time", "ms", "Active time of these sessions."},
	{"last_active", "", "Time of the last action in the period."},
}

var engagementShape = shape{
	KindInfo: KindInfo{
		Kind: KindEngagement, Title: "Engagement",
		Description: "How much each user uses the platform: a score of 0 to 100 and its parts, highest first, up to 93 days. A score is of the user's own actions alone and can be compared between users, teams and periods of equal length. ascending puts the lowest first. limit is 100 by default, 1000 at most.",
		Uses:        []string{"filters", "limit", "ascending", "asOf"},
		Params:      []ParamInfo{},
		Fields:      engagementFields,
	},
	answer: (*Engine).engagement,
}

// engaged is what the score of a user is made of.
type engaged struct {
	user                                                 string
	days, actions, distinct, sessions, activeMS, lastMS  int64
	frequency, recency, intensity, time, breadth, scored float64
}

// score computes the parts, for a period of so many days until a moment.
func (u *engaged) score(days int64, until time.Time) {
	perDay := func(n int64) float64 { return float64(n) / float64(max(u.days, 1)) }
	half := func(v, at float64) float64 { return v / (v + at) }
	u.frequency = float64(u.days) / float64(max(days, u.days))
	u.recency = math.Exp2(-float64(max(0, until.UnixMilli()-u.lastMS)) / float64(recencyHalves.Milliseconds()))
	u.intensity = half(perDay(u.actions), halfIntensity)
	u.time = half(perDay(u.activeMS), float64(halfActiveTime.Milliseconds()))
	u.breadth = half(float64(u.distinct), halfBreadth)
	u.scored = frequencyWeight*u.frequency + recencyWeight*u.recency + intensityWeight*u.intensity + timeWeight*u.time + breadthWeight*u.breadth
}

func (e *Engine) engagement(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit, err := listed(r.Limit)
	if err != nil {
		return nil, err
	}
	// Both, so that a filter is one that sessions have too.
	q, err := e.checkRaw(p, r, "actions", "sessions")
	if err != nil {
		return nil, err
	}
	sessions, err := e.figures(ctx, p, Request{
		Metrics: []string{"sessions", "active_time"}, From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: r.Filters, GroupBy: []string{metric.User},
	})
	if err != nil {
		return nil, err
	}
	users, st, rowsRead, err := e.engagedUsers(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(users) > e.limits.Rows {
		return nil, tooManyRows(e.limits.Rows)
	}
	at := map[string]int{}
	for i := range users {
		at[users[i].user] = i
	}
	for row := range sessions.Frame.Rows() {
		if i, ok := at[sessions.Frame.Fields[0].At(row).(string)]; ok {
			users[i].sessions, users[i].activeMS = whole(sessions, 1, row), whole(sessions, 2, row)
		}
	}
	until := q.to
	if q.now.Before(until) {
		until = q.now
	}
	counted := newCalendar(Day, q.loc, q.from.Unix(), max(until.Unix(), q.from.Unix()+1))
	days := int64(len(counted.labels()))
	for i := range users {
		users[i].score(days, until)
	}
	slices.SortFunc(users, func(a, b engaged) int {
		c := cmp.Compare(b.scored, a.scored)
		if r.Ascending {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.user, b.user))
	})
	out := newFields(engagementFields, "", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, int64(0), int64(0), int64(0), int64(0), int64(0), time.Time{})
	for _, u := range users[:min(limit, len(users))] {
		out.add(u.user, u.scored, u.frequency, u.recency, u.intensity, u.time, u.breadth, u.days, u.actions, u.distinct, u.sessions, u.activeMS,
			time.UnixMilli(u.lastMS).In(q.loc))
	}
	res := out.result()
	res.Meta = q.listMeta(st, rowsRead+sessions.Meta.RowsRead, len(users) > limit)
	res.Meta.SQL = append(slices.Clone(sessions.Meta.SQL), st.sql)
	return res, nil
}

// whole reads a count from a frame of figures.
func whole(r *Result, field, row int) int64 {
	if v := r.Frame.Fields[field].At(row).(*float64); v != nil {
		return int64(*v)
	}
	return 0
}

func (e *Engine) engagedUsers(ctx context.Context, q *question) (users []engaged, st statement, rowsRead uint64, err error) {
	b := newBinder(q.scope)
	src := rollupSources[metric.SourceActivity]
	st = statement{params: b.params, sql: fmt.Sprintf(`SELECT user_id, toInt64(uniqExact(%s)) AS days, toInt64(count()) AS n, toInt64(uniqExact(action)) AS kinds, max(toUnixTimestamp64Milli(time)) AS latest
FROM %s AS r
WHERE user_id != ''%s
GROUP BY user_id
ORDER BY user_id
LIMIT %d
SETTINGS do_not_merge_across_partitions_select_final = 1`,
		q.days().sql(rawSeconds), src.raw(b, "tenant = {tenant:String} AND "+within("time", []span{q.period()}, b.millis)),
		q.conditions(b, q.timed(src.dimensions, rawSeconds)), e.limits.Rows+1)}
	var user proto.ColStr
	var days, n, kinds, latest proto.ColInt64
	rowsRead, err = e.scan(ctx, "engagement", st, proto.Results{
		{Name: "user_id", Data: &user}, {Name: "days", Data: &days}, {Name: "n", Data: &n}, {Name: "kinds", Data: &kinds}, {Name: "latest", Data: &latest},
	}, func(i int) error {
		users = append(users, engaged{user: user.Row(i), days: days[i], actions: n[i], distinct: kinds[i], lastMS: latest[i]})
		return nil
	})
	return users, st, rowsRead, err
}
