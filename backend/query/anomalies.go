package query

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// KindAnomalies is what is unusual in a metric.
const KindAnomalies Kind = "anomalies"

// The share of usual buckets that may be called unusual.
const (
	leastFalseAlarms = 0.00001
	mostFalseAlarms  = 0.2
)

var anomaliesParams = []ParamInfo{
	{Name: "metric", Description: "The metric of the catalogue that is judged.", Default: "executions_failed", Example: "duration_p95"},
	{Name: "detector", Description: "Who judges: builtin is Flowgauge itself, another a plugin.", Default: Builtin, Example: Builtin},
	{Name: "false_alarms", Description: "The share of usual buckets that may be called unusual, 0.00001 to 0.2: the smaller, the fewer anomalies.", Default: "0.001", Example: "0.01"},
}

var anomaliesFields = []FieldInfo{
	{"time", "", "The bucket's start."},
	{"value", "", "What was."},
	{"expected", "", "What would have been expected; none where the detector does not say, or too little is known."},
	{"lower", "", "With the upper bound, what would have been usual."},
	{"upper", "", "With the lower bound, what would have been usual."},
	{"anomaly", "", "The value, where it is unusual."},
	{"score", "", "How unusual: 1 is just so, and more is more."},
	{"reason", "", "Why it is unusual."},
}

var anomaliesShape = shape{
	KindInfo: KindInfo{
		Kind: KindAnomalies, Title: "Anomalies",
		Description: "What is unusual in a metric, by hour or another granularity, after its own pattern and level before. What it is judged by is read from before the period as well. A bucket that is not over, or not wholly in the period, is not judged; else a bucket without data is 0 where the metric is a sum.",
		Uses:        []string{"granularity", "filters"},
		Params:      anomaliesParams,
		Fields:      anomaliesFields,
		Grouped:     true,
	},
	answer: (*Engine).anomalies,
}

// AnomaliesMeta says what judgements rest on.
type AnomaliesMeta struct {
	Metric      string  `json:"metric"`
	Detector    string  `json:"detector"` // who was asked: builtin, or the id of a plugin
	Method      string  `json:"method"`
	FalseAlarms float64 `json:"falseAlarms"`
	History     int     `json:"history"` // buckets before the period that there was data to learn from
	Judged      int     `json:"judged"`  // buckets of the period
	Found       int     `json:"found"`   // of them, those that are unusual
}

// lookback is how many buckets before a period are learned from: eight cycles of the pattern
// that is likely and more, as far as there are.
var lookback = map[Granularity]int{Minute: 720, Quarter: 4032, Hour: 1344, Day: 182, Week: 260, Month: 84}

func (e *Engine) anomalies(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	share, err := falseAlarms(&r)
	if err != nil {
		return nil, err
	}
	by := cmp.Or(paramOf(anomaliesParams, &r, "detector"), Builtin)
	detector, err := e.detectors.named(ctx, "params.detector", by)
	if err != nil {
		return nil, err
	}
	name := paramOf(anomaliesParams, &r, "metric")
	m, ok := metric.Lookup(name)
	if !ok {
		return nil, requestError("params.metric", name, "no such metric", "executions_failed", metric.Names()...)
	}
	ask := r
	ask.Kind, ask.Params, ask.Metrics = KindMetrics, nil, []string{name}
	if ask.Granularity == Whole {
		ask.Granularity = Hour
	}
	q, err := e.check(p, ask)
	if err != nil {
		return nil, err
	}
	h, err := q.judged(e.limits)
	if err != nil {
		return nil, err
	}
	h.withheld = minimumOf(ctx) > 1
	ask.From, ask.To = h.at(h.past[0]), h.at(h.next)
	figures, err := e.figures(ctx, p, ask)
	if err != nil {
		return nil, err
	}
	h.fill(figures, m)
	req := &contractv1.DetectRequest{Series: h.series(m), From: uint32(h.before(q.from)), FalseAlarms: share}
	for _, season := range forecastSeasons[ask.Granularity] {
		req.Seasons = append(req.Seasons, uint32(season))
	}
	found := &contractv1.DetectResponse{}
	if int(req.GetFrom()) < len(h.values) {
		if found, err = detector.Detect(ctx, req); err != nil {
			return nil, fmt.Errorf("anomalies of %s: %w", name, e.detectors.refused(ctx, "params.detector", by, err))
		}
	}
	res, unusual := h.anomalies(m, int(req.GetFrom()), found)
	res.Meta = figures.Meta
	res.Meta.From, res.Meta.To = q.from.In(q.loc), q.to.In(q.loc)
	res.Meta.Anomalies = &AnomaliesMeta{
		Metric: name, Detector: by, Method: found.GetMethod(), FalseAlarms: share,
		History: int(req.GetFrom()), Judged: len(h.values) - int(req.GetFrom()), Found: unusual,
	}
	if by == Builtin && len(found.GetAnomalies()) == 0 {
		res.Meta.Notices = append(res.Meta.Notices, "there is too little data before the period to tell what is usual: nothing was judged")
	}
	return res, nil
}

func falseAlarms(r *Request) (float64, error) {
	text := paramOf(anomaliesParams, r, "false_alarms")
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || !(leastFalseAlarms <= share && share <= mostFalseAlarms) {
		return 0, requestError("params.false_alarms", text, fmt.Sprintf("must be a share from %v to %v", leastFalseAlarms, mostFalseAlarms), "0.001")
	}
	return share, nil
}

// judged are the buckets of a question that can be judged, and those before them to learn
// from, as far back as may be asked.
func (q *question) judged(limits Limits) (*pastSeries, error) {
	room := MaxSeries - lookback[q.granularity]
	if q.calendar().points() > int64(room) {
		return nil, requestError("granularity", string(q.granularity), "at most "+strconv.Itoa(room)+" buckets can be judged at once: take a coarser granularity or a shorter period", "hour", granularities...)
	}
	if len(q.history(0, 0, limits).past) == 0 {
		return nil, requestError("to", q.to.Format(time.RFC3339), "the period has no whole "+string(q.granularity)+" that is over: begin earlier", "")
	}
	whole := *q
	whole.from = q.from.AddDate(0, 0, -int(math.Ceil(float64(lookback[q.granularity])*days[q.granularity])))
	for _, at := range []time.Time{q.to.Add(-q.longest(limits)), earliest} {
		if whole.from.Before(at) {
			whole.from = at
		}
	}
	if whole.from.After(q.from) {
		whole.from = q.from
	}
	return whole.history(0, 0, limits), nil
}

// days is about how many days a bucket has.
var days = map[Granularity]float64{Minute: 1.0 / 1440, Quarter: 1.0 / 96, Hour: 1.0 / 24, Day: 1, Week: 7, Month: 30.5}

// longest is how long a period of the question may be.
func (q *question) longest(limits Limits) time.Duration {
	longest := limits.Period
	if slices.ContainsFunc(q.sources, q.byDetail) {
		longest = min(longest, limits.RawMetadata)
	}
	if slices.ContainsFunc(q.metrics, readsReceived) {
		longest = min(longest, limits.RawReceived)
	}
	if q.granularity == Minute && slices.ContainsFunc(q.sources, q.byUser) {
		longest = min(longest, limits.RawUser)
	}
	return longest
}

// before is how many buckets begin before a moment.
func (h *pastSeries) before(from time.Time) int {
	at, _ := slices.BinarySearchFunc(h.past, from, func(label int64, from time.Time) int { return h.at(label).Compare(from) })
	return at
}

// anomalies has a row for each bucket from one on, and how many of them are unusual.
func (h *pastSeries) anomalies(m *metric.Metric, from int, found *contractv1.DetectResponse) (*Result, int) {
	none, unusual := (*float64)(nil), 0
	out := newFields(anomaliesFields, time.Time{}, none, none, none, none, none, none, "")
	for _, f := range []string{"value", "expected", "lower", "upper", "anomaly"} {
		out.unit(f, m.Unit)
	}
	judgements := found.GetAnomalies()
	for i := from; i < len(h.values); i++ {
		value, expected, lower, upper, anomaly, score, reason := &h.values[i], none, none, none, none, none, ""
		if math.IsNaN(*value) {
			value = none
		}
		if len(judgements) > 0 && int(judgements[0].GetIndex()) == i {
			j := judgements[0]
			judgements = judgements[1:]
			expected, lower, upper, score = &j.Expected, &j.Lower, &j.Upper, &j.Score
			if j.GetScore() >= 1 {
				anomaly, reason = value, j.GetReason()
				unusual++
			}
		}
		out.add(h.at(h.past[i]), value, expected, lower, upper, anomaly, score, reason)
	}
	res := out.result()
	if m.Exact {
		res.Exact["value"] = h.exact[from:]
	}
	return res, unusual
}
