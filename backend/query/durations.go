package query

import (
	"context"
	"strconv"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
)

// KindDurations is how durations are distributed, over time.
const KindDurations Kind = "durations"

// distributed are what there are histograms of, by a metric that is computed from one.
var distributed = map[string]string{
	"duration": "duration_p50", "queue_time": "queue_time_p50", "step_duration": "step_duration_p50", "step_queue_time": "step_queue_time_p50",
}

// finest is how many buckets there are between a duration and its double.
const finest = 16

var durationsParams = []ParamInfo{
	{Name: "of", Description: "What lasts: executions, or steps, or how long either was in the queue.", Default: "duration", Allowed: []string{"duration", "queue_time", "step_duration", "step_queue_time"}, Example: "step_duration"},
	{Name: "resolution", Description: "How many buckets there are between a duration and its double.", Default: "4", Allowed: []string{"1", "2", "4", "8", "16"}, Example: "16"},
}

var durationsFields = []FieldInfo{
	{"time", "", "Start of the time bucket; the period's, where no granularity was asked for."},
	{"end", "", "End of the time bucket."},
	{"from_ms", "ms", "Lower bound of the durations, which are longer than this; 0 with to_ms 0 is those that took less than a millisecond."},
	{"to_ms", "ms", "Upper bound of the durations, which are not longer than this."},
	{"count", "short", "How many lasted so long. Buckets without any are left out."},
}

var durationsShape = shape{
	KindInfo: KindInfo{
		Kind: KindDurations, Title: "Distribution of durations",
		Description: "How many executions or steps lasted how long, by time bucket: a heatmap, or a histogram without granularity. The buckets of durations are exponential and their bounds are exact, so none is counted in the wrong one.",
		Uses:        []string{"granularity", "filters", "asOf"},
		Params:      durationsParams,
		Fields:      durationsFields,
	},
	answer: (*Engine).durations,
}

func (e *Engine) durations(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	resolution, err := wholeParam(durationsParams, &r, "resolution", 1, finest)
	if err != nil {
		return nil, err
	}
	of := distributed[paramOf(durationsParams, &r, "of")]
	q, err := e.check(p, Request{Metrics: []string{of}, From: r.From, To: r.To, TimeZone: r.TimeZone, Filters: r.Filters, Granularity: r.Granularity})
	if err != nil {
		return nil, err
	}
	w, err := e.begin(ctx, q)
	if err != nil {
		return nil, err
	}
	a, err := w.all(ctx, q, q.sources)
	if err != nil {
		return nil, err
	}
	out := newFields(durationsFields, time.Time{}, time.Time{}, 0.0, 0.0, int64(0))
	reader := a.reader(q.formulas[0])
	cal := q.calendar()
	for _, row := range a.ranked() {
		in, at, ok := reader.cells(row)
		if !ok {
			continue
		}
		start, end := q.from, q.to
		if a.labelled() {
			start, end = time.Unix(cal.start(a.labels[row]), 0), time.Unix(cal.end(a.labels[row]), 0)
		}
		for _, b := range in[0].hists[at].merged(finest / resolution) {
			out.add(start.In(q.loc), end.In(q.loc), b.from, b.to, int64(b.count))
		}
		if len(out.rows) > e.limits.Rows {
			return nil, requestError("granularity", string(r.Granularity), "the answer has more than "+strconv.Itoa(e.limits.Rows)+" rows: take a coarser granularity, a lower resolution or a shorter period", string(Day))
		}
	}
	res := out.result()
	res.Meta = w.meta(q, false)
	return res, nil
}

// durationBucket counts durations of more than from and up to to, in milliseconds.
type durationBucket struct {
	from, to float64
	count    uint64
}

// merged makes one bucket of so many neighbours, a power of two, as Prometheus' native
// histograms do: bucket i of a schema lies in bucket ceil(i / n) of one with n times
// fewer.
func (h durationHistogram) merged(n int) []durationBucket {
	var out []durationBucket
	last := event.ZeroBucket
	for i, b := range h.buckets {
		if h.counts[i] == 0 {
			continue
		}
		if b == event.ZeroBucket {
			out = append(out, durationBucket{count: h.counts[i]})
			continue
		}
		upper := int16(ceilDiv(int(b), n) * n)
		if len(out) > 0 && last == upper {
			out[len(out)-1].count += h.counts[i]
			continue
		}
		last = upper
		from, _ := event.BucketBounds(upper - int16(n) + 1)
		_, to := event.BucketBounds(upper)
		out = append(out, durationBucket{from * 1000, to * 1000, h.counts[i]})
	}
	return out
}

func ceilDiv(a, n int) int {
	q := a / n
	if a%n > 0 {
		q++
	}
	return q
}
