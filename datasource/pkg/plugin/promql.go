package plugin

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	common "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/flowgauge/flowgauge/backend/access"
	fgpromql "github.com/flowgauge/flowgauge/backend/promql"
	"github.com/flowgauge/flowgauge/backend/query"
)

// kindPromQL is a query in Prometheus' language. It is the plugin's own: the engine of
// the other kinds knows nothing of it.
const kindPromQL query.Kind = "promql"

var promqlKind = Kind{
	KindInfo: query.KindInfo{
		Kind: kindPromQL, Title: "PromQL",
		Description: "A query in Prometheus' language, over counters, gauges and native histograms of the same figures. $__interval, $__rate_interval and $__range stand for the step, for a window that always has enough samples, and for the period.",
		Uses:        []string{}, Params: []query.ParamInfo{}, Fields: []query.FieldInfo{},
	},
	Formats: []string{formatTimeSeries, formatTable, formatHeatmap},
}

// grafanaUsers is who asks the HTTP interface that editors complete queries by.
type grafanaUsers struct{ d *Datasource }

func (g grafanaUsers) Authenticate(r *http.Request) (access.Principal, error) {
	return g.d.principal(r.Context(), backend.PluginConfigFromContext(r.Context()))
}

func (d *Datasource) newPromQL(engine *query.Engine, s Settings) (*fgpromql.API, error) {
	return fgpromql.New(fgpromql.Config{
		Store: engine, Recorder: engine, Authenticator: grafanaUsers{d},
		Limits: fgpromql.Limits{Timeout: s.timeout(), Queries: s.MaxConns, Points: mostSamples, Samples: 5_000_000, Series: 10_000},
	})
}

// mostSamples is how many points a series may have.
const mostSamples = 11_000

func (d *Datasource) evaluate(ctx context.Context, who access.Principal, q backend.DataQuery, m model) (data.Frames, error) {
	ask, err := m.promqlQuery(q)
	if err != nil {
		return nil, err
	}
	value, warnings, err := d.promql.Evaluate(ctx, who, ask)
	if err != nil {
		return nil, err
	}
	frames, err := promqlFrames(value, m)
	if err != nil {
		return nil, err
	}
	meta := frames[0].Meta
	meta.ExecutedQueryString = ask.Text
	if ask.Step > 0 {
		meta.ExecutedQueryString += "\n\nstep: " + ask.Step.String()
	}
	said, infos := warnings.AsStrings(ask.Text, shownNotices, 0)
	for _, text := range append(said, infos...) {
		meta.Notices = append(meta.Notices, data.Notice{Severity: data.NoticeSeverityWarning, Text: text})
	}
	return frames, nil
}

// shownNotices is how many warnings a panel has.
const shownNotices = 5

// sampleEvery is how far samples are apart: no step is shorter.
const sampleEvery = time.Minute

// promqlQuery is the query of the model's text: over the period, or at its end as a table.
func (m *model) promqlQuery(q backend.DataQuery) (fgpromql.Query, error) {
	text := strings.TrimSpace(m.Expr)
	if text == "" {
		return fgpromql.Query{}, &query.RequestError{Param: "expr", Message: "there is no query", Example: "sum(rate(flowgauge_executions_total[$__rate_interval]))"}
	}
	if len(m.Filters) > 0 {
		return fgpromql.Query{}, &query.RequestError{Param: "filters", Message: "a query in PromQL has its own, and a dashboard's ad-hoc filters do not reach it: put variables into its matchers", Example: `flowgauge_executions_total{workflow=~"$workflow"}`}
	}
	step := stepOf(q)
	out := fgpromql.Query{Text: expand(text, step, q.TimeRange.Duration()), From: q.TimeRange.From.UTC().Truncate(step), To: q.TimeRange.To.UTC()}
	if m.Format != formatTable {
		out.Step = step
	}
	return out, nil
}

// stepOf is the panel's interval in whole minutes, so long that a series has no more
// points than a graph can show.
func stepOf(q backend.DataQuery) time.Duration {
	step := max(q.Interval, q.TimeRange.Duration()/mostPoints, sampleEvery)
	if rest := step % sampleEvery; rest > 0 {
		step += sampleEvery - rest
	}
	return step
}

// interval matches Grafana's variables of a query's resolution, which alert rules have
// too. The longer names come first.
var interval = regexp.MustCompile(`\$(__rate_interval|__interval_ms|__interval|__range_ms|__range_s|__range)\b|\$\{(__rate_interval|__interval_ms|__interval|__range_ms|__range_s|__range)\}`)

// expand replaces them. A window for rate has at least four samples, as Grafana's own
// datasource of Prometheus sees to.
func expand(text string, step, period time.Duration) string {
	period = max(period.Round(time.Second), time.Second)
	values := map[string]string{
		"__interval": seconds(step), "__interval_ms": strconv.FormatInt(step.Milliseconds(), 10),
		"__rate_interval": seconds(max(step+sampleEvery, 4*sampleEvery)),
		"__range":         seconds(period), "__range_s": strconv.FormatInt(int64(period.Seconds()), 10), "__range_ms": strconv.FormatInt(period.Milliseconds(), 10),
	}
	return interval.ReplaceAllStringFunc(text, func(found string) string { return values[strings.Trim(found, "${}")] })
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d.Seconds()), 10) + "s" }

// promqlFrames shapes a value.
func promqlFrames(value parser.Value, m model) (data.Frames, error) {
	var frames data.Frames
	switch v := value.(type) {
	case promql.Matrix:
		if m.Format == formatHeatmap {
			return promqlHeatmap(v)
		}
		for i := range v {
			if len(v[i].Histograms) > 0 {
				return nil, &query.RequestError{Param: "format", Value: m.Format, Message: "the query gives histograms: draw them as a heatmap, or take a percentile of them with histogram_quantile", Allowed: []string{formatHeatmap}}
			}
			frames = append(frames, samplesFrame(v[i].Metric, v[i].Floats, m))
		}
	case promql.Vector:
		return data.Frames{vectorTable(v)}, nil
	case promql.Scalar:
		return data.Frames{vectorTable(promql.Vector{{T: v.T, F: v.V}})}, nil
	default:
		return nil, &query.RequestError{Param: "expr", Message: fmt.Sprintf("it gives a %s, and a panel shows numbers", value.Type())}
	}
	if len(frames) == 0 {
		frames = data.Frames{data.NewFrame("")}
	}
	for _, f := range frames {
		shape(f, data.FrameTypeTimeSeriesMulti, data.VisTypeGraph)
	}
	return frames, nil
}

func samplesFrame(metric labels.Labels, points []promql.FPoint, m model) *data.Frame {
	times, values := make([]time.Time, len(points)), make([]float64, len(points))
	for i, p := range points {
		times[i], values[i] = time.UnixMilli(p.T).UTC(), p.F
	}
	field := data.NewField("Value", labelsWithoutName(metric), values)
	field.Config = &data.FieldConfig{DisplayNameFromDS: legend(metric, m.Alias)}
	return data.NewFrame("", data.NewField("Time", nil, times), field)
}

func labelsWithoutName(metric labels.Labels) data.Labels {
	out := data.Labels{}
	metric.Range(func(l labels.Label) {
		if l.Name != common.MetricNameLabel {
			out[l.Name] = l.Value
		}
	})
	return out
}

// legend is what a series is called: by the alias, else as Prometheus writes it.
func legend(metric labels.Labels, alias string) string {
	if alias == "" {
		return metric.String()
	}
	return placeholder.ReplaceAllStringFunc(alias, func(found string) string {
		return metric.Get(placeholder.FindStringSubmatch(found)[1])
	})
}

// vectorTable has a column for each label and one for the value.
func vectorTable(v promql.Vector) *data.Frame {
	var names []string
	for _, s := range v {
		s.Metric.Range(func(l labels.Label) {
			if l.Name != common.MetricNameLabel && !slices.Contains(names, l.Name) {
				names = append(names, l.Name)
			}
		})
	}
	slices.Sort(names)
	f := data.NewFrame("")
	for _, name := range names {
		column := make([]string, len(v))
		for i, s := range v {
			column[i] = s.Metric.Get(name)
		}
		f.Fields = append(f.Fields, data.NewField(name, nil, column))
	}
	values := make([]*float64, len(v))
	for i, s := range v {
		if s.H == nil && !math.IsNaN(s.F) {
			values[i] = &s.F
		}
	}
	f.Fields = append(f.Fields, data.NewField("Value", nil, values))
	shape(f, data.FrameTypeNumericLong, data.VisTypeTable)
	return f
}

// promqlHeatmap has the buckets of one series of histograms.
func promqlHeatmap(v promql.Matrix) (data.Frames, error) {
	if len(v) > 1 {
		return nil, &query.RequestError{Param: "expr", Message: fmt.Sprintf("it gives %d series, and a heatmap shows one: add them up", len(v)), Example: "sum(rate(flowgauge_execution_duration_seconds[$__rate_interval]))"}
	}
	var times []time.Time
	var from, to, counts []float64
	for _, s := range v {
		if len(s.Floats) > 0 {
			return nil, &query.RequestError{Param: "format", Value: formatHeatmap, Message: "the query gives numbers, and a heatmap shows histograms", Allowed: []string{formatTimeSeries, formatTable}}
		}
		for _, p := range s.Histograms {
			for it := p.H.AllBucketIterator(); it.Next(); {
				if b := it.At(); b.Count > 0 {
					times = append(times, time.UnixMilli(p.T).UTC())
					from, to, counts = append(from, max(b.Lower*1000, belowMillisecond)), append(to, max(b.Upper*1000, 1)), append(counts, b.Count)
				}
			}
		}
	}
	return data.Frames{heatmapOf(times, from, to, counts)}, nil
}
