package app_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The page to try the API shows every operation, fits a phone, breaks none of the rules
// that it is served with, and asks with the key that is entered.
func TestDocsInABrowser(t *testing.T) {
	findChrome(t)
	s := up(t, t.TempDir())
	browser := newBrowser(t)
	for name, width := range map[string]int64{"api-docs": 1280, "api-docs-phone": 390} {
		p := visit(t, browser, s.url+"/api/v1/docs/", width, 900)
		p.waitFor("document.querySelectorAll('.opblock').length > 40")
		p.eval(`(() => { document.querySelector('#operations-Executions-getExecutions button').click(); return true })()`, new(bool))
		p.waitFor("document.querySelector('#operations-Executions-getExecutions .parameters') !== null")
		var overflow int
		p.eval("document.documentElement.scrollWidth - window.innerWidth", &overflow)
		assert.LessOrEqual(t, overflow, 0, "%s is wider than its window", name)
		p.screenshot(name, 2000)
		p.eval(`(() => { document.querySelector('#operations-Executions-getExecutions button').click(); return true })()`, new(bool))
		answer := p.try(s.key())
		assert.Contains(t, answer, `"metrics"`, name)
		p.mu.Lock()
		assert.Empty(t, p.problems, name)
		p.mu.Unlock()
		p.leave()
	}
}

// waitFor waits until an expression is true.
func (p *page) waitFor(expression string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		var is bool
		p.eval("!!("+expression+")", &is)
		return is
	}, time.Minute, 50*time.Millisecond, expression)
}

// try enters a key, asks for the catalogue and returns what the page shows.
func (p *page) try(key string) string {
	p.t.Helper()
	text, err := json.Marshal(key)
	require.NoError(p.t, err)
	click := func(selector string) {
		p.t.Helper()
		p.waitFor(fmt.Sprintf("document.querySelector(%q)", selector))
		p.eval(fmt.Sprintf("(() => { document.querySelector(%q).click(); return true })()", selector), new(bool))
	}
	click(".authorize")
	p.waitFor("document.querySelector('.auth-container input')")
	// React listens to the event, and reads what the browser's own setter wrote.
	p.eval(`(() => {
		const field = document.querySelector('.auth-container input');
		Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, `+string(text)+`);
		field.dispatchEvent(new Event('input', { bubbles: true }));
		return true })()`, new(bool))
	click(".auth-btn-wrapper .authorize")
	click(".auth-btn-wrapper .btn-done")
	click("[id^=operations-Any_question-getCatalogue] button")
	click("[id^=operations-Any_question-getCatalogue] .execute")
	p.waitFor("document.querySelector('.live-responses-table tbody .response-col_description pre')")
	var shown string
	p.eval("document.querySelector('.live-responses-table tbody .response-col_description').innerText", &shown)
	return shown
}
