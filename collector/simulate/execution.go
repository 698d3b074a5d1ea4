package simulate

import "strconv"

// execution is one run of a workflow.
type execution struct {
	workflow      *workflow
	id, parent    []byte // parent is the one that it repeats
	user          string
	queued, start int64
	trigger       trigger
	attempt       int
	version       int
	effect        effect
	crash         int64 // when its worker dies; 0 is never
	failure       *failure
	failedStep    *step
	failedMS      int64
	text          rng // of the error's message
}

const (
	executionLimit = 60 * 60 * 1000 // ms
	repeatWithin   = 20 * 60 * 1000 // a failed one is run again if it failed soon
	repeatAfter    = 5 * 60 * 1000
	refundAfter    = 25 * 60 * 1000
)

// workflow generates the executions that start in an hour.
func (s *stream) workflow(w *workflow, hour int64, l localHour, c int) {
	r := seeded(s.p.seed, purposeExecutions+uint64(c)<<8, uint64(w.index), uint64(hour))
	if w.trigger == scheduled {
		n := 0
		for _, minute := range w.every.firings(l, w.at) {
			for range r.times(s.p.repeat) {
				due := hour + minute*60_000
				// Everything that is due on the hour waits in one queue.
				s.run(w, hour, c, n, due, due+min(60_000, int64(r.logNormal(900, 0.8))), r.fork())
				n++
			}
		}
		return
	}
	for n := range r.poisson(s.p.rate(w, l)) {
		start := hour + r.between(0, hourMS)
		s.run(w, hour, c, n, start-min(5000, int64(r.logNormal(35, 0.9))), start, r.fork())
	}
}

// rate returns how many executions of a workflow an hour has on average.
func (p *Platform) rate(w *workflow, l localHour) float64 {
	day := seeded(p.seed, purposeDay, uint64(l.date), 0)
	own := seeded(p.seed, purposeDay, uint64(l.date), uint64(w.index)+1)
	rate := w.perHour * weeks[w.trigger][l.ofWeek()] * day.logNormal(1, 0.06) * own.logNormal(1, 0.13)
	if own.chance(0.004) {
		rate *= 3.5 // somebody's campaign, or a loop
	}
	if w.family.team == "finance" && (l.day >= 28 || l.day <= 2) {
		rate *= 1.5
	}
	if l.month == 12 && l.day >= 24 {
		rate *= 0.5
	}
	return rate
}

// run generates an execution, and another one when it failed and is repeated.
func (s *stream) run(w *workflow, hour int64, c, n int, queued, start int64, r rng) {
	key := uint64(hour/hourMS)<<43 | uint64(w.index)<<27 | uint64(c&63)<<21 | uint64(n&(1<<20-1))<<1
	number := mix(key ^ s.p.seed)
	if !s.told(start, mix(number), c) {
		return
	}
	p := s.p
	e := execution{workflow: w, queued: queued, start: start, trigger: w.trigger, attempt: 1}
	e.user = p.users[w.owner].id
	team := p.byTeam[w.family.team]
	if w.trigger != scheduled && r.chance(0.05) {
		e.trigger = manual
	}
	if e.trigger == manual && len(team) > 0 {
		e.user = p.users[team[r.intn(len(team))]].id
	}
	var ids [2][19]byte
	e.id = appendHex(append(ids[0][:0], "ex-"...), number)
	end, ended := s.execute(&e, r.fork())
	if !ended || e.failure == nil || !e.failure.transient || end-start > repeatWithin || !r.chance(0.3) {
		return
	}
	again := execution{workflow: w, user: e.user, trigger: e.trigger, attempt: 2, parent: e.id}
	again.queued = end + r.between(20_000, repeatAfter-10_000)
	again.start = again.queued + r.between(10, 5000)
	again.id = appendHex(append(ids[1][:0], "ex-"...), mix((key|1)^s.p.seed))
	s.execute(&again, r.fork())
}

// execute generates the events of an execution. It returns when it ended, and
// false when it never did.
func (s *stream) execute(e *execution, r rng) (int64, bool) {
	w := e.workflow
	e.version = s.p.version(w, e.start)
	e.effect = s.p.effect(w, e.version)
	s.phase(e, "started", e.start)
	if r.chance(0.0003) {
		e.crash = e.start + int64(r.logNormal(1500, 1))
	}
	end := e.start
	for i := range w.steps {
		done := s.step(e, i, &r)
		if !done {
			return 0, false
		}
		end = max(end, s.steps[i].end)
	}
	end += r.between(1, 25)
	if e.failure != nil {
		s.phase(e, "failed", end)
	} else {
		s.phase(e, "completed", end)
	}
	return end, true
}

// phase writes an execution's event.
func (s *stream) phase(e *execution, status string, at int64) {
	start := len(s.arena)
	w := e.workflow
	b := append(s.arena, `{"kind":"execution","source":"`...)
	b = append(b, w.source...)
	b = append(b, `","id":"`...)
	b = append(b, e.id...)
	b = append(b, `","timestamp":"`...)
	b = s.clock.append(b, at)
	b = append(b, '"')
	b = append(b, w.nameJSON...)
	b = strconv.AppendInt(b, int64(e.version), 10)
	b = append(b, `,"userId":"`...)
	b = append(b, e.user...)
	b = append(b, `","triggerId":"`...)
	b = append(b, w.triggerJSON...)
	b = append(b, `","triggerType":"`...)
	b = append(b, triggerNames[e.trigger]...)
	b = append(b, `","status":"`...)
	b = append(b, status...)
	b = append(b, `","duration":`...)
	b = strconv.AppendInt(b, at-e.start, 10)
	b = append(b, `,"stepCount":`...)
	b = strconv.AppendInt(b, int64(len(w.steps)), 10)
	if e.failure == nil {
		b = append(b, `,"errorType":null,"errorMessage":null`...)
	} else {
		b = append(b, `,"errorType":"`...)
		b = append(b, e.failure.kind...)
		b = append(b, `","errorMessage":"`...)
		b = e.failure.appendMessage(b, &e.text, e.failedStep.service, e.failedMS)
		b = append(b, '"')
	}
	b = append(b, `,"queuedTime":"`...)
	b = s.clock.append(b, e.queued)
	b = append(b, `","attempt":`...)
	b = strconv.AppendInt(b, int64(e.attempt), 10)
	b = append(b, w.metaJSON...)
	if e.parent != nil {
		b = append(b, `,"retryOf":"`...)
		b = append(b, e.parent...)
		b = append(b, '"')
	}
	s.arena = append(b, `}}`...)
	s.event(start, at)
}
