package simulate

import "time"

// What changes over the years is a function of the seed and of absolute time, so
// that any hour knows its versions and incidents without its past.

// Deployment is the start of a new version of a workflow.
type Deployment struct {
	Time       time.Time
	WorkflowID string
	Version    int
	Duration   float64 // factor on the steps' durations
	Failures   float64 // factor on their failures
}

// effect is what a version changes, against the workflow's usual.
type effect struct{ duration, failures float64 }

// effects are drawn from for a new version. The first six in turn are what the
// busiest workflows go through, so that any fortnight has something to find.
var effects = [...]effect{
	{1, 1},
	{0.72, 1},
	{1.65, 1.1},
	{0.95, 0.9},
	{1.02, 4.5},
	{0.9, 0.8},
	{1, 1},
	{1, 1},
	{0.98, 1},
	{0.85, 1},
	{1.03, 1.05},
	{1, 0.7},
}

const busiest = 6

// version returns a workflow's version at a time.
func (p *Platform) version(w *workflow, at int64) int {
	if at < w.firstDeploy {
		return 1
	}
	k := (at - w.firstDeploy) / w.deployEvery
	if at >= p.deployed(w, k) {
		k++
	}
	return int(k) + 1
}

// deployed is when the version after the k-th period's first comes: on a working
// day, in office hours, in the period's first part.
func (p *Platform) deployed(w *workflow, k int64) int64 {
	r := seeded(p.seed, purposeDeploy, uint64(w.index), uint64(k))
	at := w.firstDeploy + k*w.deployEvery + r.between(0, w.deployEvery/2)
	local := at + p.offset(at)
	days := local / dayMS
	if weekday := (days + 3) % 7; weekday >= 5 {
		days += 7 - weekday
	}
	return days*dayMS + 9*hourMS + r.between(0, 7*hourMS) - p.offset(at)
}

func (p *Platform) effect(w *workflow, version int) effect {
	if version == 1 {
		return effects[0]
	}
	if w.rank < busiest {
		return effects[(version+w.rank)%busiest]
	}
	return effects[hash(p.seed, purposeEffect, uint64(w.index), uint64(version))%uint64(len(effects))]
}

// Deployments returns the new versions in [from, to), by workflow.
func (p *Platform) Deployments(from, to time.Time) []Deployment {
	var out []Deployment
	for _, w := range p.workflows {
		k := max(0, (from.UnixMilli()-w.firstDeploy)/w.deployEvery)
		for ; w.firstDeploy+k*w.deployEvery < to.UnixMilli(); k++ {
			at := time.UnixMilli(p.deployed(w, k)).UTC()
			if !at.Before(from) && at.Before(to) {
				e := p.effect(w, int(k)+2)
				out = append(out, Deployment{at, w.id, int(k) + 2, e.duration, e.failures})
			}
		}
	}
	return out
}

// Incident is a time in which an upstream fails or is slow.
type Incident struct {
	Service  string
	From, To time.Time
	Failing  float64 // share of the calls that fail
	Slower   float64 // factor on the calls' durations
}

const incidentEvery = 11 * dayMS

type incident struct {
	from, to        int64
	failing, slower float64
}

// incidents returns those of a service that touch [from, to).
func (p *Platform) incidents(service int, from, to int64) []incident {
	var out []incident
	// One lasts 6 hours at most, so it reaches into the next period at most.
	for k := (from - 6*hourMS) / incidentEvery; k*incidentEvery < to; k++ {
		r := seeded(p.seed, purposeIncident, uint64(service), uint64(k))
		if !r.chance(0.6) {
			continue
		}
		start := k*incidentEvery + r.between(0, incidentEvery)
		length := min(6*hourMS, int64(r.logNormal(70*60_000, 0.7)))
		i := incident{from: start, to: start + length, slower: 1}
		if r.chance(0.55) {
			i.failing, i.slower = 0.35+0.6*r.float(), 1.4
		} else {
			i.failing, i.slower = 0.02, 3+9*r.float()
		}
		if i.to > from && i.from < to {
			out = append(out, i)
		}
	}
	return out
}

// Incidents returns what touches [from, to), by service.
func (p *Platform) Incidents(from, to time.Time) []Incident {
	var out []Incident
	for s, name := range p.services {
		for _, i := range p.incidents(s, from.UnixMilli(), to.UnixMilli()) {
			out = append(out, Incident{name, time.UnixMilli(i.from).UTC(), time.UnixMilli(i.to).UTC(), i.failing, i.slower})
		}
	}
	return out
}
