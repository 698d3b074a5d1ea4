package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// TotalsRequest asks how the running totals of additive metrics stand at moments: a
// total at T counts everything from the Horizon's beginning up to T, T excluded. It
// is what a counter shows to somebody who reads it at T.
type TotalsRequest struct {
	Metrics   []string // additive, all of one source; or executions_running alone
	Histogram bool     // the histogram of the durations too
	GroupBy   []string
	Filters   []Filter
	Only      [][]string // groups, by their values of each dimension of GroupBy; nil is all
	Horizon   Horizon
	// At are the moments in Unix seconds, in order, multiples of the Horizon's
	// resolution and within it. None asks which groups there are.
	At []int64
	// Most bounds the memory of the answer, see Totals.Size; 0 is maxTotalsRows.
	Most int
}

// Horizon is the time in which totals are known, in Unix seconds.
type Horizon struct {
	First, Last int64
	Resolution  int64 // in seconds, what First, Last and all moments are multiples of
}

// Totals answers a TotalsRequest: a group for each combination of dimensions that
// occurs within the Horizon, in their order, whenever it does.
type Totals struct {
	Groups  []TotalsGroup
	Notices []string
	// Size is what the answer takes: 1 for each figure of a change, and for each bucket of
	// a histogram's change.
	Size int
}

// TotalsGroup says where the totals of a group change.
type TotalsGroup struct {
	Dimensions []string // values of GroupBy
	// Steps are indices of TotalsRequest.At, in order: the first moment that a change
	// counts at. len(At) is a change after the last moment.
	Steps []int32
	// Sums are, for each metric, the totals from each step on: sums of exact values,
	// each turned into the nearest float64 once.
	Sums       [][]float64
	Histograms []DurationCounts // what each step adds
}

// DurationCounts counts durations by bucket (event.BucketBounds), buckets in order.
type DurationCounts struct {
	Buckets []int16
	Counts  []uint64
}

// Resolution is how finely totals are known. Rollups with users, which a question by
// user or of somebody who sees certain users' rows only is answered from, have
// quarters of an hour.
func Resolution(p access.Principal, metrics []string, byUser bool) time.Duration {
	if slices.Contains(metrics, runningMetric) || p.Role == access.RoleAdmin && !byUser {
		return time.Minute
	}
	return 15 * time.Minute
}

// runningMetric is the one state that has totals: starts less ends.
const runningMetric = "executions_running"

// Horizon returns the time of a tenant's totals: from the UTC day of the earliest
// event of any kind to now, in whole minutes. ok says that there is one.
func (e *Engine) Horizon(ctx context.Context, p access.Principal) (h Horizon, ok bool, err error) {
	s, err := scopeOf(p)
	if err != nil {
		return h, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	first, err := e.epochs.read(ctx, s.tenant)
	if err != nil {
		return h, false, err
	}
	changes, err := e.pending.read(ctx, s.tenant)
	if err != nil {
		return h, false, err
	}
	for _, minutes := range changes.pending {
		if len(minutes) > 0 {
			first = min(first, floorTo(minutes[0], secondsPerDay))
		}
	}
	h = Horizon{First: first, Last: floorTo(e.now().Unix(), 60), Resolution: 60}
	return h, h.First <= h.Last, nil
}

// Coarser returns the horizon at another resolution; the first moment is a UTC day's.
func (h Horizon) Coarser(resolution time.Duration) Horizon {
	h.Resolution = int64(resolution / time.Second)
	h.Last = floorTo(h.Last, h.Resolution)
	return h
}

// Totals answers a question about running totals within what the principal may see.
func (e *Engine) Totals(ctx context.Context, p access.Principal, r TotalsRequest) (*Totals, error) {
	out, err := e.guardedTotals(ctx, p, r)
	if ctx.Value(recordedKey{}) != nil {
		return out, err
	}
	record := AuditRecord{Kind: auditTotals, Metrics: r.Metrics, GroupBy: r.GroupBy, Filters: r.Filters, From: time.Unix(r.Horizon.First, 0), To: time.Unix(r.Horizon.Last, 0)}
	if out != nil {
		record.Rows = len(out.Groups)
	}
	if err := e.audit(ctx, p, record, nil, err); err != nil {
		return nil, err
	}
	return out, err
}

// guardedTotals answers with what the caller's policy keeps back left out. Steps of
// totals show when each event came, so groups of a least size are not enough there.
func (e *Engine) guardedTotals(ctx context.Context, p access.Principal, r TotalsRequest) (*Totals, error) {
	ctx, cancel := context.WithTimeout(ctx, e.limits.Timeout)
	defer cancel()
	g, err := e.guard(ctx, p)
	if err != nil {
		return nil, err
	}
	if g.Minimum > 1 {
		return nil, &AccessError{Message: "running totals show single events, and the role " + string(p.Role) + " sees groups of several users only"}
	}
	if r.Filters, err = g.admit(ctx, r.Horizon.First*1000, r.Horizon.Last*1000, r.GroupBy, r.Filters); err != nil {
		return nil, err
	}
	shown := shownTeams(r.Filters)
	if r.Filters, err = e.byMembers(ctx, p.Tenant, r.Filters); err != nil {
		return nil, err
	}
	out, err := e.totalsOf(ctx, p, r, shown)
	if err != nil || len(g.PseudonymKey) == 0 {
		return out, err
	}
	if at := slices.Index(r.GroupBy, metric.User); at >= 0 {
		for i := range out.Groups {
			out.Groups[i].Dimensions[at] = e.pseudonyms.of(p.Tenant, g.PseudonymKey, out.Groups[i].Dimensions[at])
		}
	}
	return out, nil
}

func (e *Engine) totalsOf(ctx context.Context, p access.Principal, r TotalsRequest, shown []string) (*Totals, error) {
	q, err := e.checkTotals(p, r)
	if err != nil {
		return nil, err
	}
	if err := e.readTeams(ctx, q, shown); err != nil {
		return nil, err
	}
	most := maxTotalsRows
	if r.Most > 0 {
		most = min(most, r.Most)
	}
	if q.dense(r.At) {
		return e.denseTotals(ctx, q, r, most)
	}
	w, err := e.begin(ctx, q)
	if err != nil {
		return nil, err
	}
	b := newBinder(q.scope)
	from, levels := w.totals(q, b, r.At)
	t, _, err := e.read(ctx, q.stepped(b, from, levels, r.At, most))
	if errors.Is(err, errTooLarge) {
		return nil, tooManyTotals(most)
	}
	if err != nil {
		return nil, err
	}
	return &Totals{Groups: q.totalsGroups(t, r), Notices: w.notices(false, q), Size: t.size}, nil
}

// maxTotalsRows bounds the memory of an answer.
const maxTotalsRows = 20_000_000

func tooManyTotals(most int) error {
	return requestError("groupBy", "", fmt.Sprintf("the groups' totals change in more than %d figures: take a shorter period, fewer moments or fewer groups", most), "")
}

// checkTotals checks a request as one of kind metrics, over the horizon.
func (e *Engine) checkTotals(p access.Principal, r TotalsRequest) (*question, error) {
	now := e.now()
	q, err := e.check(p, Request{Metrics: r.Metrics, GroupBy: r.GroupBy, Filters: r.Filters, From: now.Add(-time.Hour), To: now})
	if err != nil {
		return nil, err
	}
	for _, m := range q.metrics {
		if !m.Additive && m.Name != runningMetric || len(q.sources) > 1 {
			return nil, requestError("metrics", m.Name, "totals are of additive metrics of one source", "executions_completed")
		}
	}
	source := q.sources[0]
	if _, rolled := rollupSources[source]; !rolled && source != metric.SourceRunning || q.byDetail(source) {
		return nil, requestError("metrics", r.Metrics[0], "there are no totals of it: it is not rolled up", "executions_completed")
	}
	if r.Histogram {
		if _, ok := aggregatesOf(source)["histogram"]; !ok {
			return nil, requestError("histogram", r.Metrics[0], "its source has no durations", "executions_completed")
		}
		q.formulas = append(q.formulas, formula{needs: refs(source, "histogram")})
	}
	h := r.Horizon
	byUser := q.byUser(source)
	if h.Resolution < 60 || h.Resolution%60 != 0 || byUser && h.Resolution%Quarter.width() != 0 || h.First%secondsPerDay != 0 || h.Last%h.Resolution != 0 {
		return nil, errors.New("query: a horizon that Engine.Horizon does not give, or too fine for questions by user")
	}
	for i, at := range r.At {
		if at%h.Resolution != 0 || at < h.First || at > h.Last || i > 0 && at <= r.At[i-1] {
			return nil, fmt.Errorf("query: moment %d of the totals is out of order, outside of the horizon or no multiple of its resolution", at)
		}
	}
	q.from, q.to = time.Unix(h.First, 0).UTC(), time.Unix(h.Last, 0).UTC()
	q.granularity = Minute // rows have a time
	if r.Only != nil {
		q.groups = &groups{dims: r.GroupBy, values: r.Only}
	}
	return q, nil
}
