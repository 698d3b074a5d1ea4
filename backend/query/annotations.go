package query

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// KindAnnotations are moments that explain what graphs show.
const KindAnnotations Kind = "annotations"

const (
	versionChanges  = "version_changes"
	incidents       = "incidents"
	budgetCrossings = "budget_crossings"
	lateData        = "late_data"

	mostAnnotations = 1000
	// mostChangedDays is how many days are looked at more closely for when a version began.
	mostChangedDays = 100
)

var annotationsParams = []ParamInfo{
	{Name: "of", Description: "First runs of a workflow's versions, times in which many executions failed, moments at which a budget's thresholds or amount were reached, or times whose figures changed late.", Default: versionChanges, Allowed: []string{versionChanges, incidents, budgetCrossings, lateData}, Example: incidents},
	{Name: "failure_rate", Description: "Incidents are where at least this share of executions failed, 0 to 1.", Default: "0.2", Example: "0.05"},
	{Name: "min_executions", Description: "A bucket of time with fewer executions than this is no incident.", Default: "10", Example: "50"},
	{Name: "budget", Description: "budget_crossings of one budget, by its id; of all that the caller may see without it.", Example: "research-monthly"},
	{Name: "late_after", Description: "late_data is what changed more than so many minutes after the quarter of an hour that it is in.", Default: "60", Example: "1440"},
}

var annotationsFields = []FieldInfo{
	{"time", "", "When it happened or began, to the bucket of time."},
	{"end", "", "When it ended; none is a moment."},
	{"title", "", "What it is."},
	{"text", "", "What there is to say about it."},
	{"tags", "", "version, incident, budget or late."},
	{"workflow", "", "Of which workflow, where it is of one."},
}

var annotationsShape = shape{
	KindInfo: KindInfo{
		Kind: KindAnnotations, Title: "Annotations",
		Description: "Moments that explain what graphs show. version_changes: when a workflow ended for the first time under a version, of those that ended under another in the period before that or the day before the period; to a quarter of an hour. incidents: buckets of time in which many executions failed, those next to each other as one; by granularity, else by what the period is cut into well. budget_crossings: the hour (budgets of days and weeks) or day (longer ones) in which what was spent reached a threshold or the amount. late_data: quarters of an hour whose figures changed long after they were over, because events came late, were corrected or priced again, those next to each other as one; for those alone who see all of the tenant. Neither of these takes filters, granularity or asOf. The newest first; limit is 100 by default, 1000 at most.",
		Uses:        []string{"granularity", "filters", "limit", "asOf"},
		Params:      annotationsParams,
		Fields:      annotationsFields,
		Grouped:     true,
	},
	answer: (*Engine).annotations,
	// Titles and texts name these.
	groups: func(r *Request) []string {
		if paramOf(annotationsParams, r, "of") == versionChanges {
			return []string{metric.Workflow, metric.Version}
		}
		return nil
	},
}

// annotation is a moment, or a while where it has an end.
type annotation struct {
	at, end                     time.Time
	title, text, tags, workflow string
}

func (e *Engine) annotations(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	limit := cmp.Or(r.Limit, 100)
	if limit < 0 || limit > mostAnnotations {
		return nil, requestError("limit", strconv.Itoa(r.Limit), "must be 1 to "+strconv.Itoa(mostAnnotations), "100")
	}
	var found []annotation
	var meta Meta
	var err error
	switch of := paramOf(annotationsParams, &r, "of"); of {
	case incidents:
		found, meta, err = e.incidents(ctx, p, r)
	case budgetCrossings, lateData:
		if err := ofAllOnly(of, &r); err != nil {
			return nil, err
		}
		if of == lateData {
			found, meta, err = e.lateData(ctx, p, r)
		} else {
			found, meta, err = e.budgetCrossings(ctx, p, r)
		}
	default:
		found, meta, err = e.versionChanges(ctx, p, r)
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b annotation) int {
		return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.title, b.title))
	})
	meta.Truncated = meta.Truncated || len(found) > limit
	out := newFields(annotationsFields, time.Time{}, (*time.Time)(nil), "", "", "", "")
	for _, a := range found[:min(limit, len(found))] {
		var end *time.Time
		if !a.end.IsZero() {
			end = &a.end
		}
		out.add(a.at, end, a.title, a.text, a.tags, a.workflow)
	}
	res := out.result()
	res.Meta = meta
	return res, nil
}

// ofAllOnly refuses what would silently be left out of consideration.
func ofAllOnly(of string, r *Request) error {
	var given string
	switch {
	case len(r.Filters) > 0:
		given = "filters"
	case r.Granularity != Whole:
		given = "granularity"
	case !r.AsOf.IsZero():
		given = "asOf"
	default:
		return nil
	}
	return requestError(given, "", "is not for "+of+": leave it out", "")
}

// versionChanges finds the days on which versions begin, and of these days the quarters
// of an hour.
func (e *Engine) versionChanges(ctx context.Context, p access.Principal, r Request) ([]annotation, Meta, error) {
	if r.Granularity != Whole {
		return nil, Meta{}, requestError("granularity", string(r.Granularity), "is of incidents: versions begin to a quarter of an hour", "")
	}
	days := Request{
		Metrics: []string{"executions"}, GroupBy: []string{metric.Workflow, metric.Version}, Granularity: Day,
		From: r.From.AddDate(0, 0, -1), To: r.To, TimeZone: r.TimeZone, Filters: r.Filters,
	}
	if days.From.Before(earliest) {
		days.From = earliest
	}
	res, err := e.figures(ctx, p, days)
	if err != nil {
		return nil, Meta{}, err
	}
	meta := res.Meta
	meta.From, meta.Granularity = r.From.In(meta.From.Location()), Whole
	began := firstSeen(res)
	changed := map[time.Time][]string{} // workflows by the day
	for of, day := range began {
		if earlier(began, of) != "" && !slices.Contains(changed[day], of.workflow) {
			changed[day] = append(changed[day], of.workflow)
		}
	}
	if len(changed) > mostChangedDays {
		return nil, Meta{}, requestError("from", r.From.Format(time.RFC3339), "versions began on "+strconv.Itoa(len(changed))+" days, more than "+strconv.Itoa(mostChangedDays)+": take a shorter period, or filter by workflow", "")
	}
	var out []annotation
	for day, workflows := range changed {
		slices.Sort(workflows)
		fine := days
		fine.Granularity = Quarter
		fine.From, fine.To = day, day.AddDate(0, 0, 1)
		fine.Filters = append(slices.Clone(r.Filters), Filter{Dimension: metric.Workflow, Operator: In, Values: workflows})
		res, err := e.figures(ctx, p, fine)
		if err != nil {
			return nil, Meta{}, err
		}
		meta.RowsRead, meta.SQL = meta.RowsRead+res.Meta.RowsRead, append(meta.SQL, res.Meta.SQL...)
		first := maps.Clone(began) // to the quarter of an hour, of those that began on this day
		for of, at := range firstSeen(res) {
			if began[of].Equal(day) {
				first[of] = at
			}
		}
		for of, at := range first {
			before := earlier(first, of)
			if !began[of].Equal(day) || before == "" || at.Before(r.From) || !at.Before(r.To) {
				continue
			}
			out = append(out, annotation{
				at: at, tags: "version", workflow: of.workflow,
				title: of.workflow + ": version " + of.version, text: "First run of version " + of.version + "; before it, version " + before + " ran.",
			})
		}
	}
	return out, meta, nil
}

type versionOf struct{ workflow, version string }

// firstSeen returns the first bucket in which each version of a workflow has executions.
func firstSeen(res *Result) map[versionOf]time.Time {
	out := map[versionOf]time.Time{}
	for row := range res.Frame.Rows() { // in order of time
		of := versionOf{res.Frame.Fields[1].At(row).(string), res.Frame.Fields[2].At(row).(string)}
		if _, ok := out[of]; !ok && valueAt(res.Frame.Fields[3], row) > 0 && of.version != "0" {
			out[of] = res.Frame.Fields[0].At(row).(time.Time)
		}
	}
	return out
}

// earlier returns the version of the same workflow that began last before another; none
// is empty. Of two that began in the same bucket, that with the lower number was first.
func earlier(began map[versionOf]time.Time, of versionOf) (version string) {
	order := func(a, b versionOf) int {
		return cmp.Or(began[a].Compare(began[b]), cmp.Compare(len(a.version), len(b.version)), cmp.Compare(a.version, b.version))
	}
	for other := range began {
		if other.workflow == of.workflow && order(other, of) < 0 && (version == "" || order(other, versionOf{of.workflow, version}) > 0) {
			version = other.version
		}
	}
	return version
}

func (e *Engine) incidents(ctx context.Context, p access.Principal, r Request) ([]annotation, Meta, error) {
	text := paramOf(annotationsParams, &r, "failure_rate")
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || !(share > 0 && share <= 1) {
		return nil, Meta{}, requestError("params.failure_rate", text, "must be above 0 and at most 1", "0.2")
	}
	least, err := wholeParam(annotationsParams, &r, "min_executions", 1, math.MaxInt32)
	if err != nil {
		return nil, Meta{}, err
	}
	granularity := r.Granularity
	if granularity == Whole {
		granularity = incidentBuckets(r.To.Sub(r.From))
	}
	res, err := e.figures(ctx, p, Request{
		Metrics: []string{"executions", "executions_failed"}, Granularity: granularity, From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: r.Filters,
	})
	if err != nil {
		return nil, Meta{}, err
	}
	cal := newCalendar(granularity, res.Meta.From.Location(), res.Meta.From.Unix(), res.Meta.To.Unix())
	var out []annotation
	var ran, failed float64
	for row := range res.Frame.Rows() {
		at := res.Frame.Fields[0].At(row).(time.Time)
		n, bad := valueAt(res.Frame.Fields[1], row), valueAt(res.Frame.Fields[2], row)
		if n < float64(least) || bad < share*n {
			continue
		}
		end := time.Unix(cal.end(cal.label(at.Unix())), 0).In(at.Location())
		if len(out) == 0 || !out[len(out)-1].end.Equal(at) {
			out, ran, failed = append(out, annotation{at: at, tags: "incident", title: "Executions fail"}), 0, 0
		}
		ran, failed = ran+n, failed+bad
		last := &out[len(out)-1]
		last.end, last.text = end, fmt.Sprintf("%.0f of %.0f executions failed, %.0f %%.", failed, ran, 100*failed/ran)
	}
	return out, res.Meta, nil
}

// incidentBuckets are as fine as a graph of the period shows.
func incidentBuckets(period time.Duration) Granularity {
	switch {
	case period <= 12*time.Hour:
		return Minute
	case period <= 4*24*time.Hour:
		return Quarter
	case period <= 60*24*time.Hour:
		return Hour
	}
	return Day
}
