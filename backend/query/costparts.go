package query

import (
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"github.com/flowgauge/flowgauge/backend/event"
)

// costPart is a row of a breakdown. amount is its dollars or credits, whichever is
// divided; previous is the same of the other period.
type costPart struct {
	rank                               int64
	group                              string
	dollars, credits, amount, previous event.Decimal
	records                            int64
}

func (p *costPart) add(o costPart) {
	p.dollars, p.credits = p.dollars.Add(o.dollars), p.credits.Add(o.credits)
	p.amount, p.previous = p.amount.Add(o.amount), p.previous.Add(o.previous)
	p.records += o.records
}

func (p *costPart) sub(o costPart) {
	p.dollars, p.credits = p.dollars.Sub(o.dollars), p.credits.Sub(o.credits)
	p.amount, p.previous = p.amount.Sub(o.amount), p.previous.Sub(o.previous)
	p.records -= o.records
}

// costParts reads the rows of figures by one dimension, or by none.
func costParts(r *Result, by, of string) []costPart {
	out := make([]costPart, r.Frame.Rows())
	field := func(name string) *data.Field { return r.Frame.Fields[indexOf(r.Frame, name)] }
	records := field("cost_records")
	for i := range out {
		p := &out[i]
		if by != "" {
			p.group = field(by).At(i).(string)
		}
		if n := records.At(i).(*float64); n != nil {
			p.records = int64(*n)
		}
		p.dollars, p.credits = exactAt(r, "dollars", i), exactAt(r, "credits", i)
		p.amount, p.previous = exactAt(r, of, i), exactAt(r, of+previousSuffix, i)
	}
	return out
}

// exactAt returns an amount of a result, zero where it has none. What the engine wrote
// it can read.
func exactAt(r *Result, name string, row int) event.Decimal {
	d, _ := event.ParseDecimal([]byte(r.Exact[name][row]))
	return d
}

// shareOf is a part of a whole that is above zero.
func shareOf(part, whole event.Decimal) *float64 {
	if whole.Sign() <= 0 {
		return nil
	}
	v := part.Float64() / whole.Float64()
	return &v
}

func costFrame(parts []costPart, total event.Decimal, of string) *Result {
	f := newFields(costBreakdownFields, int64(0), "", event.Decimal{}, event.Decimal{}, int64(0),
		(*float64)(nil), (*float64)(nil), event.Decimal{}, event.Decimal{}, (*float64)(nil))
	var sum event.Decimal
	for i := range parts {
		p := &parts[i]
		sum = sum.Add(p.amount)
		change := p.amount.Sub(p.previous)
		f.add(p.rank, p.group, p.dollars, p.credits, p.records,
			shareOf(p.amount, total), shareOf(sum, total), p.previous, change, shareOf(change, p.previous))
	}
	if of == "dollars" {
		f.unit("previous", "currencyUSD")
		f.unit("change", "currencyUSD")
	}
	return f.result()
}
