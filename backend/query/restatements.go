package query

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// KindRestatements tells how figures have changed since an earlier moment, and why.
const KindRestatements Kind = "restatements"

var restatementsParams = []ParamInfo{
	{Name: "since", Description: "The earlier moment, as RFC 3339 or a date in the time zone asked for: when a bill was sent, say.", Required: true, Example: "2026-04-02T00:00:00Z"},
	{Name: "show", Description: "Rows in which something has changed, or all.", Default: "changes", Allowed: []string{"changes", "all"}, Example: "all"},
}

// cause is why an event counts otherwise than it did.
type cause struct{ name, description string }

var causes = []cause{
	{"added", "Events that came since: late ones, and those that were sent for the first time."},
	{"corrected", "Events that were sent again with other fields."},
	{"repriced", "Costs that got another price from the price book."},
	{"reattributed", "Steps of which nothing but workflow, version or user is another, as that of their execution."},
	{"moved", "Events that were moved to another time, here or away from here."},
	{"removed", "Events that no longer count."},
}

var restatementsShape = shape{
	KindInfo: KindInfo{
		Kind: KindRestatements, Title: "Restatements",
		Description: "What has changed in the figures of a period since an earlier moment (since), up to asOf or now, and why. For each metric there are three fields, METRIC_then, METRIC and METRIC_difference, and then how many events changed: events_added, events_corrected, events_repriced, events_reattributed, events_moved, events_removed. An event that went from one group to another is counted in both; one that was sent again without a change in none. Without granularity the row with the largest difference of the first metric comes first, and limit cuts the rest off.",
		Uses:        []string{"metrics", "granularity", "groupBy", "filters", "limit", "asOf"},
		Params:      restatementsParams, Fields: []FieldInfo{},
	},
	answer: (*Engine).restatements,
}

func (e *Engine) restatements(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	before, after, err := e.between(ctx, &r)
	if err != nil {
		return nil, err
	}
	ask := Request{Metrics: r.Metrics, From: r.From, To: r.To, TimeZone: r.TimeZone, Granularity: r.Granularity, GroupBy: r.GroupBy, Filters: r.Filters}
	now, err := after.restated(ctx, p, ask)
	if err != nil {
		return nil, err
	}
	then, err := before.restated(ctx, p, ask)
	if err != nil {
		return nil, err
	}
	if err := now.checkRestatements(r, e.limits); err != nil {
		return nil, err
	}
	w := &run{e: after, levels: map[string]bool{}}
	var answers [2]*answer
	changes := make([]*table, len(now.sources))
	group, gctx := errgroup.WithContext(ctx)
	for i, q := range []*question{then, now} {
		group.Go(func() (err error) {
			answers[i], err = w.all(gctx, q, q.sources)
			return err
		})
	}
	for i, s := range now.sources {
		group.Go(func() (err error) {
			changes[i], err = w.statement(gctx, now.changesBetween(then, s, ordering{limit: e.limits.Rows + 1}))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	rows := newRestated(now, answers[0], answers[1], changes)
	if len(rows.pairs) > e.limits.Rows {
		return nil, tooManyRows(e.limits.Rows)
	}
	if paramOf(restatementsParams, &r, "show") == "changes" {
		rows.keepChanged()
	}
	truncated := rows.order(r.Limit)
	res := rows.result()
	res.Meta = w.meta(now, truncated)
	res.Meta.Sources = []string{historyLabel}
	if r.AsOf.IsZero() { // Else whoever asked for it says so.
		res.Meta.AsOf = time.UnixMicro(after.asOf).UTC()
	}
	return res, nil
}

// between returns engines at the two moments.
func (e *Engine) between(ctx context.Context, r *Request) (before, after *Engine, err error) {
	loc, err := location(r.TimeZone)
	if err != nil {
		return nil, nil, err
	}
	text := paramOf(restatementsParams, r, "since")
	since, err := time.Parse(time.RFC3339, text)
	if err != nil {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return nil, nil, requestError("params.since", text, "must be a time as RFC 3339 or a date", restatementsParams[0].Example)
		}
		since = DayStart(day.Year(), day.Month(), day.Day(), loc)
	}
	if after = e; e.asOf == 0 {
		if after, err = e.at(ctx, e.now()); err != nil {
			return nil, nil, err
		}
	}
	if since.UnixMicro() >= after.asOf {
		return nil, nil, requestError("params.since", text, "must be earlier than asOf, which is now where it is not given", restatementsParams[0].Example)
	}
	before, err = e.at(ctx, since)
	return before, after, err
}

// restated is the question at an engine's moment.
func (e *Engine) restated(ctx context.Context, p access.Principal, ask Request) (*question, error) {
	q, err := e.check(p, ask)
	if err != nil {
		return nil, err
	}
	return q, e.readTeams(ctx, q, nil)
}

// checkRestatements wants what single events can be told of.
func (q *question) checkRestatements(r Request, limits Limits) error {
	for _, m := range q.metrics {
		if slices.ContainsFunc(m.Sources, func(s metric.Source) bool { _, rolled := rollupSources[s]; return !rolled }) {
			return requestError("metrics", m.Name, "changes are told of metrics of executions, steps, costs and actions", "dollars")
		}
	}
	if slices.Contains(q.dims, metric.Team) {
		return requestError("groupBy", metric.Team, "who is in which team is known of now alone: group by user", metric.User)
	}
	switch {
	case r.Limit < 0 || r.Limit > limits.Rows:
		return requestError("limit", "", "is out of range: 0 is no limit", "10")
	case r.Limit > 0 && q.granularity != Whole:
		return requestError("limit", "", "rows by time are in the order of time: ask without limit, or without granularity", "")
	}
	return nil
}
