package dashboards

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/metric"
)

const (
	pluginID   = "flowgauge-analytics-datasource"
	datasource = "${datasource}"
)

var uids = []string{
	"flowgauge-activity", "flowgauge-collector", "flowgauge-costs", "flowgauge-overview",
	"flowgauge-platform", "flowgauge-steps", "flowgauge-workflow",
}

func load(t *testing.T) []Dashboard {
	t.Helper()
	all, err := Load()
	require.NoError(t, err)
	return all
}

// each runs a subtest for every dashboard.
func each(t *testing.T, test func(t *testing.T, d *Dashboard)) {
	t.Helper()
	for _, d := range load(t) {
		t.Run(d.File, func(t *testing.T) { test(t, &d) })
	}
}

// eachPanel runs a subtest for every panel that shows something.
func eachPanel(t *testing.T, test func(t *testing.T, d *Dashboard, p *Panel)) {
	t.Helper()
	each(t, func(t *testing.T, d *Dashboard) {
		for _, p := range d.AllPanels() {
			t.Run(p.Title, func(t *testing.T) { test(t, d, &p) })
		}
	})
}

func TestDashboardsAreKnownByTheirUIDs(t *testing.T) {
	var got, titles []string
	for _, d := range load(t) {
		got = append(got, d.UID)
		require.NotContains(t, titles, d.Title)
		titles = append(titles, d.Title)
	}
	slices.Sort(got)
	require.Equal(t, uids, got, "links and bookmarks hold them: do not change one")
}

func TestDashboardHead(t *testing.T) {
	live := []string{"flowgauge-overview", "flowgauge-platform", "flowgauge-collector"}
	each(t, func(t *testing.T, d *Dashboard) {
		require.Equal(t, []string{"flowgauge"}, d.Tags)
		require.Equal(t, 38, d.SchemaVersion, "Grafana 10.1's; later ones migrate it, earlier ones refuse a later one")
		require.Equal(t, "browser", d.TimeZone)
		require.NotEmpty(t, d.Description)
		require.Regexp(t, `^now-\d+[hd]$`, d.Time.From)
		require.Equal(t, "now", d.Time.To)
		if slices.Contains(live, d.UID) {
			require.Equal(t, "30s", d.Refresh)
		} else {
			require.Empty(t, d.Refresh)
		}
		require.Len(t, d.Links, 1)
		require.Equal(t, "dashboards", d.Links[0].Type)
		require.Equal(t, d.Tags, d.Links[0].Tags)
		require.True(t, d.Links[0].AsDropdown && d.Links[0].KeepTime)
		require.NotContains(t, string(d.JSON), `"id": null`)
		require.NotContains(t, string(d.JSON), "__inputs", "exported for sharing: it names a datasource to be asked for")
	})
}

func TestVariables(t *testing.T) {
	each(t, func(t *testing.T, d *Dashboard) {
		vars := d.Variables()
		require.NotEmpty(t, vars)
		require.Equal(t, "datasource", vars[0].Name)
		require.Equal(t, "datasource", vars[0].Type)
		require.JSONEq(t, `"`+pluginID+`"`, string(vars[0].Query))
		var names []string
		for _, v := range vars {
			require.NotEmpty(t, v.Label)
			require.NotContains(t, names, v.Name)
			names = append(names, v.Name)
			if v.Name == "datasource" {
				continue
			}
			requireDatasource(t, v.Datasource)
			_, known := metric.LookupDimension(v.Dimension())
			require.True(t, known, "variable %s lists %q", v.Name, v.Dimension())
			require.Equal(t, v.Multi, v.IncludeAll, "%s: several and All go together", v.Name)
			require.Equal(t, v.Multi, v.Sort != 0, "%s: a list to look things up in is sorted; one without All opens on its first value, the most frequent", v.Name)
		}
	})
}

// reference finds $name, ${name} and ${name:format}.
var reference = regexp.MustCompile(`\$\{(\w+)(?:[.:][^}]*)?\}|\$(\w+)`)

func TestVariablesAreDefined(t *testing.T) {
	each(t, func(t *testing.T, d *Dashboard) {
		for _, m := range reference.FindAllStringSubmatch(string(d.JSON), -1) {
			name := m[1] + m[2]
			if strings.HasPrefix(name, "__") {
				continue
			}
			require.True(t, slices.ContainsFunc(d.Variables(), func(v Variable) bool { return v.Name == name }), "%s is not a variable here", m[0])
		}
	})
}

func TestPanelsDoNotOverlap(t *testing.T) {
	each(t, func(t *testing.T, d *Dashboard) {
		var ids []int
		taken := map[[2]int]string{}
		heights := map[int]int{} // of the panels that begin in one line
		for _, p := range d.Panels {
			require.Positive(t, p.ID)
			require.NotContains(t, ids, p.ID)
			ids = append(ids, p.ID)
			for _, inner := range p.Panels {
				require.NotContains(t, ids, inner.ID)
				ids = append(ids, inner.ID)
			}
			g := p.GridPos
			require.True(t, g.X >= 0 && g.W > 0 && g.X+g.W <= 24, "%s: %+v", p.Title, g)
			require.True(t, g.Y >= 0 && g.H > 0, "%s: %+v", p.Title, g)
			if h, ok := heights[g.Y]; ok {
				require.Equal(t, h, g.H, "%s is not as high as its neighbours", p.Title)
			}
			heights[g.Y] = g.H
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					other, ok := taken[[2]int{x, y}]
					require.False(t, ok, "%s lies on %s", p.Title, other)
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
		for _, p := range d.Panels { // no holes: the lines are full
			for x := range 24 {
				_, ok := taken[[2]int{x, p.GridPos.Y}]
				require.True(t, ok, "column %d beside %s is empty", x, p.Title)
			}
		}
	})
}

func TestPanelHead(t *testing.T) {
	types := []string{"stat", "timeseries", "barchart", "bargauge", "piechart", "table"}
	eachPanel(t, func(t *testing.T, _ *Dashboard, p *Panel) {
		require.NotEmpty(t, p.Title)
		require.Greater(t, len(p.Description), 40, "say what it shows, how it is counted, what to do")
		require.Contains(t, types, p.Type, "a kind that Grafana 10.1 and the console both have")
		requireDatasource(t, p.Datasource)
		require.NotEmpty(t, p.Targets)
	})
}

// Below a plot, Grafana gives a legend a third of the height: three or four
// rows, and the rest out of sight.
func TestLegendsOfGroupsStandBesideThePlot(t *testing.T) {
	eachPanel(t, func(t *testing.T, _ *Dashboard, p *Panel) {
		if p.Type != "timeseries" && p.Type != "piechart" {
			return
		}
		var o struct {
			Legend struct {
				Placement string `json:"placement"`
			} `json:"legend"`
		}
		require.NoError(t, json.Unmarshal(p.Options, &o))
		for _, q := range p.Targets {
			require.Equal(t, len(q.GroupBy) > 0, o.Legend.Placement == "right")
		}
	})
}

// Of a period without events the plugin gives a table's row and no series: the
// line of the previous period would come and go.
func TestStatsAskForWholePeriods(t *testing.T) {
	eachTarget(t, func(t *testing.T, _ *Dashboard, p *Panel, q *Target) {
		if p.Type == "stat" && q.Compare != "" {
			require.Equal(t, "none", q.Granularity)
		}
	})
}

func TestPercentilesOfDurationsAreLogarithmic(t *testing.T) {
	percentile := regexp.MustCompile(`duration_p\d+$`)
	eachPanel(t, func(t *testing.T, _ *Dashboard, p *Panel) {
		if p.Type != "timeseries" || !slices.ContainsFunc(p.Targets[0].Metrics, percentile.MatchString) {
			return
		}
		var custom struct {
			ScaleDistribution struct {
				Type string `json:"type"`
			} `json:"scaleDistribution"`
		}
		require.NoError(t, json.Unmarshal(p.FieldConfig.Defaults.Custom, &custom))
		require.Equal(t, "log", custom.ScaleDistribution.Type)
		require.Contains(t, p.Description, "logarithmic")
	})
}

func requireDatasource(t *testing.T, d *Datasource) {
	t.Helper()
	require.NotNil(t, d)
	require.Equal(t, Datasource{Type: pluginID, UID: datasource}, *d)
}

func TestNoDatasourceIsHardCoded(t *testing.T) {
	each(t, func(t *testing.T, d *Dashboard) {
		var doc any
		require.NoError(t, json.Unmarshal(d.JSON, &doc))
		walk(doc, func(key string, value any) {
			if key != "datasource" {
				return
			}
			require.Equal(t, map[string]any{"type": pluginID, "uid": datasource}, value)
		})
	})
}

func walk(node any, visit func(key string, value any)) {
	switch n := node.(type) {
	case map[string]any:
		for k, v := range n {
			visit(k, v)
			walk(v, visit)
		}
	case []any:
		for _, v := range n {
			walk(v, visit)
		}
	}
}

func TestDataLinks(t *testing.T) {
	byUID := map[string]Dashboard{}
	for _, d := range load(t) {
		byUID[d.UID] = d
	}
	address := regexp.MustCompile(`^/d/([\w-]+)\?(.*)$`)
	each(t, func(t *testing.T, d *Dashboard) {
		for _, l := range dataLinks(t, d) {
			require.NotEmpty(t, l.Title)
			m := address.FindStringSubmatch(l.URL)
			require.NotNil(t, m, l.URL)
			target, ok := byUID[m[1]]
			require.True(t, ok, "%s leads to no dashboard", l.URL)
			require.Contains(t, m[2], "${__url_time_range}", "the period is lost")
			require.Contains(t, m[2], "${datasource:queryparam}", "the tenant is lost")
			for _, part := range strings.Split(m[2], "&") {
				name, isVar := linkVariable(part)
				if !isVar {
					continue
				}
				require.True(t, slices.ContainsFunc(target.Variables(), func(v Variable) bool { return v.Name == name }), "%s has no variable %s", m[1], name)
			}
		}
	})
}

// linkVariable returns which variable a part of a link's query sets.
func linkVariable(part string) (string, bool) {
	if name, ok := strings.CutPrefix(part, "var-"); ok {
		name, _, _ = strings.Cut(name, "=")
		return name, true
	}
	if name, ok := strings.CutPrefix(part, "${"); ok && strings.HasSuffix(name, ":queryparam}") {
		return strings.TrimSuffix(name, ":queryparam}"), true
	}
	return "", false
}

func dataLinks(t *testing.T, d *Dashboard) []Link {
	t.Helper()
	var links []Link
	for _, p := range d.AllPanels() {
		links = append(links, p.FieldConfig.Defaults.Links...)
		for _, o := range p.FieldConfig.Overrides {
			for _, property := range o.Properties {
				if property.ID != "links" {
					continue
				}
				var more []Link
				require.NoError(t, json.Unmarshal(property.Value, &more))
				links = append(links, more...)
			}
		}
	}
	return links
}
