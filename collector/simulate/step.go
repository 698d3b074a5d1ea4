package simulate

import "strconv"

// stepRun is what became of a step in the execution at hand.
type stepRun struct {
	index, attempt     int
	queued, begin, end int64
	outcome            outcome
	truth              bool // of a condition
	in, out            int64
}

type outcome int

const (
	completed outcome = iota
	failed
	skippedByCondition
	skippedByFailure
)

var outcomeNames = [...]string{completed: "completed", failed: "failed", skippedByCondition: "skipped", skippedByFailure: "skipped"}

const maxAttempts = 3

// step runs a step with its attempts. It returns false when the execution's
// worker died before the step could end.
func (s *stream) step(e *execution, i int, r *rng) bool {
	st, sr := &e.workflow.steps[i], &s.steps[i]
	*sr = stepRun{index: i, attempt: 1, queued: e.start}
	for k, d := range st.deps {
		dep := &s.steps[d]
		sr.queued = max(sr.queued, dep.end)
		switch {
		case dep.outcome == failed || dep.outcome == skippedByFailure:
			sr.outcome = skippedByFailure
		case k == 0 && st.guarded && sr.outcome == completed && (dep.outcome == skippedByCondition || !dep.truth):
			sr.outcome = skippedByCondition
		}
	}
	if sr.outcome != completed {
		sr.begin, sr.end = sr.queued, sr.queued
		if e.crash != 0 && sr.end >= e.crash {
			return false
		}
		s.stepEvent(e, st, sr, charge{})
		return true
	}
	for {
		f := s.attempt(e, st, sr, r)
		if e.crash != 0 && sr.end >= e.crash {
			return false
		}
		c := st.charge(sr.end-sr.begin, sr.in, sr.out)
		if f != nil && r.chance(0.5) {
			c = charge{} // half of the failures cost nothing
		}
		s.stepEvent(e, st, sr, c)
		s.bill(e, st, sr, c, r)
		if f == nil {
			return true
		}
		if !f.transient || sr.attempt == maxAttempts || sr.end-e.start > executionLimit/2 || !r.chance(0.8) {
			if e.failure == nil {
				e.failure, e.failedStep, e.failedMS, e.text = f, st, sr.end-sr.begin, r.fork()
			}
			return true
		}
		sr.queued = sr.end + 1000<<sr.attempt + r.between(0, 400)
		sr.attempt++
		sr.outcome = completed
	}
}

// attempt runs a step once, and returns what it failed with.
func (s *stream) attempt(e *execution, st *step, sr *stepRun, r *rng) *failure {
	t := &stepTypes[st.kind]
	sr.begin = sr.queued + r.between(1, 12)
	fail := st.fail * e.workflow.flaky * e.effect.failures
	if sr.attempt > 1 {
		fail = 0.35
	}
	ms := max(1, r.logNormal(st.median*e.effect.duration, t.sigma))
	var away *incident
	if st.upstream >= 0 {
		for k := range s.trouble[st.upstream] {
			if in := &s.trouble[st.upstream][k]; sr.begin >= in.from && sr.begin < in.to {
				away = in
				ms *= in.slower
				fail += in.failing
			}
		}
	}
	limit := t.timeout
	if limit < 6*st.median {
		limit = 0 // whoever built it raised the time-out
	}
	var f *failure
	if r.chance(fail) {
		if away != nil && r.chance(away.failing/fail) {
			f = pick(r, duringIncident)
		} else {
			f = pick(r, failures[st.kind])
		}
	}
	switch {
	case f != nil && f.length > 0:
		ms = max(1, ms*f.length)
	case f != nil && limit > 0:
		ms = limit
	case limit > 0 && ms > limit:
		ms, f = limit, &timeout
	}
	if left := float64(e.start + executionLimit - sr.begin); ms > left {
		ms, f = max(1, left), &overtime
	}
	sr.end = sr.begin + int64(ms)
	if st.kind == condition {
		sr.truth = r.chance(e.workflow.truth)
	}
	sr.in = int64(r.logNormal(t.in*st.size, 0.5))
	sr.out = int64(r.logNormal(t.out*st.size, 0.6))
	if f != nil {
		sr.outcome, sr.out = failed, 0
	}
	return f
}

// bill generates a charge's event; now and then a refund follows, and now and then
// the event gets lost, so that steps and costs disagree.
func (s *stream) bill(e *execution, st *step, sr *stepRun, c charge, r *rng) {
	if c == (charge{}) || r.chance(0.0008) {
		return
	}
	s.cost(e, sr, st, sr.end, c, false)
	if r.chance(0.004) {
		s.cost(e, sr, st, sr.end+r.between(60_000, refundAfter), c, true)
	}
}

// stepEvent writes a step's event.
func (s *stream) stepEvent(e *execution, st *step, sr *stepRun, c charge) {
	start := len(s.arena)
	b := append(s.arena, `{"kind":"step","source":"`...)
	b = append(b, e.workflow.source...)
	b = append(b, `","id":"`...)
	b = s.appendStepID(b, e, sr)
	b = append(b, `","executionId":"`...)
	b = append(b, e.id...)
	b = append(b, '"')
	b = append(b, st.json...)
	b = s.clock.append(b, sr.begin)
	b = append(b, `","endTime":"`...)
	b = s.clock.append(b, sr.end)
	b = append(b, `","duration":`...)
	b = strconv.AppendInt(b, sr.end-sr.begin, 10)
	b = append(b, `,"status":"`...)
	b = append(b, outcomeNames[sr.outcome]...)
	b = append(b, `","inputSize":`...)
	b = strconv.AppendInt(b, sr.in, 10)
	b = append(b, `,"outputSize":`...)
	b = strconv.AppendInt(b, sr.out, 10)
	b = append(b, `,"creditsUsed":`...)
	b = appendDecimal(b, c.credits, 3)
	if !e.workflow.bare {
		b = append(b, e.workflow.nameJSON...)
		b = strconv.AppendInt(b, int64(e.version), 10)
		b = append(b, `,"userId":"`...)
		b = append(b, e.user...)
		b = append(b, '"')
	}
	b = append(b, `,"dependsOn":[`...)
	for k, d := range st.deps {
		if k > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = s.appendStepID(b, e, &s.steps[d])
		b = append(b, '"')
	}
	b = append(b, `],"queuedTime":"`...)
	b = s.clock.append(b, sr.queued)
	b = append(b, `","attempt":`...)
	b = strconv.AppendInt(b, int64(sr.attempt), 10)
	s.arena = append(b, '}')
	s.event(start, sr.end)
}
