package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// hands are a person's at mouse and keyboard: they reach what can be seen, and what lies
// on top of it takes their clicks.
type hands struct{ *page }

// patience is how long a person waits for a page.
var patience = time.Minute

// at is a script for the elements that somebody means, the likeliest first.
type at string

// by names elements by a selector.
func by(selector string) at {
	return at(fmt.Sprintf(`[...document.querySelectorAll(%q)]`, selector))
}

// test names the element with a test id, or what the selector finds within it.
func test(id, selector string) at { return by(fmt.Sprintf(`[data-testid=%q] %s`, id, selector)) }

// saying names the elements that show these words and no others.
func saying(words string) at { return sayingIn("body", words) }

func sayingIn(selector, words string) at {
	return at(fmt.Sprintf(`[...document.querySelectorAll(%q)].flatMap((within) => {
		const found = [];
		const walk = document.createTreeWalker(within, NodeFilter.SHOW_TEXT);
		while (walk.nextNode()) {
			if (walk.currentNode.textContent.trim() === %q) found.push(walk.currentNode.parentElement);
		}
		return found;
	})`, selector, words))
}

// where is the middle of the first such element that can be seen, scrolled to where need be, and is not covered.
func (a at) where() string {
	return fmt.Sprintf(`(() => {
		for (const e of %s) {
			if (!e.checkVisibility() || e.disabled) continue;
			for (const scroll of [false, true]) {
				if (scroll) e.scrollIntoView({block: 'center', inline: 'nearest', behavior: 'instant'});
				const box = e.getBoundingClientRect();
				const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
				const top = document.elementFromPoint(x, y);
				if (box.width > 0 && box.height > 0 && top && (e.contains(top) || top.contains(e))) return [x, y];
			}
		}
		return [];
	})()`, string(a))
}

// find waits until an element can be clicked and lies still, and says where.
func (h hands) find(a at) (x, y float64) {
	h.t.Helper()
	var before, now []float64
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		before, now = now, nil
		h.eval(a.where(), &now)
		if len(now) == 2 && len(before) == 2 && now[0] == before[0] && now[1] == before[1] {
			return now[0], now[1]
		}
		if time.Now().After(end) {
			h.screenshot("find-"+fileName(h.t), 1100)
			h.t.Fatalf("it cannot be seen, or does not lie still: %s", a)
		}
	}
}

// press clicks where an element is.
func (h hands) press(a at) {
	h.t.Helper()
	x, y := h.find(a)
	require.NoError(h.t, chromedp.Do(h.ctx, chromedp.MouseEvent(chromedp.MouseMoved, x, y), chromedp.MouseClickXY(x, y)))
}

// point moves the mouse there.
func (h hands) point(a at) {
	h.t.Helper()
	x, y := h.find(a)
	require.NoError(h.t, chromedp.Do(h.ctx, chromedp.MouseEvent(chromedp.MouseMoved, x, y)))
}

// keys presses keys one after the other.
func (h hands) keys(keys string) {
	h.t.Helper()
	require.NoError(h.t, chromedp.Do(h.ctx, chromedp.KeyEvent(keys)))
}

// write replaces what is in a field.
func (h hands) write(a at, text string) {
	h.t.Helper()
	h.press(a)
	require.NoError(h.t, chromedp.Do(h.ctx, chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl))))
	h.keys(text)
}

// options are what an open menu offers: the first line names a choice, the next explains it.
const (
	options       = `[...document.querySelectorAll('[aria-label="Select option"]')].map((o) => o.innerText.trim().split('\n')[0])`
	focusedOption = `(document.querySelector('[aria-label="Select option"][class*="focused"]')?.innerText.trim().split('\n')[0] ?? '')`
)

// pick opens a field with choices, types what is looked for and enters the choice of that
// name, which may not be the first that is left.
func (h hands) pick(field at, choice string) {
	h.t.Helper()
	h.press(field)
	h.choose(choice)
}

// choose enters a choice in the menu that is open.
func (h hands) choose(choice string) {
	h.t.Helper()
	h.await(`document.querySelector('[aria-label="Select options menu"]') !== null`)
	h.keys(choice)
	// What was offered before may still stand there while the list is looked up.
	h.await(fmt.Sprintf(`((found) => found.includes(%q) && found.every((o) => o.toLowerCase().includes(%q)))(%s)`, choice, strings.ToLower(choice), options))
	var focused string
	for range 20 {
		if h.eval(focusedOption, &focused); focused == choice {
			h.keys(kb.Enter)
			return
		}
		h.keys(kb.ArrowDown)
	}
	h.t.Fatalf("the arrow does not come to %q, but to %q", choice, focused)
}

// source chooses Flowgauge as the data source.
func (h hands) source() {
	h.t.Helper()
	h.pick(by(`#data-source-picker, input[aria-label="Select a data source"]`), "Flowgauge")
}

// close ends a menu that stays open while one goes on choosing, with a click beside it. There lies
// what keeps the page from being scrolled meanwhile.
func (h hands) close() {
	h.t.Helper()
	require.NoError(h.t, chromedp.Do(h.ctx, chromedp.MouseClickXY(8, 8)))
	h.await(`document.querySelector('[aria-label="Select options menu"]') === null`)
}

// asked is the last query that the page has sent.
type asked struct {
	From, To string // ms
	Queries  []map[string]any
}

// awaitQuery waits until the last query that was sent has these members, and is answered
// without anything having gone wrong.
func (h hands) awaitQuery(members map[string]any) asked {
	h.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		h.mu.Lock()
		sent := string(h.sent)
		h.mu.Unlock()
		var got asked
		if sent != "" {
			require.NoError(h.t, json.Unmarshal([]byte(sent), &got))
		}
		if len(got.Queries) == 1 && has(h.t, got.Queries[0], members) && h.quiet(1) {
			h.requireNoProblems()
			return got
		}
		if time.Now().After(end) {
			h.screenshot("query-"+fileName(h.t), 1000)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.t.Fatalf("within a minute no query with %v was sent and answered, the last is %s; %v", members, sent, h.problems)
		}
	}
}

// has says whether a query has all of these members.
func has(t *testing.T, query, members map[string]any) bool {
	t.Helper()
	for name, want := range members {
		wanted, err := json.Marshal(want)
		require.NoError(t, err)
		got, err := json.Marshal(query[name])
		require.NoError(t, err)
		if string(got) != string(wanted) {
			return false
		}
	}
	return true
}

// drawn adds up what the last answer has of each value of a label.
func (h hands) drawn(label string) map[string]float64 {
	h.t.Helper()
	var answer struct {
		Results map[string]struct {
			Frames []struct {
				Schema struct {
					Fields []struct {
						Type   string
						Labels map[string]string
					}
				}
				Data struct{ Values [][]any }
			}
		}
	}
	h.mu.Lock()
	require.NoError(h.t, json.Unmarshal(h.answer, &answer))
	h.mu.Unlock()
	sums := map[string]float64{}
	for _, result := range answer.Results {
		for _, frame := range result.Frames {
			for i, field := range frame.Schema.Fields {
				for _, v := range frame.Data.Values[i] {
					if n, ok := v.(float64); ok && field.Type == "number" {
						sums[field.Labels[label]] += n
					}
				}
			}
		}
	}
	return sums
}

// legend are the names of the series that a graph shows.
func (h hands) legend() (names []string) {
	h.t.Helper()
	h.eval(`[...document.querySelectorAll('[aria-label^="VizLegend series "], [data-testid^="data-testid VizLegend series "]')].map((s) => s.innerText.trim())`, &names)
	return names
}

func fileName(t *testing.T) string {
	return strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())
}
