package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/live"
	"github.com/flowgauge/flowgauge/backend/query"
)

// Live is what GET /live needs.
type Live struct {
	Hub   *live.Hub // nil: not here
	Scope LiveScope

	// How many streams there may be; 0 is 1000, and 20 for each key.
	Streams, StreamsPerKey int
	// Again is how often a stream asks anew who reads it and what they may see; 0 is 10 s.
	Again time.Duration
	// Heartbeat is after how long a comment comes when nothing else did; 0 is 15 s.
	Heartbeat time.Duration
}

// LiveScope says what callers see of live counters, and keeps the record of it;
// query.Engine does.
type LiveScope interface {
	LiveScope(ctx context.Context, p access.Principal, r query.Request) (query.LiveScope, error)
	RecordLive(ctx context.Context, p access.Principal, r query.Request, rows int, err error) error
}

func (l *Live) defaults() {
	for _, n := range []struct {
		set *int
		def int
	}{{&l.Streams, 1000}, {&l.StreamsPerKey, 20}} {
		if *n.set == 0 {
			*n.set = n.def
		}
	}
	if l.Again == 0 {
		l.Again = 10 * time.Second
	}
	if l.Heartbeat == 0 {
		l.Heartbeat = 15 * time.Second
	}
}

// liveQuestion is what is asked of live counters.
type liveQuestion struct {
	window, interval time.Duration
	byWorkflow       bool
	workflows        []string
	limit            int
	params           map[string]string // for the record
}

// asked reads checked parameters.
func askedLive(params spec.GetLiveParams, stream bool) (liveQuestion, error) {
	q := liveQuestion{window: time.Minute, interval: 2 * time.Second, limit: 20, params: map[string]string{}}
	for _, d := range []struct {
		name  string
		given *string
		into  *time.Duration
	}{{"window", params.Window, &q.window}, {"interval", params.Interval, &q.interval}} {
		if d.given != nil {
			var err error
			if *d.into, err = time.ParseDuration(*d.given); err != nil {
				return q, invalid(d.name, *d.given, "must be a time", "5s")
			}
		}
	}
	q.params["window"] = q.window.String()
	if stream {
		q.params["interval"] = q.interval.String()
	}
	q.byWorkflow = params.GroupBy != nil
	if params.Limit != nil {
		q.limit = *params.Limit
	}
	if params.Workflow != nil {
		q.workflows = *params.Workflow
	}
	return q, nil
}

// request is the question as scopes and records know it.
func (q *liveQuestion) request(at time.Time) query.Request {
	r := query.Request{From: at.Add(-q.window), To: at, Params: q.params}
	for _, f := range live.Figures() {
		r.Metrics = append(r.Metrics, f.String())
	}
	if q.byWorkflow {
		r.GroupBy = []string{"workflow"}
	}
	if len(q.workflows) > 0 {
		r.Filters = []query.Filter{{Dimension: "workflow", Operator: query.In, Values: q.workflows}}
	}
	return r
}

// view is the question within a scope.
func (q *liveQuestion) view(s *query.LiveScope) (live.View, error) {
	if s.Minimum > 1 && q.window != time.Minute {
		return live.View{}, invalid("window", q.window.String(), "where figures about few users are withheld, live counters are of one whole minute", "1m", "1m")
	}
	return live.View{
		Tenant: s.Tenant, All: s.All, Users: s.Users, Minimum: s.Minimum,
		Workflows: q.workflows, ByWorkflow: q.byWorkflow, Limit: q.limit, Span: q.window,
	}, nil
}

// The states of live counters.
const (
	stateOK       = "ok"
	stateDegraded = "degraded"
)

// liveAnswer is a snapshot as JSON has it.
type liveAnswer struct {
	From          time.Time         `json:"from"`
	To            time.Time         `json:"to"`
	State         string            `json:"state"`
	Reasons       []string          `json:"reasons,omitempty"`
	CountingSince *time.Time        `json:"countingSince,omitempty"`
	Withheld      bool              `json:"withheld,omitempty"`
	Counters      map[string]uint64 `json:"counters,omitempty"`
	Workflows     []liveWorkflow    `json:"workflows,omitempty"`
	Truncated     bool              `json:"truncated,omitempty"`
}

type liveWorkflow struct {
	Workflow string            `json:"workflow"`
	Counters map[string]uint64 `json:"counters"`
}

func liveAnswerOf(s *live.Snapshot, scope *query.LiveScope) *liveAnswer {
	a := &liveAnswer{From: s.From, To: s.To, State: stateOK, Reasons: s.Reasons, Withheld: s.Withheld, Truncated: s.Truncated}
	if len(s.Reasons) > 0 {
		a.State = stateDegraded
	}
	if !s.Since.IsZero() {
		a.CountingSince = &s.Since
	}
	if !s.Withheld {
		a.Counters = shown(&s.Counts, scope)
	}
	for _, g := range s.Groups {
		a.Workflows = append(a.Workflows, liveWorkflow{g.Workflow, shown(&g.Counts, scope)})
	}
	return a
}

// shown leaves out what the caller does not see: what is redacted, and what is of nobody
// where the caller does not see all.
func shown(c *live.Counts, scope *query.LiveScope) map[string]uint64 {
	out := make(map[string]uint64, len(c))
	for _, f := range live.Figures() {
		if !scope.Hides(f.String()) && (scope.All || f != live.Rejected) {
			out[f.String()] = c[f]
		}
	}
	return out
}

// away is the answer while Redis is.
func (q *liveQuestion) away(now time.Time) *liveAnswer {
	return &liveAnswer{From: now.Add(-q.window), To: now, State: stateDegraded, Reasons: []string{live.ReasonAway}}
}

// wantsStream reports whether a caller prefers a stream to JSON.
func wantsStream(c *gin.Context) (stream bool, err error) {
	accept := strings.Join(c.Request.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return false, nil
	}
	json, events := wanted(accept, "application/json"), wanted(accept, mediaEvents)
	if json == 0 && events == 0 {
		p := Refused(406, "not-acceptable", "live counters come as JSON or as server-sent events")
		p.Param, p.Value, p.Example, p.Allowed = "Accept", accept, mediaEvents, []string{"application/json", mediaEvents}
		return false, p
	}
	return events > json || events == json && slices.Contains(splitMedia(accept), mediaEvents) && !slices.Contains(splitMedia(accept), "application/json"), nil
}

func splitMedia(accept string) []string {
	parts := strings.Split(accept, ",")
	for i := range parts {
		parts[i], _, _ = strings.Cut(strings.TrimSpace(parts[i]), ";")
	}
	return parts
}
