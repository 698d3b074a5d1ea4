package simulate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// engines run the workflows: a platform that has grown has several.
var engines = [...]string{"n8n", "airflow", "temporal"}

// workflow is a variant of a family, with its own habits.
type workflow struct {
	index, rank int // rank by volume, 0 the busiest
	id          string
	family      *family
	owner       int
	trigger     trigger
	every       schedule
	at          int     // the hour at which a daily schedule fires
	perHour     float64 // executions, when no schedule starts it
	flaky       float64 // factor on its steps' failures
	truth       float64 // how often its conditions hold
	bare        bool    // its steps name their execution only, as older clients do
	steps       []step

	firstDeploy, deployEvery int64

	// Constant parts of its events.
	source                          string // the engine that runs it
	nameJSON, triggerJSON, metaJSON string
}

// step is a step of a workflow.
type step struct {
	recipeStep
	upstream int // service, -1 for none
	median   float64
	fail     float64
	size     float64 // factor on its bytes
	price    float64 // factor on its costs
	json     string  // constant part of its events
	last     bool    // no step depends on it
}

func (p *Platform) newWorkflows(n int) error {
	recipes := make([][]recipeStep, len(families))
	for i := range families {
		var err error
		if recipes[i], err = parseRecipe(families[i].recipe); err != nil {
			return fmt.Errorf("family %s: %w", families[i].name, err)
		}
	}
	for i := range n {
		f := i % len(families)
		p.workflows = append(p.workflows, p.newWorkflow(i, &families[f], i/len(families), recipes[f]))
	}
	// Zipf's ranks, in an order of the seed's.
	order := slices.Clone(p.workflows)
	slices.SortFunc(order, func(a, b *workflow) int {
		if hash(p.seed, purposeWorkflow, uint64(a.index), 1) < hash(p.seed, purposeWorkflow, uint64(b.index), 1) {
			return -1
		}
		return 1
	})
	rank := 0
	for _, w := range order {
		w.rank = n
		if w.trigger != scheduled {
			w.rank = rank
			rank++
		}
		// The busiest are worked on most.
		r := seeded(p.seed, purposeDeploy, uint64(w.index), math.MaxUint64)
		w.deployEvery = r.between(25, 140) * dayMS
		if w.rank < busiest {
			w.deployEvery = r.between(9, 13) * dayMS
		}
		w.firstDeploy = epoch + r.between(0, w.deployEvery)
	}
	return nil
}

// epoch is when the workflows' first versions were new: 2025-06-02.
const epoch = 1_748_822_400_000

func (p *Platform) newWorkflow(index int, f *family, variant int, recipe []recipeStep) *workflow {
	r := seeded(p.seed, purposeWorkflow, uint64(index), 0)
	w := &workflow{index: index, family: f, trigger: f.trigger, every: f.every}
	w.id = f.name + variants[variant%len(variants)]
	if n := variant / len(variants); n > 0 {
		w.id += "-" + strconv.Itoa(n+1)
	}
	members := p.byTeam[f.team]
	if len(members) == 0 {
		members = []int{index % len(p.users)}
	}
	w.owner = members[r.intn(len(members))]
	// A family's first variant has its schedule; the others are less eager, or
	// the clock would start most of what runs.
	switch {
	case w.every == quarterly && variant > 0:
		w.every = hourly
	case w.every == hourly && variant > 0:
		w.every = daily
	}
	w.at = []int{1, 2, 2, 3, 4, 5, 6, 7, 8, 18, 22}[r.intn(11)]
	if w.every == weekdays {
		w.at = 7 + r.intn(3)
	}
	w.flaky = min(6, r.logNormal(0.8, 0.7))
	w.truth = 0.15 + 0.75*r.float()
	w.bare = r.chance(0.12)
	slow := -1
	if r.chance(0.35) {
		slow = r.intn(len(recipe))
	}
	// Some variants have fewer steps than their family, most have an audit more.
	recipe = slices.Clone(recipe)
	if n := len(recipe); n > 5 && r.chance(0.2) {
		recipe = recipe[:n-1]
	} else if r.chance(0.5) {
		recipe = append(recipe, recipeStep{name: "audit", kind: databaseQuery, service: "audit-db", deps: []int{n - 1}})
	}
	speed := r.logNormal(1, 0.35) * f.heavy
	for i, s := range recipe {
		t := stepTypes[s.kind]
		st := step{recipeStep: s, upstream: p.service(s.service), fail: t.fail, size: r.logNormal(1, 0.6), price: r.logNormal(1, 0.3), last: true}
		st.median = t.median * r.logNormal(1, 0.3)
		if s.kind != condition && s.kind != email && s.kind != wait {
			st.median *= speed
		}
		if i == slow {
			st.median *= 4 + 6*r.float()
		}
		st.json = `,"stepId":"` + s.name + `","stepType":"` + t.name + `","startTime":"`
		w.steps = append(w.steps, st)
		for _, d := range s.deps {
			w.steps[d].last = false
		}
	}
	w.source = engines[w.index%len(engines)]
	w.nameJSON = `,"workflowId":"` + w.id + `","workflowVersion":`
	w.triggerJSON = triggerID(w, &r)
	w.metaJSON = `,"metadata":{"team":"` + f.team + `","region":"` + regions[r.intn(len(regions))] + `"`
	return w
}

func triggerID(w *workflow, r *rng) string {
	switch w.trigger {
	case scheduled:
		return "cron/" + w.id
	case api:
		return "client/" + []string{"portal", "mobile", "zapdesk", "partner-gateway"}[r.intn(4)]
	case manual:
		return "button/" + w.id
	}
	return "hook/" + w.id
}

// service returns the number of an upstream.
func (p *Platform) service(name string) int {
	if name == "" {
		return -1
	}
	if i := slices.Index(p.services, name); i >= 0 {
		return i
	}
	p.services = append(p.services, name)
	return len(p.services) - 1
}

// events estimates how many events an execution has.
func (w *workflow) events() float64 {
	n := 2.0
	for i := range w.steps {
		n++
		if prices[w.steps[i].kind].action == "" {
			continue
		}
		if w.steps[i].guarded {
			n += w.truth
		} else {
			n += 0.97
		}
	}
	return n * 1.02 // further attempts and refunds
}

// share gives every workflow its part of the events.
func (p *Platform) share() {
	c := p.config
	clockwork, weights := 0.0, 0.0
	for _, w := range p.workflows {
		if w.trigger == scheduled {
			clockwork += w.every.perDay() * w.events()
		} else {
			weights += zipf(w.rank) * w.events()
		}
	}
	activity := float64(len(p.users)) * sessionsPerDay * actionsPerSession * 0.78
	budget := max(0.05*c.EventsPerDay, c.EventsPerDay-activity/c.Scale)
	p.repeat = 1.0
	if most := 0.4 * budget; clockwork > most {
		p.repeat = most / clockwork
	}
	rest := budget - p.repeat*clockwork
	p.repeat *= c.Scale
	for _, w := range p.workflows {
		if w.trigger != scheduled && weights > 0 {
			w.perHour = c.Scale * rest / 24 * zipf(w.rank) / weights
		}
	}
}

func zipf(rank int) float64 { return math.Pow(float64(rank)+2.5, -1.1) }
