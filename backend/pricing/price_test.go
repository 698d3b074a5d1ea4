package pricing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

const book = `
rules:
  - name: chat, old price
    match: {actionType: llm.chat, metadata: {model: "small*"}}
    until: 2026-03-01
    perUnit: {tokensIn: "0.0000025", tokensOut: "0.00001"}
  - name: chat
    match: {actionType: llm.chat, metadata: {model: "small*"}}
    from: 2026-03-01
    perUnit: {tokensIn: "0.000002", tokensOut: "0.000008"}
  - name: every other model call, by credit and call
    match: {actionType: "llm.*"}
    perEvent: "0.01"
    perCredit: "0.5"
  - name: one customer's flat price
    match: {workflowId: nightly, userId: u1, source: n8n}
    perEvent: "-1.25"
`

func decimal(t *testing.T, s string) event.Decimal {
	t.Helper()
	d, err := event.ParseDecimal([]byte(s))
	require.NoError(t, err)
	return d
}

func TestPrice(t *testing.T) {
	b, err := Parse([]byte(book))
	require.NoError(t, err)
	rules, err := b.compile()
	require.NoError(t, err)
	p := &prices{revision: 7, rules: rules}
	march := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	for _, c := range []struct {
		name string
		e    event.Event
		want string // "" is unpriced
	}{
		{"units before the change", event.Event{ActionType: "llm.chat", Time: march - 1, Metadata: `{"model":"small-2","tokensIn":1000,"tokensOut":"10"}`}, "0.0026"},
		{"units after it", event.Event{ActionType: "llm.chat", Time: march, Metadata: `{"model":"small-2","tokensIn":1000,"tokensOut":10}`}, "0.00208"},
		{"one unit of two", event.Event{ActionType: "llm.chat", Time: march, Metadata: `{"model":"small","tokensOut":1e2}`}, "0.0008"},
		{"no unit: the next rule", event.Event{ActionType: "llm.chat", Time: march, Metadata: `{"model":"small"}`}, "0.01"},
		{"a unit that is no number: the next rule", event.Event{ActionType: "llm.chat", Time: march, Metadata: `{"model":"small","tokensIn":"many"}`}, "0.01"},
		{"a unit that is an object", event.Event{ActionType: "llm.chat", Time: march, Metadata: `{"model":"small","tokensIn":{}}`}, "0.01"},
		{"credits", event.Event{ActionType: "llm.embed", Time: march, Credits: decimal(t, "3")}, "1.51"},
		{"all of what is matched", event.Event{ActionType: "x", WorkflowID: "nightly", UserID: "u1", Source: "n8n", Time: march}, "-1.25"},
		{"one of it is another", event.Event{ActionType: "x", WorkflowID: "nightly", UserID: "u2", Source: "n8n", Time: march}, ""},
		{"nothing matches", event.Event{ActionType: "mail", Time: march, Credits: decimal(t, "3")}, ""},
		{"an amount beyond the range", event.Event{ActionType: "llm.chat", Time: march, Metadata: `{"model":"small","tokensIn":99999999999999999999999}`}, "199999999999999999.999998"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.e.Pricing = event.PricingUnpriced
			p.price(&c.e)
			if c.want == "" {
				require.Equal(t, event.PricingUnpriced, c.e.Pricing)
				require.True(t, c.e.Dollars.IsZero())
				return
			}
			require.Equal(t, c.want, c.e.Dollars.String())
			require.Equal(t, event.PricingDerived, c.e.Pricing)
			require.EqualValues(t, 7, c.e.PriceRevision)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "is empty",
		"rules: [{perEvent: '1'}]": "rule 1 (): needs a name",
		"rules: [{name: a}]":       "has no price",
		"rules: [{name: a, perEvent: '1'}, {name: a, perEvent: '2'}]":                        "rule 2 (a): has the name of rule 1",
		"rules: [{name: a, perEvent: free}]":                                                 `perEvent is "free": not a decimal number`,
		"rules: [{name: a, perUnit: {tokens: '0.0000000000000001'}}]":                        "perUnit.tokens",
		"rules: [{name: a, perEvent: '1', from: today}]":                                     `from is "today"`,
		"rules: [{name: a, perEvent: '1', from: 2026-03-01, until: 2026-03-01}]":             "no time at all",
		"rules: [{name: a, perEvent: '1', match: {action: llm}}]":                            "field action not found",
		"rules:\n  - {name: a, perEvent: '1'}\n  - {name: b}\n  - {name: '', perEvent: '1'}": "rule 3",
	} {
		_, err := Parse([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}
