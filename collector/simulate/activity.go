package simulate

import "strconv"

// action is something that a user does.
type action struct {
	name     string
	weight   int
	resource string
	about    subject
	median   float64 // ms it takes
}

// subject is what an action's resourceId names.
type subject int

const (
	aboutWorkflow subject = iota
	aboutDashboard
	aboutReport
	aboutTeam
	aboutSelf
)

var logIn = action{"login", 0, "session", aboutSelf, 900}

var actions = []action{
	{"view_dashboard", 26, "dashboard", aboutDashboard, 45_000},
	{"open_editor", 16, "workflow", aboutWorkflow, 3_000},
	{"edit_workflow", 20, "workflow", aboutWorkflow, 95_000},
	{"test_step", 14, "workflow", aboutWorkflow, 8_000},
	{"run_workflow", 12, "workflow", aboutWorkflow, 1_500},
	{"view_execution", 22, "workflow", aboutWorkflow, 30_000},
	{"publish_version", 3, "workflow", aboutWorkflow, 2_500},
	{"export_report", 4, "report", aboutReport, 6_000},
	{"share_dashboard", 2, "dashboard", aboutDashboard, 2_000},
	{"invite_user", 1, "team", aboutTeam, 4_000},
	{"change_settings", 2, "settings", aboutSelf, 12_000},
	{"search", 10, "catalog", aboutTeam, 1_200},
}

var dashboards = []string{"overview", "costs", "errors", "my-workflows", "team-activity", "sla"}

const (
	actionsPerSession = 9.0
	maxActions        = 60
	sessionLimit      = 100 * 60 * 1000 // ms
)

var actionWeights = func() (sum int) {
	for i := range actions {
		sum += actions[i].weight
	}
	return sum
}()

// user generates the sessions that a user begins in an hour.
func (s *stream) user(u int, hour int64, l localHour, c int) {
	p := s.p
	who := &p.users[u]
	away := seeded(p.seed, purposeDay, uint64(l.date/14), uint64(u)+1<<32)
	if !away.chance(who.steadiness) {
		return
	}
	r := seeded(p.seed, purposeSessions+uint64(c)<<8, uint64(u), uint64(hour))
	for n := range r.poisson(who.sessions / 24 * office[l.ofWeek()]) {
		key := uint64(hour/hourMS)<<43 | uint64(u)<<27 | uint64(c&63)<<21 | uint64(n&(1<<12-1))<<8
		start := hour + r.between(0, hourMS)
		own := r.fork()
		if s.told(start, mix(key^p.seed), c) {
			s.session(u, key, start, own)
		}
	}
}

func (s *stream) session(u int, key uint64, start int64, r rng) {
	var sessionBuf [20]byte
	var session []byte
	if !r.chance(0.25) { // some clients know no sessions
		session = appendHex(append(sessionBuf[:0], "se-"...), mix(key^s.p.seed))
	}
	n := min(maxActions, int(r.logNormal(actionsPerSession*0.8, 0.65)))
	at, end := start, start+sessionLimit
	s.action(u, key, session, at, &logIn, &r)
	at += r.between(800, 6000)
	for i := range n {
		k, left := 0, r.intn(actionWeights)
		for left >= actions[k].weight {
			left -= actions[k].weight
			k++
		}
		a := &actions[k]
		took := s.action(u, key+uint64(i)+1, session, at, a, &r)
		at += took + int64(r.logNormal(9000, 1.1))
		if at >= end {
			return
		}
	}
}

// action writes an activity event and returns its duration.
func (s *stream) action(u int, key uint64, session []byte, at int64, a *action, r *rng) int64 {
	who := &s.p.users[u]
	took := min(15*60_000, int64(r.logNormal(a.median, 0.8)))
	start := len(s.arena)
	b := append(s.arena, `{"kind":"activity","source":"portal","id":"ac-`...)
	b = appendHex(b, mix(key^s.p.seed))
	b = append(b, `","userId":"`...)
	b = append(b, who.id...)
	b = append(b, `","timestamp":"`...)
	b = s.clock.append(b, at)
	b = append(b, `","sessionId":"`...)
	b = append(b, session...)
	b = append(b, `","action":"`...)
	b = append(b, a.name...)
	b = append(b, `","resource":"`...)
	b = append(b, a.resource...)
	b = append(b, `","resourceId":"`...)
	b = s.appendSubject(b, who, a.about, r)
	b = append(b, `","duration":`...)
	b = strconv.AppendInt(b, took, 10)
	b = append(b, `,"metadata":{"team":"`...)
	b = append(b, who.team...)
	b = append(b, `","client":"`...)
	b = append(b, clients[r.intn(len(clients))]...)
	s.arena = append(b, `"}}`...)
	s.event(start, at)
	return took
}

var clients = []string{"web", "web", "web", "desktop", "mobile"}

func (s *stream) appendSubject(b []byte, who *user, about subject, r *rng) []byte {
	switch about {
	case aboutWorkflow:
		// Mostly one of the few that one works on.
		n := len(s.p.workflows)
		k := int(mix(who.taste+uint64(r.intn(5))) % uint64(n))
		if r.chance(0.2) {
			k = r.intn(n)
		}
		return append(b, s.p.workflows[k].id...)
	case aboutDashboard:
		return append(b, dashboards[r.intn(len(dashboards))]...)
	case aboutReport:
		return append(append(b, "weekly-"...), who.team...)
	case aboutTeam:
		return append(b, who.team...)
	}
	return append(b, who.id...)
}
