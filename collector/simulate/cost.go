package simulate

import "strconv"

// price is what a type of step costs.
type price struct {
	action string // "" is nothing
	// Credits in thousandths and dollars in billionths: for each call, for each
	// second, for each 1000 bytes in and out.
	call, second, in, out amount
}

type amount struct{ credits, dollars float64 }

var prices = [...]price{
	httpRequest:   {"api.request", amount{1000, 1_950_000}, amount{}, amount{}, amount{0, 1_875}},
	databaseQuery: {"database.query", amount{200, 214_100}, amount{150, 871_700}, amount{}, amount{}},
	llmCall:       {"llm.tokens", amount{}, amount{}, amount{1290, 1_043_500}, amount{3270, 4_165_300}},
	email:         {"email.send", amount{500, 1_198_125}, amount{}, amount{}, amount{}},
	wait:          {},
	condition:     {},
	code:          {"compute.run", amount{100, 80_200}, amount{500, 616_667}, amount{}, amount{}},
	transform:     {},
	storeFile:     {"storage.write", amount{300, 305_000}, amount{}, amount{1, 1_723}, amount{}},
}

// charge is what a run of a step costs: credits in thousandths, dollars in
// billionths.
type charge struct{ credits, dollars int64 }

func (st *step) charge(ms, in, out int64) charge {
	p := &prices[st.kind]
	if p.action == "" {
		return charge{}
	}
	s, kin, kout := float64(ms)/1000, float64(in)/1000, float64(out)/1000
	return charge{
		int64(p.call.credits + p.second.credits*s + p.in.credits*kin + p.out.credits*kout),
		int64(st.price * (p.call.dollars + p.second.dollars*s + p.in.dollars*kin + p.out.dollars*kout)),
	}
}

// cost writes the event of a charge; a refund names what it takes back.
func (s *stream) cost(e *execution, sr *stepRun, st *step, at int64, c charge, refund bool) {
	start := len(s.arena)
	b := append(s.arena, `{"kind":"cost","source":"`...)
	b = append(b, e.workflow.source...)
	b = append(b, `","id":"`...)
	b = s.appendStepID(b, e, sr)
	b = append(b, '-', 'c')
	if refund {
		b = append(b, 'r')
		c = charge{-c.credits, -c.dollars}
	}
	b = append(b, `","timestamp":"`...)
	b = s.clock.append(b, at)
	b = append(b, `","userId":"`...)
	b = append(b, e.user...)
	b = append(b, `","workflowId":"`...)
	b = append(b, e.workflow.id...)
	b = append(b, `","executionId":"`...)
	b = append(b, e.id...)
	b = append(b, `","actionType":"`...)
	b = append(b, prices[st.kind].action...)
	b = append(b, `","credits":"`...)
	b = appendDecimal(b, c.credits, 3)
	b = append(b, `","dollarAmount":"`...)
	b = appendDecimal(b, c.dollars, 9)
	b = append(b, `","metadata":{"step":"`...)
	b = append(b, st.name...)
	b = append(b, '"')
	if refund {
		b = append(b, `,"reason":"refund"`...)
	}
	s.arena = append(b, `}}`...)
	s.event(start, at)
}

func (s *stream) appendStepID(b []byte, e *execution, sr *stepRun) []byte {
	b = append(b, e.id...)
	b = append(b, '-', 's')
	b = strconv.AppendInt(b, int64(sr.index), 10)
	if sr.attempt > 1 {
		b = append(b, '.')
		b = strconv.AppendInt(b, int64(sr.attempt), 10)
	}
	return b
}
