package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/app"
	"github.com/flowgauge/flowgauge/dashboards"
)

// complaints are the errors in Grafana's log that say nothing about Flowgauge.
var complaints = []string{
	"database is locked", // its own SQLite, on a busy machine
}

// Grafana, as 'flowgauge up' starts it, shows every dashboard without an error
// anywhere: in the panels, the variables, the browser's console or Grafana's log.
// That holds before the first event too, on a wide screen and on a narrow one.
func TestGrafana(t *testing.T) {
	if os.Getenv("GRAFANA_HOME") == "" {
		t.Skip("GRAFANA_HOME is not set: the test of Grafana in a browser is left out")
	}
	plugins := builtPlugin(t)
	browser := newBrowser(t)
	s, grafana := upGrafana(t, plugins)
	all, err := dashboards.Load()
	require.NoError(t, err)

	for _, board := range all {
		t.Run("without data "+board.UID, func(t *testing.T) {
			p := visit(t, browser, grafana+"/d/"+board.UID, 1600, tall)
			p.requireDashboard(board, anyMayBeEmpty)
			p.screenshot(board.UID+"-empty", p.end())
		})
	}
	s.simulate("72h")
	s.refuse()
	s.budget()
	s.settle()
	for _, board := range all {
		for _, width := range []int64{1600, 400} {
			t.Run(fmt.Sprint(board.UID, " ", width), func(t *testing.T) {
				p := visit(t, browser, grafana+"/d/"+board.UID+"?"+s.chosen(board).Encode(), width, tall)
				p.requireDashboard(board, func(title string) bool { return empty[title] != "" })
				p.screenshot(fmt.Sprint(board.UID, "-", width), p.end())
			})
		}
	}
	t.Run("load", func(t *testing.T) {
		for _, board := range all {
			link := grafana + "/d/" + board.UID + "?" + s.chosen(board).Encode()
			logLoad(t, browser, board, link, "as much as a screen of 900 pixels shows", 900)
			logLoad(t, browser, board, link, "all panels", tall)
		}
		s.logFollow(t, browser, grafana, all)
	})
	t.Run("health", func(t *testing.T) {
		resp, err := http.Get(grafana + "/api/datasources/uid/flowgauge/health")
		require.NoError(t, err)
		defer resp.Body.Close()
		var health struct{ Status, Message string }
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&health))
		require.Equal(t, "OK", health.Status, health.Message)
	})
	t.Run("log", func(t *testing.T) {
		log, err := os.ReadFile(filepath.Join(s.dir, "grafana", "grafana.log"))
		require.NoError(t, err)
		for line := range strings.Lines(string(log)) {
			known := slices.ContainsFunc(complaints, func(part string) bool { return strings.Contains(line, part) })
			if strings.Contains(line, "level=error") && !known {
				t.Error(line)
			}
		}
	})
}

// logLoad logs how long a dashboard takes to load, of five visits.
func logLoad(t *testing.T, browser context.Context, board dashboards.Dashboard, link, what string, height int64) {
	t.Helper()
	var l loads
	for range 5 {
		p := visit(t, browser, link, 1600, height)
		l.add(p)
		p.leave()
	}
	l.log(t, board, what)
}

// logFollow logs how long dashboards take for those who are in Grafana already and
// go from one to the next.
func (s *server) logFollow(t *testing.T, browser context.Context, grafana string, all []dashboards.Dashboard) {
	t.Helper()
	took := make([]loads, len(all))
	p := visit(t, browser, grafana+"/dashboards", 1600, 900)
	for range 5 {
		for i, board := range all {
			p.follow("/d/" + board.UID + "?" + s.chosen(board).Encode())
			took[i].add(p)
		}
	}
	p.leave()
	for i, board := range all {
		took[i].log(t, board, "by a link")
	}
}

// loads are how long one dashboard took to load.
type loads struct {
	queries         int
	asked, answered []time.Duration
}

// add waits until the page is complete.
func (l *loads) add(p *page) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.quiet(1) }, time.Minute, 100*time.Millisecond)
	n, first, last := p.load()
	l.queries, l.asked, l.answered = n, append(l.asked, first), append(l.answered, last)
}

// log logs medians.
func (l *loads) log(t *testing.T, board dashboards.Dashboard, what string) {
	t.Helper()
	slices.Sort(l.asked)
	slices.Sort(l.answered)
	middle, end := len(l.answered)/2, len(l.answered)-1
	t.Logf("%s, %s: %d queries, the first sent after %.1f s, the last answered after %.1f s [%.1f-%.1f]", board.Title, what, l.queries,
		l.asked[middle].Seconds(), l.answered[middle].Seconds(), l.answered[0].Seconds(), l.answered[end].Seconds())
}

// tall is higher than any dashboard, a narrow one too: Grafana loads the panels
// that are in view.
const tall = 9000

func anyMayBeEmpty(string) bool { return true }

// builtPlugin returns the folder with the plugin that the build has made, or
// skips the test.
func builtPlugin(t *testing.T) string {
	t.Helper()
	const dir = "../../dist" // relative, as the build's own command gives it
	if _, err := os.Stat(filepath.Join(dir, app.PluginID, "module.js")); err != nil {
		t.Skip("the datasource plugin is not built: run 'go tool mage build'")
	}
	return dir
}

// upGrafana starts the program with a Grafana on a free port.
func upGrafana(t *testing.T, plugins string, more ...string) (s *server, url string) {
	t.Helper()
	for _, name := range []string{"GF_GRAFANA_NET_URL", "GF_GRAFANA_COM_URL", "GF_GRAFANA_COM_API_URL"} {
		t.Setenv(name, "http://127.0.0.1:9") // nobody listens: tests call nobody outside
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())

	s = up(t, t.TempDir(), append([]string{"--no-grafana=false", "--grafana", address, "--plugin-dir", plugins}, more...)...)
	url = "http://" + address
	require.Eventually(t, func() bool {
		resp, err := http.Get(url + "/api/health")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 2*time.Minute, 200*time.Millisecond, "Grafana is not up: see %s", filepath.Join(s.dir, "grafana", "grafana.log"))
	return s, url
}

// chosen sets the variables that need one value to that with the most executions.
func (s *server) chosen(board dashboards.Dashboard) url.Values {
	s.t.Helper()
	out := url.Values{}
	for _, v := range board.Variables() {
		if d := v.Dimension(); d != "" && !v.IncludeAll {
			now := time.Now().UTC()
			rows := s.ask(fmt.Sprintf(`{"metrics":["executions"],"groupBy":[%q],"orderBy":"executions","descending":true,"limit":1,"from":%q,"to":%q}`,
				d, now.Add(-24*time.Hour).Format(time.RFC3339), now.Format(time.RFC3339)))
			require.Len(s.t, rows, 1)
			out.Set("var-"+v.Name, rows[0].text(d))
		}
	}
	return out
}

// shown is what a panel looks like.
type shown struct {
	Title   string
	Loading bool
	Failed  bool
	Blank   bool   // neither text nor a drawing
	Says    string // what Grafana writes in place of data
}

const panelsScript = `[...document.querySelectorAll('[data-testid^="data-testid Panel header "]')].map(panel => {
	const body = panel.querySelector('[class*="panel-content"]') ?? panel;
	const drawn = body.querySelector('canvas, svg') !== null;
	const says = body.innerText.match(/^(No data.*|Data is missing.*|Data does not have.*|Data outside.*|Unable to.*|Too many points.*|Cannot .*|An unexpected error.*)$/m);
	return {
		title: panel.dataset.testid.slice('data-testid Panel header '.length),
		loading: panel.querySelector('[aria-label="Panel loading bar"]') !== null,
		failed: panel.querySelector('[aria-label="Panel status"], [data-testid^="data-testid Panel status"]') !== null,
		blank: !drawn && body.innerText.trim() === '',
		says: says?.[1] ?? body.querySelector('.panel-empty')?.innerText ?? (drawn || /\d/.test(body.innerText) ? '' : 'No data'), // some write a dash
	};
})`

const alertsScript = `[...document.querySelectorAll('[data-testid="data-testid Alert error"], [data-testid="data-testid Alert warning"]')].map(a => a.innerText)`

// requireDashboard waits until a dashboard is complete and checks every panel.
func (p *page) requireDashboard(board dashboards.Dashboard, mayBeEmpty func(title string) bool) {
	p.t.Helper()
	var want, got []string // a row holds its panels itself only while it is collapsed
	for _, panel := range board.Panels {
		if panel.Type != "row" {
			want = append(want, panel.Title)
		}
	}
	var panels []shown
	var alerts []string // all there were: they go away by themselves
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var now []string
		p.eval(alertsScript, &now)
		for _, text := range now {
			if !slices.Contains(alerts, text) {
				alerts = append(alerts, text)
			}
		}
		p.eval(panelsScript, &panels)
		if len(panels) >= len(want) && !anyLoading(panels) && p.quiet(len(want)) {
			break
		}
		if time.Now().After(end) {
			p.screenshot(board.UID+"-incomplete", tall)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.t.Fatalf("after a minute there are %d of %d panels and %d answers; %v; %v", len(panels), len(want), p.queries, panels, p.problems)
		}
	}
	for _, panel := range panels {
		got = append(got, panel.Title)
		assert.False(p.t, panel.Failed, "%s shows an error", panel.Title)
		assert.False(p.t, panel.Blank, "%s is blank", panel.Title)
		if panel.Says != "" && (panel.Says != "No data" || !mayBeEmpty(panel.Title)) {
			assert.Fail(p.t, "A panel shows nothing", "%s says: %s", panel.Title, panel.Says)
		}
	}
	assert.ElementsMatch(p.t, want, got)
	assert.Empty(p.t, alerts, "Grafana shows messages")
	p.mu.Lock()
	defer p.mu.Unlock()
	assert.Empty(p.t, p.problems)
}

// end returns where the dashboard ends.
func (p *page) end() (height int64) {
	p.t.Helper()
	p.eval(`Math.ceil(Math.max(...[...document.querySelectorAll('[data-testid^="data-testid Panel header "]')].map(e => e.getBoundingClientRect().bottom)) + 16)`, &height)
	return height
}

func anyLoading(panels []shown) bool {
	return slices.ContainsFunc(panels, func(panel shown) bool { return panel.Loading })
}
