package event

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPricingIsKept(t *testing.T) {
	decode := func(fields string) (out Event, code Code) {
		body := `{"kind":"cost","id":"c1","timestamp":"2024-05-31T10:00:00Z","actionType":"llm"` + fields + `}`
		require.Nil(t, Decode([]byte(body), FormatJSON, Options{Tenant: "acme"}, func(_ int, _ []byte, e *Event, err *Error) bool {
			if out = *e; err != nil {
				code = err.Code
			}
			return true
		}))
		return out, code
	}
	for _, c := range []struct {
		name, fields string
		want         Pricing
		code         Code
	}{
		{"an amount", `,"dollarAmount":"0.5"`, PricingSent, ""},
		{"an amount of nothing", `,"dollarAmount":0`, PricingSent, ""},
		{"credits alone", `,"credits":3`, PricingUnpriced, ""},
		{"units alone", `,"metadata":{"tokens":3}`, PricingUnpriced, ""},
		{"nothing to price", ``, PricingUnpriced, CodeMissingField},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, code := decode(c.fields)
			require.Equal(t, c.code, code)
			require.Equal(t, c.want, e.Pricing)
			var back Event
			require.NoError(t, DecodeBinary(AppendBinary(nil, &e), &back))
			require.Equal(t, c.want, back.Pricing)
		})
	}
	// The log keeps what was sent: what a price book made of it is made again.
	derived := Event{Kind: KindCost, PreviousTime: NoTime, EndTime: NoTime, QueuedTime: NoTime, Pricing: PricingDerived, Dollars: Decimal{Lo: 7}, PriceRevision: 9}
	var back Event
	require.NoError(t, DecodeBinary(AppendBinary(nil, &derived), &back))
	require.Equal(t, PricingUnpriced, back.Pricing)
	require.True(t, back.Dollars.IsZero())
}
