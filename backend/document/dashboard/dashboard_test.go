package dashboard

import (
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/dashboards"
)

// there goes through the view and its JSON, as over the API.
func there(t require.TestingT, grafana map[string]any) (View, map[string]any) {
	text, err := json.Marshal(Of(grafana))
	require.NoError(t, err)
	raw, err := Parse(text)
	require.NoError(t, err)
	v, err := Read(raw)
	require.NoError(t, err)
	return v, v.Grafana()
}

func equal(t require.TestingT, want, got map[string]any) {
	w, err := json.Marshal(want)
	require.NoError(t, err)
	g, err := json.Marshal(got)
	require.NoError(t, err)
	require.Equal(t, string(w), string(g)) // members are in the order of their names
}

// The bundled dashboards come back as they went.
func TestBundledDashboardsLoseNothing(t *testing.T) {
	names, err := fs.Glob(dashboards.Files, "*.json")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		text, err := fs.ReadFile(dashboards.Files, name)
		require.NoError(t, err)
		grafana, err := Parse(text)
		require.NoError(t, err)
		v, back := there(t, grafana)
		require.NotEmpty(t, v.Widgets, name)
		require.Equal(t, grafana["title"], v.Name)
		equal(t, grafana, back)
		for _, w := range v.Widgets {
			require.Contains(t, Types, w.Type)
			require.NotZero(t, w.Position.W)
		}
	}
}

// So does whatever else a dashboard may be.
func TestAnyDashboardLosesNothing(t *testing.T) {
	scalar := rapid.OneOf(rapid.Just[any](nil), rapid.Just[any](true), rapid.Just[any](false), rapid.Map(rapid.StringMatching(`[a-z0-9 ]{0,4}`), func(s string) any { return s }),
		rapid.Map(rapid.SampledFrom([]string{"0", "3", "-1", "2.50", "1e3", "12345678901234567890"}), func(s string) any { return json.Number(s) }))
	member := func(names ...string) *rapid.Generator[map[string]any] {
		return rapid.Custom(func(t *rapid.T) map[string]any {
			out := map[string]any{}
			for _, name := range names {
				if rapid.Bool().Draw(t, "has "+name) {
					out[name] = scalar.Draw(t, name)
				}
			}
			return out
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		d := member("title", "description", "refresh", "uid", "extra", "layout", "widgets").Draw(t, "dashboard")
		if rapid.Bool().Draw(t, "refreshes") {
			d["refresh"] = rapid.SampledFrom([]any{"30s", "1m", "1d", "", false, "auto"}).Draw(t, "refresh")
		}
		switch rapid.IntRange(0, 4).Draw(t, "panels") {
		case 0:
		case 1:
			d["panels"] = scalar.Draw(t, "panels")
		default:
			panels := []any{}
			for range rapid.IntRange(0, 5).Draw(t, "n") {
				p := member("id", "title", "type", "targets", "gridPos", "options").Draw(t, "panel")
				if rapid.Bool().Draw(t, "typed") {
					p["type"] = rapid.SampledFrom([]any{"timeseries", "stat", "row", "text", "gauge", "graph"}).Draw(t, "type")
				}
				if rapid.Bool().Draw(t, "placed") {
					p["gridPos"] = member("x", "y", "w", "h", "static").Draw(t, "grid")
				}
				panels = append(panels, p)
			}
			if rapid.Bool().Draw(t, "odd") {
				panels = append(panels, scalar.Draw(t, "odd panel"))
			}
			d["panels"] = panels
		}
		_, back := there(t, d)
		equal(t, d, back)
	})
}

// A dashboard made as widgets becomes one that Grafana shows, and what is changed in
// the view changes there.
func TestWidgetsBecomePanels(t *testing.T) {
	raw, err := Parse([]byte(`{"name":"Mine","description":"d","refreshInterval":90,"layout":{},"widgets":[
		{"id":"a","type":"line","title":"Runs","query":{"targets":[{"refId":"A","metrics":["executions"]}]},"visualization":{},"position":{"x":0,"y":0,"w":12,"h":8}},
		{"id":"7","type":"metric","title":"","query":{},"visualization":{"type":"gauge"},"position":{"x":12,"y":0,"w":12,"h":8}}]}`))
	require.NoError(t, err)
	v, err := Read(raw)
	require.NoError(t, err)
	text, err := json.Marshal(v.Grafana())
	require.NoError(t, err)
	require.JSONEq(t, `{"title":"Mine","description":"d","refresh":"90s","panels":[
		{"id":1,"type":"timeseries","title":"Runs","targets":[{"refId":"A","metrics":["executions"]}],"gridPos":{"x":0,"y":0,"w":12,"h":8}},
		{"id":7,"type":"gauge","gridPos":{"x":12,"y":0,"w":12,"h":8}}]}`, string(text))

	v.Widgets[1].Type, v.Widgets[1].Title, v.RefreshInterval = "pie", "Share", 0
	panels := v.Grafana()["panels"].([]any)
	require.Equal(t, "piechart", panels[1].(object)["type"])
	require.Equal(t, "Share", panels[1].(object)["title"])
	require.NotContains(t, v.Grafana(), "refresh")

	for _, bad := range []string{`{"name":1}`, `{"nome":"x"}`, `{"widgets":[{"type":"cube"}]}`, `{"widgets":{}}`, `{"refreshInterval":-1}`} {
		raw, err := Parse([]byte(bad))
		require.NoError(t, err)
		_, err = Read(raw)
		require.Error(t, err, bad)
	}
}
