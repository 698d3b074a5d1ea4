package query

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// KindBudgets is how far budgets are spent.
const KindBudgets Kind = "budgets"

// Ask answers questions inside an answer.
type Ask func(ctx context.Context, p access.Principal, r Request) (*Result, error)

// Budgets evaluates budgets by asking about costs. backend/budget implements it,
// which is above this package.
type Budgets interface {
	// States returns the budgets that the principal may see as they stand at a moment;
	// the one with the id, if it is not empty.
	States(ctx context.Context, ask Ask, p access.Principal, at time.Time, id string) ([]BudgetState, error)
	// Crossings returns when the thresholds and amounts of these budgets were reached, of
	// the moments from one to before another.
	Crossings(ctx context.Context, ask Ask, p access.Principal, from, to time.Time, id string) ([]BudgetCrossing, error)
}

// BudgetCrossing is a moment at which a budget's threshold or amount was reached.
type BudgetCrossing struct {
	Budget, Name string
	Of           string // dollars or credits
	At           time.Time
	Reached      event.Decimal // the threshold
	Amount       event.Decimal // of the budget
}

// BudgetState is a budget in its current period.
type BudgetState struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Owner string `json:"owner,omitempty"`
	Of    string `json:"of"`    // dollars or credits
	State string `json:"state"` // see the kind's fields

	From      time.Time     `json:"from"`
	To        time.Time     `json:"to"`
	Amount    event.Decimal `json:"amount"`
	Spent     event.Decimal `json:"spent"`
	Remaining event.Decimal `json:"remaining"`
	Percent   float64       `json:"percent"`

	Forecast *float64 `json:"forecast"`
	Lower80  *float64 `json:"forecastLower80"`
	Upper80  *float64 `json:"forecastUpper80"`
	Lower95  *float64 `json:"forecastLower95"`
	Upper95  *float64 `json:"forecastUpper95"`

	Crossing *time.Time `json:"crossing"`
	Earliest *time.Time `json:"crossingEarliest"`
	Latest   *time.Time `json:"crossingLatest"`

	Driver string `json:"driver,omitempty"`

	// Problem is why there is no forecast, where its forecaster has made none.
	Problem string `json:"problem,omitempty"`

	// More is what a single one says beside: its thresholds and what the costs are of.
	More any `json:"-"`
}

var budgetParams = []ParamInfo{
	{Name: "budget", Description: "The id of one budget; all that the caller may see without it.", Example: "research-monthly"},
}

var budgetFields = []FieldInfo{
	{"budget", "", "The budget's id."},
	{"name", "", "The budget's name."},
	{"owner", "", "Whom to ask about it."},
	{"of", "", "What is counted: dollars or credits."},
	{"state", "", "exceeded: the amount is spent; warning: a threshold is passed; at_risk: none is, but more than the amount is expected by the period's end; ok; not_started."},
	{"level", "", "The state as a number, for alerts: 0 is ok and not_started, 1 at_risk, 2 warning, 3 exceeded."},
	{"period_start", "", "Beginning of the current period; none before the first."},
	{"period_end", "", "End of the current period."},
	{"amount", "", "What may be spent in the period."},
	{"spent", "", "What is spent so far, credits taken off."},
	{"remaining", "", "What is left; below zero is overspent."},
	{"percent", "percent", "Spent as a percentage of the amount."},
	{"forecast", "", "Expected to be spent by the period's end; none where there is too little history."},
	{"forecast_lower80", "", "Lower end of its 80 % interval."},
	{"forecast_upper80", "", "Upper end of its 80 % interval."},
	{"forecast_lower95", "", "Lower end of its 95 % interval."},
	{"forecast_upper95", "", "Upper end of its 95 % interval."},
	{"crossing", "", "When the amount is expected to be spent, if within the period and not spent yet."},
	{"crossing_earliest", "", "One time in ten it is earlier than this."},
	{"crossing_latest", "", "One time in ten it is later than this; none is not within the period."},
	{"driver", "", "The workflow that has spent the most of it; empty is costs without a workflow, or none."},
}

var budgetsShape = shape{
	KindInfo: KindInfo{
		Kind: KindBudgets, Title: "Budgets",
		Description: "How far each budget that the caller may see is spent, and how it is likely to end: as it stands now, or stood at to if that is over. from does not matter. Of one budget, meta.budget has the thresholds, what the costs are of, and what grows.",
		Uses:        []string{},
		Params:      budgetParams,
		Fields:      budgetFields,
		Personal:    []string{"owner"},
	},
	answer:  (*Engine).budgetStates,
	aliases: map[string]string{"driver": metric.Workflow},
}

func (e *Engine) budgetStates(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	b, err := e.budgeting(p, r)
	if err != nil {
		return nil, err
	}
	states, err := e.budgets.States(ctx, b.ask, p, b.until(), paramOf(budgetParams, &r, "budget"))
	if err != nil {
		return nil, err
	}
	res := budgetFrame(states, b.q.loc)
	res.Meta = b.meta()
	for i := range states {
		if states[i].Problem != "" {
			res.Meta.Notices = append(res.Meta.Notices, states[i].Problem)
		}
	}
	if len(states) == 1 {
		res.Meta.Budget = states[0].More
	}
	return res, nil
}

// budgetCrossings are when budgets' thresholds and amounts were reached.
func (e *Engine) budgetCrossings(ctx context.Context, p access.Principal, r Request) ([]annotation, Meta, error) {
	if n := minimumOf(ctx); n > 1 { // as for the kind budgets
		return nil, Meta{}, &AccessError{Message: "budgets show what single users spent, and the role " + string(p.Role) + " sees groups of " + strconv.Itoa(n) + " users and more"}
	}
	b, err := e.budgeting(p, r)
	if err != nil {
		return nil, Meta{}, err
	}
	crossed, err := e.budgets.Crossings(ctx, b.ask, p, b.q.from, b.until(), paramOf(annotationsParams, &r, "budget"))
	if err != nil {
		return nil, Meta{}, err
	}
	out := make([]annotation, len(crossed))
	for i, c := range crossed {
		percent := 100 * c.Reached.Float64() / c.Amount.Float64()
		out[i] = annotation{
			at: c.At.In(b.q.loc), tags: "budget", title: fmt.Sprintf("%s: %.4g %% spent", c.Name, percent),
			text: fmt.Sprintf("Of the budget's %s %s, %s were reached.", c.Amount, c.Of, c.Reached),
		}
	}
	return out, b.meta(), nil
}

// budgeting is a question about budgets, and what is read for its answer.
type budgeting struct {
	q *question
	w *run
}

func (e *Engine) budgeting(p access.Principal, r Request) (*budgeting, error) {
	q, err := e.check(p, Request{Metrics: []string{"dollars"}, From: r.From, To: r.To, TimeZone: r.TimeZone})
	if err != nil {
		return nil, err
	}
	if e.budgets == nil {
		return nil, requestError("kind", string(KindBudgets), "budgets are kept by the server: ask it", string(KindMetrics))
	}
	return &budgeting{q, &run{e: e, levels: map[string]bool{}}}, nil
}

func (b *budgeting) ask(ctx context.Context, p access.Principal, r Request) (*Result, error) {
	res, err := b.w.e.ask(ctx, p, r)
	if err == nil {
		b.w.note(res)
	}
	return res, err
}

// until is the end of what can have been spent.
func (b *budgeting) until() time.Time {
	if b.q.now.Before(b.q.to) {
		return b.q.now
	}
	return b.q.to
}

func (b *budgeting) meta() Meta {
	q, w := b.q, b.w
	return Meta{
		From: q.from.In(q.loc), To: q.to.In(q.loc), TimeZone: q.loc.String(), Sources: w.sources(),
		PartialPeriod: q.to.After(q.now), StaleBuckets: w.stale, RowsRead: w.rowsRead, SQL: w.sql,
	}
}

// note takes over what answers within an answer have read.
func (r *run) note(res *Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sql = append(r.sql, res.Meta.SQL...)
	r.stale = max(r.stale, res.Meta.StaleBuckets)
	r.rowsRead += res.Meta.RowsRead
	for _, l := range res.Meta.Sources {
		r.levels[l] = true
	}
}

// budgetLevels puts states in order; those that are no matter for anybody are 0.
var budgetLevels = map[string]int64{"at_risk": 1, "warning": 2, "exceeded": 3}

func budgetFrame(states []BudgetState, loc *time.Location) *Result {
	var d event.Decimal
	var t *time.Time
	var n *float64
	f := newFields(budgetFields, "", "", "", "", "", int64(0), t, t, d, d, d, n, n, n, n, n, n, t, t, t, "")
	in := func(t *time.Time) *time.Time {
		if t == nil || t.IsZero() {
			return nil
		}
		moved := t.In(loc)
		return &moved
	}
	for i := range states {
		s := &states[i]
		f.add(s.ID, s.Name, s.Owner, s.Of, s.State, budgetLevels[s.State], in(&s.From), in(&s.To), s.Amount, s.Spent, s.Remaining, &s.Percent,
			s.Forecast, s.Lower80, s.Upper80, s.Lower95, s.Upper95, in(s.Crossing), in(s.Earliest), in(s.Latest), s.Driver)
	}
	return f.result()
}
