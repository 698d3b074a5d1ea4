package dashboards

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

func eachTarget(t *testing.T, test func(t *testing.T, d *Dashboard, p *Panel, q *Target)) {
	t.Helper()
	eachPanel(t, func(t *testing.T, d *Dashboard, p *Panel) {
		var refs []string
		for _, q := range p.Targets {
			require.NotEmpty(t, q.RefID)
			require.NotContains(t, refs, q.RefID)
			refs = append(refs, q.RefID)
			test(t, d, p, &q)
		}
	})
}

func TestTargetsSpeakTheModel(t *testing.T) {
	granularities := []string{"auto", "none", "minute", "15m", "hour", "day", "week", "month"}
	comparisons := []string{"", "previous_period", "previous_day", "previous_week", "previous_month", "previous_year"}
	eachTarget(t, func(t *testing.T, _ *Dashboard, p *Panel, q *Target) {
		requireDatasource(t, q.Datasource)
		require.Equal(t, 2, q.Version)
		for _, f := range q.Filters {
			require.Contains(t, []string{"in", "not_in"}, f.Operator)
			require.NotEmpty(t, f.Values)
		}
		require.NotNil(t, q.Limit, "say how many: the default may change")
		if k := kinds[q.QueryType]; q.QueryType != "metrics" {
			require.NotEmpty(t, k.format, "the kind %s: teach this test what it is of", q.QueryType)
			require.Equal(t, k.format, q.Format)
			requireKind(t, q)
			return
		}
		require.Contains(t, granularities, q.Granularity)
		require.Contains(t, comparisons, q.Compare)
		whole := q.Granularity == "none"
		require.Equal(t, whole, q.Format == "table", "%s: a whole period is a table, a series has a granularity", p.Title)
		if p.Type == "timeseries" {
			require.False(t, whole)
		}
		if q.OrderBy != "" {
			require.Contains(t, q.Metrics, q.OrderBy)
		}
	})
}

// kinds are those in use beside metrics: the shape that panels take them in, and whose
// dimensions their filters have. Whose is nobody's has no filters.
var kinds = map[string]struct{ format, of string }{
	"errors":      {"table", "executions_failed"},
	"bottlenecks": {"table", "executions"},
	"forecast":    {"timeseries", ""}, // what it forecasts
	"budgets":     {"table", ""},
}

// requireKind checks what a target asks of a kind by what the engine says of it.
func requireKind(t *testing.T, q *Target) {
	t.Helper()
	all := query.Kinds()
	at := slices.IndexFunc(all, func(k query.KindInfo) bool { return string(k.Kind) == q.QueryType })
	require.GreaterOrEqual(t, at, 0)
	k := all[at]
	uses := func(member string) bool { return slices.Contains(k.Uses, member) }
	require.True(t, len(q.Filters) == 0 || uses("filters"))
	require.Equal(t, uses("limit"), *q.Limit > 0, "0 where there is no limit")
	require.True(t, q.Granularity == "" || uses("granularity"))
	for name := range q.Params {
		require.True(t, slices.ContainsFunc(k.Params, func(p query.ParamInfo) bool { return p.Name == name }), "%s has no parameter %s", k.Title, name)
	}
	for _, name := range q.Fields {
		require.True(t, slices.ContainsFunc(k.Fields, func(f query.FieldInfo) bool { return f.Name == name }), "%s has no column %s", k.Title, name)
	}
}

// A graph shows its panel's period only: a forecast is of what is to come.
func TestForecastsAreSeen(t *testing.T) {
	eachTarget(t, func(t *testing.T, _ *Dashboard, p *Panel, q *Target) {
		if q.QueryType != "forecast" {
			return
		}
		m := regexp.MustCompile(`^\+(\d+)d$`).FindStringSubmatch(p.TimeFrom)
		require.NotNil(t, m, "the panel's period begins now")
		days, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		horizon, err := strconv.Atoi(q.Params["horizon"])
		require.NoError(t, err)
		require.Equal(t, "day", q.Granularity)
		require.Equal(t, days+1, horizon, "today is not over, and is the first of them")
		require.NotEmpty(t, q.Params["history"], "there is none in a period that begins now")
	})
}

func TestAnnotations(t *testing.T) {
	all, err := Load()
	require.NoError(t, err)
	some := false
	for _, d := range all {
		for _, a := range d.Annotations.List {
			some = true
			requireDatasource(t, a.Datasource)
			require.NotEmpty(t, a.Name)
			require.Equal(t, "annotations", a.Target.QueryType)
			require.Equal(t, "annotations", a.Target.Format)
			require.Equal(t, 2, a.Target.Version)
			for _, f := range a.Target.Filters {
				require.True(t, slices.ContainsFunc(d.Variables(), func(v Variable) bool { return f.Values[0] == "${"+v.Name+"}" }), "%s: %v", d.UID, f.Values)
			}
		}
	}
	require.True(t, some)
}

func TestTargetsAskWhatTheCatalogueHas(t *testing.T) {
	eachTarget(t, func(t *testing.T, _ *Dashboard, _ *Panel, q *Target) {
		if q.QueryType == "metrics" {
			require.NotEmpty(t, q.Metrics)
		}
		for _, m := range metricsOf(t, q) {
			for _, name := range dimensionsOf(q) {
				_, known := metric.LookupDimension(name)
				require.True(t, known, "there is no dimension %s", name)
				require.True(t, m.HasDimension(name), "%s has no dimension %s", m.Name, name)
			}
			if m.Gauge && slices.Contains(m.Sources, metric.SourcePending) {
				require.Equal(t, "none", q.Granularity, "%s has no history", m.Name)
			}
		}
	})
}

// metricsOf returns the metrics whose figures or dimensions a target has.
func metricsOf(t *testing.T, q *Target) []*metric.Metric {
	t.Helper()
	names := q.Metrics
	if q.QueryType == "forecast" {
		names = []string{q.Params["metric"]}
	} else if of := kinds[q.QueryType].of; of != "" {
		names = []string{of}
	}
	out := make([]*metric.Metric, len(names))
	for i, name := range names {
		m, known := metric.Lookup(name)
		require.True(t, known, "there is no metric %s", name)
		out[i] = m
	}
	return out
}

func dimensionsOf(q *Target) []string {
	names := slices.Clone(q.GroupBy)
	for _, f := range q.Filters {
		names = append(names, f.Dimension)
	}
	return names
}

// A reader who sets a variable takes every figure on the page to follow it. One
// that cannot must say so.
func TestPanelsFollowTheVariables(t *testing.T) {
	eachTarget(t, func(t *testing.T, d *Dashboard, p *Panel, q *Target) {
		for _, v := range d.Variables() {
			dimension := v.Dimension()
			if dimension == "" {
				continue
			}
			filtered := slices.ContainsFunc(q.Filters, func(f Filter) bool {
				return f.Dimension == dimension && slices.Equal(f.Values, []string{"${" + v.Name + "}"})
			})
			if filtered {
				continue
			}
			lacking := q.QueryType == "budgets" || slices.ContainsFunc(metricsOf(t, q), func(m *metric.Metric) bool { return !m.HasDimension(dimension) })
			require.True(t, lacking, "%s could be filtered by %s", p.Title, v.Name)
			require.Regexp(t, `(?i)`+v.Label+`.* filters? do(es)? not apply`, p.Description, "%s does not follow %s and does not say so", p.Title, v.Name)
		}
	})
}

// Overrides, transformations and sorting go by the names that the plugin gives
// columns and series, which are the catalogue's titles. A title that changes
// would take colours and units along silently.
func TestFieldNamesExist(t *testing.T) {
	eachPanel(t, func(t *testing.T, _ *Dashboard, p *Panel) {
		names := fieldNames(t, p)
		for _, tr := range p.Transformations {
			requireTransformation(t, tr, &names)
		}
		for _, o := range p.FieldConfig.Overrides {
			pattern, ok := o.Matcher.Options.(string)
			require.True(t, ok)
			switch o.Matcher.ID {
			case "byName":
				require.Contains(t, names, pattern)
			case "byRegexp":
				re := regexp.MustCompile(strings.Trim(pattern, "/"))
				require.True(t, slices.ContainsFunc(names, re.MatchString), "%s matches none of %v", pattern, names)
			default:
				t.Fatalf("matcher %s", o.Matcher.ID)
			}
		}
		var options struct {
			XField string `json:"xField"`
			SortBy []struct {
				DisplayName string `json:"displayName"`
			} `json:"sortBy"`
		}
		require.NoError(t, json.Unmarshal(p.Options, &options))
		for _, s := range options.SortBy {
			require.Contains(t, names, s.DisplayName)
		}
		if p.Type == "barchart" {
			require.Contains(t, names, options.XField)
		}
	})
}

// requireTransformation checks the two transformations in use and follows what
// they do to the names.
func requireTransformation(t *testing.T, tr Transformation, names *[]string) {
	t.Helper()
	switch tr.ID {
	case "calculateField":
		var o struct {
			Alias  string `json:"alias"`
			Mode   string `json:"mode"`
			Binary struct{ Left, Operator, Right string }
		}
		require.NoError(t, json.Unmarshal(tr.Options, &o))
		require.Equal(t, "binary", o.Mode)
		require.Contains(t, []string{"+", "-", "*", "/"}, o.Binary.Operator)
		for _, operand := range []string{o.Binary.Left, o.Binary.Right} {
			if _, err := strconv.ParseFloat(operand, 64); err != nil {
				require.Contains(t, *names, operand)
			}
		}
		require.NotEmpty(t, o.Alias)
		*names = append(*names, o.Alias)
	case "filterFieldsByName":
		var o struct {
			Exclude struct{ Names []string }
		}
		require.NoError(t, json.Unmarshal(tr.Options, &o))
		for _, name := range o.Exclude.Names {
			require.Contains(t, *names, name)
		}
		*names = slices.DeleteFunc(*names, func(n string) bool { return slices.Contains(o.Exclude.Names, n) })
	default:
		t.Fatalf("transformation %s: the console does not know it", tr.ID)
	}
}

// fieldNames returns what the plugin calls the fields of a panel's frames;
// names of series by group are their values and not known here.
func fieldNames(t *testing.T, p *Panel) []string {
	t.Helper()
	var names []string
	for _, q := range p.Targets {
		if q.QueryType != "metrics" {
			names = append(names, kindNames(t, &q)...)
			continue
		}
		if q.Format == "table" {
			for _, name := range q.GroupBy {
				d, _ := metric.LookupDimension(name)
				names = append(names, d.Title)
			}
		}
		if q.Format == "timeseries" && (len(q.GroupBy) > 0 || q.Alias != "") {
			names = append(names, q.Alias)
			continue
		}
		for _, m := range metricsOf(t, &q) {
			names = append(names, m.Title)
			if q.Compare != "" {
				names = append(names, fmt.Sprintf("%s (%s)", m.Title, strings.ReplaceAll(q.Compare, "_", " ")))
			}
		}
	}
	return names
}

// kindNames are those of a kind's columns, which the engine makes of their names, and the plugin
// of the series that it draws.
func kindNames(t *testing.T, q *Target) []string {
	t.Helper()
	if q.QueryType == "errors" {
		return []string{"Error type", "Message", "Sample", "Fingerprint", "Failures", "Share", "First seen", "Last seen", "Workflows", "Users"}
	}
	if q.QueryType == "forecast" {
		return []string{metricsOf(t, q)[0].Title, "Forecast", "80 % interval, from", "80 % interval", "95 % interval, from", "95 % interval"}
	}
	var names []string
	for _, k := range query.Kinds() {
		for _, f := range k.Fields {
			if string(k.Kind) == q.QueryType && (len(q.Fields) == 0 || slices.Contains(q.Fields, f.Name)) {
				words := strings.ReplaceAll(strings.TrimSuffix(f.Name, "_ms"), "_", " ")
				names = append(names, strings.ToUpper(words[:1])+words[1:])
			}
		}
	}
	return names
}

// A sum of the buckets' percentiles or rates would be a figure that nothing has.
func TestOnlyAdditiveFiguresAreSummed(t *testing.T) {
	eachPanel(t, func(t *testing.T, _ *Dashboard, p *Panel) {
		var o struct {
			ReduceOptions struct {
				Calcs  []string `json:"calcs"`
				Values bool     `json:"values"`
			} `json:"reduceOptions"`
			Legend struct {
				Calcs []string `json:"calcs"`
			} `json:"legend"`
		}
		require.NoError(t, json.Unmarshal(p.Options, &o))
		calcs := append(o.ReduceOptions.Calcs, o.Legend.Calcs...)
		require.NotContains(t, calcs, "mean", "%s: a mean of buckets weighs empty ones like full ones", p.Title)
		for _, q := range p.Targets {
			if q.Format == "table" {
				continue // one row: what it is reduced to is itself
			}
			for _, m := range metricsOf(t, &q) {
				if slices.Contains(calcs, "sum") {
					require.True(t, m.Additive, "%s sums %s", p.Title, m.Name)
				}
				if p.Type == "stat" || p.Type == "piechart" {
					require.True(t, m.Additive || m.Gauge, "%s reduces %s", p.Title, m.Name)
				}
			}
		}
	})
}
