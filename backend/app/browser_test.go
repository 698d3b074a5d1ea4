package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// findChrome returns a Chromium, or skips the test.
func findChrome(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("CHROME"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium is on the PATH and CHROME does not name one: the tests that open pages in a browser are left out")
	return ""
}

// newBrowser starts a headless Chromium, in which visits open tabs.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(findChrome(t)), chromedp.UserDataDir(t.TempDir()))
	for _, flag := range []string{
		"no-sandbox", // it would need rights that a container has not
		"disable-gpu", "disable-quic", "disable-component-update", "hide-scrollbars",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	browser, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(browser), "start Chromium")
	return browser
}

// page is one visit of a page, with all that went wrong on it.
type page struct {
	t     *testing.T
	ctx   context.Context
	leave context.CancelFunc // closes the tab
	width int64
	began time.Time

	mu       sync.Mutex
	changed  time.Time // when something last began or ended
	asked    time.Time // when the first query was sent
	answered time.Time // when the last query ended
	queries  int
	open     map[network.RequestID]*network.Request
	problems []string
	reading  int               // answers whose text is being fetched
	last     network.RequestID // of the last query
	sent     []byte            // what it asks
	answer   []byte            // what it got
}

// visit opens a page in a tab of its own.
func visit(t *testing.T, browser context.Context, url string, width, height int64) *page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	p := &page{t: t, ctx: ctx, leave: cancel, width: width, open: map[network.RequestID]*network.Request{}}
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, height), forget(url)))
	require.NoError(t, chromedp.Listen(ctx, p.on))
	go p.listenToConsole(chromedp.Console(ctx))
	p.began = time.Now()
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(url)), url)
	return p
}

// forget empties what an earlier visit left in the browser's storage: Grafana
// keeps its error messages there.
func forget(url string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, storage.ClearDataForOrigin, storage.ClearDataForOriginParams{Origin: url, StorageTypes: "local_storage"})
		return err
	})
}

func (p *page) on(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed = time.Now()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if isWorker(e.Request) {
			return // the browser does not say when a worker has its script
		}
		p.open[e.RequestID] = e.Request
		if !isQuery(e.Request) {
			return
		}
		if p.asked.IsZero() {
			p.asked = p.changed
		}
		p.last, p.sent, p.answer = e.RequestID, nil, nil
		for _, part := range e.Request.PostDataEntries {
			p.sent = append(p.sent, part.Bytes...)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			p.problem("%s answered %d", e.Response.URL, e.Response.Status)
		}
	case *network.EventLoadingFailed:
		if r := p.open[e.RequestID]; r != nil && !e.Canceled {
			p.problem("%s %s: %s", r.Method, r.URL, e.ErrorText)
		}
		delete(p.open, e.RequestID)
	case *network.EventLoadingFinished:
		if r := p.open[e.RequestID]; r != nil && isQuery(r) {
			p.queries++
			p.answered = p.changed
			p.reading++
			go p.readAnswer(e.RequestID) // a handler may not wait for the browser
		}
		delete(p.open, e.RequestID)
	}
}

func (p *page) listenToConsole(messages iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range messages {
		if err != nil {
			return // the tab is closed
		}
		if m.Type == chromedp.ConsoleError || m.IsException() {
			first, _, _ := strings.Cut(m.Text, "\n") // the rest is the call stack
			p.mu.Lock()
			p.problem("console: %s", first)
			p.mu.Unlock()
		}
	}
}

// problem is called with the lock held.
func (p *page) problem(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(p.problems, text) {
		p.problems = append(p.problems, text)
	}
}

// readAnswer notes the errors within the answer to a panel's queries.
func (p *page) readAnswer(id network.RequestID) {
	got, err := chromedp.Run(p.ctx, func(ctx context.Context, t *chromedp.Target) (network.GetResponseBodyResult, error) {
		return cdp.Call(ctx, t, network.GetResponseBody, network.GetResponseBodyParams{RequestID: id})
	})
	var answer struct {
		Results map[string]struct{ Error string }
	}
	if err == nil {
		err = json.Unmarshal(got.Body, &answer)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reading--
	if id == p.last {
		p.answer = got.Body
	}
	if err != nil {
		p.problem("answer to a query: %v", err)
	}
	for refID, r := range answer.Results {
		if r.Error != "" {
			p.problem("query %s: %s", refID, r.Error)
		}
	}
}

// follow goes on to another page as a link within the one that is open does.
func (p *page) follow(link string) {
	p.t.Helper()
	p.mu.Lock()
	p.began, p.asked, p.answered, p.queries = time.Now(), time.Time{}, time.Time{}, 0
	p.mu.Unlock()
	var ok bool
	p.eval(fmt.Sprintf(`(() => {
	const a = document.body.appendChild(document.createElement('a'));
	a.href = %q;
	a.click();
	a.remove();
	return true;
})()`, link), &ok)
}

// quiet says whether so many queries were answered, and everything else that was
// asked for has come, and nothing happened for a while.
func (p *page) quiet(queries int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queries >= queries && len(p.open) == 0 && p.reading == 0 && time.Since(p.changed) > time.Second
}

func isWorker(r *network.Request) bool {
	return strings.HasPrefix(r.URL, "blob:") || strings.HasSuffix(r.URL, "/workerMain.js")
}

// isQuery says whether a request is the query of a panel.
func isQuery(r *network.Request) bool { return strings.Contains(r.URL, "/api/ds/query") }

// load says how many queries were answered, and how long after the visit began
// the first was sent and the last one was answered.
func (p *page) load() (queries int, first, last time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queries, p.asked.Sub(p.began), p.answered.Sub(p.began)
}

// eval runs a script and decodes its value.
func (p *page) eval(script string, into any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, time.Minute)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[[]byte](script))
	require.NoError(p.t, err)
	require.NoError(p.t, json.Unmarshal(text, into))
}

// screenshot saves the page down to a height when FLOWGAUGE_SCREENSHOTS names a folder.
func (p *page) screenshot(name string, height int64) {
	p.t.Helper()
	dir := os.Getenv("FLOWGAUGE_SCREENSHOTS")
	if dir == "" {
		return
	}
	require.NoError(p.t, os.MkdirAll(dir, 0o750))
	require.NoError(p.t, chromedp.Do(p.ctx, chromedp.EmulateViewport(p.width, height)))
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}
