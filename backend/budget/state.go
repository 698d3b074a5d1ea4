package budget

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/stats/forecast"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

// State is a budget as it stands.
type State struct {
	query.BudgetState
	Detail
}

// Detail is what single states say beside.
type Detail struct {
	Thresholds []Passed `json:"thresholds"`
	// Contributors are the workflows that spent the most in the period so far, Growing
	// those that spend more than in the period before by the most.
	Contributors []Contributor `json:"contributors"`
	Growing      []Contributor `json:"growing"`
	// Method says what the forecast was made with.
	Method string `json:"method,omitempty"`
}

// Passed is a threshold, with the beginning of the hour or day in which the running sum
// reached it.
type Passed struct {
	Threshold
	Amount event.Decimal `json:"amount"`
	At     *time.Time    `json:"at"` // nil: not yet
}

// Contributor is a workflow's part of what was spent.
type Contributor struct {
	Workflow string        `json:"workflow"`
	Amount   event.Decimal `json:"amount"`
	Share    *float64      `json:"share"`
	Change   event.Decimal `json:"change"` // against the period before, up to the same day
}

const contributors = 5

// The states of a budget.
const (
	NotStarted = "not_started"
	OK         = "ok"
	AtRisk     = "at_risk"
	Warning    = "warning"
	Exceeded   = "exceeded"
)

// State evaluates one budget now. ask asks about its costs, e.g. query.Engine.Do.
func (s *Service) State(ctx context.Context, ask query.Ask, p access.Principal, id string) (State, error) {
	b, err := s.Get(ctx, p, id)
	if err != nil {
		return State{}, err
	}
	return s.evaluate(ctx, ask, p, &b, s.cfg.Now())
}

// States implements query.Budgets.
func (s *Service) States(ctx context.Context, ask query.Ask, p access.Principal, at time.Time, id string) ([]query.BudgetState, error) {
	list, err := s.asked(ctx, p, id)
	if err != nil {
		return nil, err
	}
	out := make([]query.BudgetState, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range list {
		g.Go(func() error {
			state, err := s.evaluate(ctx, ask, p, &list[i], at)
			out[i] = state.BudgetState
			if id != "" {
				out[i].More = state.Detail
			}
			return err
		})
	}
	return out, g.Wait()
}

// asked returns the budgets that a question is about: one, or all with an empty id.
func (s *Service) asked(ctx context.Context, p access.Principal, id string) ([]Budget, error) {
	if id == "" {
		return s.List(ctx, p)
	}
	one, err := s.Get(ctx, p, id)
	if err != nil {
		return nil, &query.RequestError{Param: "params.budget", Value: id, Message: err.Error()}
	}
	return []Budget{one}, nil
}

// evaluate asks what was spent up to a moment. The period is the one that holds the
// last millisecond before it: at midnight, the one that is just over.
func (s *Service) evaluate(ctx context.Context, ask query.Ask, p access.Principal, b *Budget, at time.Time) (State, error) {
	state := State{
		BudgetState: query.BudgetState{ID: b.ID, Name: b.Name, Owner: b.Owner, Of: b.Of, State: NotStarted, Amount: b.Amount, Remaining: b.Amount},
		Detail:      Detail{Thresholds: []Passed{}, Contributors: []Contributor{}, Growing: []Contributor{}},
	}
	from, to, ok := b.Period.at(at.Add(-time.Millisecond))
	if !ok {
		return state, nil
	}
	state.From, state.To = from, to
	spending, err := b.spending(ctx, ask, p, from, to, at)
	if err != nil {
		return state, fmt.Errorf("budget %s: %w", b.ID, err)
	}
	state.Spent = spending.sum(spending.first, len(spending.amounts))
	state.Remaining = b.Amount.Sub(state.Spent)
	state.Percent = 100 * state.Spent.Float64() / b.Amount.Float64()
	if state.Thresholds, err = b.passed(spending); err != nil {
		return state, err
	}
	if err := state.foresee(ctx, s.cfg.Forecasters, b, spending, at); err != nil {
		if err = fmt.Errorf("forecast budget %s: %w", b.ID, err); b.own() || ctx.Err() != nil {
			return state, err
		}
		// What is spent is known all the same, and so are other budgets.
		state.Problem = err.Error()
	}
	state.State = state.judge()
	if err := state.contribute(ctx, ask, p, b, at); err != nil {
		return state, fmt.Errorf("budget %s: %w", b.ID, err)
	}
	return state, nil
}

func (s *State) judge() string {
	switch {
	case s.Remaining.Sign() <= 0:
		return Exceeded
	case slices.ContainsFunc(s.Thresholds, func(t Passed) bool { return t.At != nil }):
		return Warning
	case s.Forecast != nil && *s.Forecast > s.Amount.Float64():
		return AtRisk
	}
	return OK
}

// spending is what was spent by bucket: the history, then the period from first on.
// The last bucket of amounts may still be running.
type spending struct {
	edges   []time.Time // beginnings of all buckets up to the period's end, and that end
	amounts []event.Decimal
	first   int
	seasons []int
	width   query.Granularity
}

// spending asks for the history and the period in one question.
func (b *Budget) spending(ctx context.Context, ask query.Ask, p access.Principal, from, to, at time.Time) (*spending, error) {
	g, history, seasons := b.Period.Unit.buckets()
	begin := midnight(from.Add(-history), from.Location())
	if year := time.Date(1970, 1, 1, 0, 0, 0, 0, from.Location()); begin.Before(year.AddDate(0, 0, 1)) {
		begin = from
	}
	res, err := ask(ctx, p, query.Request{
		Metrics: []string{b.Of}, From: begin, To: at, Granularity: g, TimeZone: b.Period.TimeZone, Filters: b.Filters,
	})
	if err != nil {
		return nil, err
	}
	s := &spending{edges: starts(g, begin, to), seasons: seasons, width: g}
	s.first = s.bucket(from)
	s.amounts = make([]event.Decimal, s.bucket(at.Add(-time.Millisecond))+1)
	for row := range res.Frame.Rows() {
		d, err := exact(res, b.Of, row)
		if err != nil {
			return nil, err
		}
		i := s.bucket(res.Frame.Fields[0].At(row).(time.Time)) //nolint:forcetypeassert // a time series begins with it
		s.amounts[i] = s.amounts[i].Add(d)
	}
	return s, nil
}

// exact reads an amount of an answer to its last digit.
func exact(res *query.Result, name string, row int) (event.Decimal, error) {
	d, err := event.ParseDecimal([]byte(res.Exact[name][row]))
	if err != nil {
		return d, fmt.Errorf("amount %q of the answer: %w", res.Exact[name][row], err)
	}
	return d, nil
}

// bucket is the index of the bucket that holds a moment.
func (s *spending) bucket(t time.Time) int {
	return max(0, sort.Search(len(s.edges), func(i int) bool { return s.edges[i].After(t) })-1)
}

func (s *spending) sum(from, to int) event.Decimal {
	var d event.Decimal
	for _, a := range s.amounts[from:to] {
		d = d.Add(a)
	}
	return d
}

// reached returns the beginning of the period's first bucket by whose end the running
// sum has reached an amount.
func (s *spending) reached(amount event.Decimal) *time.Time {
	var sum event.Decimal
	for i := s.first; i < len(s.amounts); i++ {
		if sum = sum.Add(s.amounts[i]); sum.Cmp(amount) >= 0 {
			return &s.edges[i]
		}
	}
	return nil
}

// passed evaluates the thresholds, the smallest first.
func (b *Budget) passed(s *spending) ([]Passed, error) {
	out := make([]Passed, 0, len(b.Thresholds))
	for _, t := range b.Thresholds {
		amount, err := b.amountOf(t)
		if err != nil {
			return nil, err
		}
		out = append(out, Passed{Threshold: t, Amount: amount, At: s.reached(amount)})
	}
	slices.SortStableFunc(out, func(a, b Passed) int { return a.Amount.Cmp(b.Amount) })
	return out, nil
}

// amountOf is what has to be spent for a threshold to be passed.
func (b *Budget) amountOf(t Threshold) (event.Decimal, error) {
	if t.Amount != nil {
		return *t.Amount, nil
	}
	percent, err := event.ParseDecimal(strconv.AppendFloat(nil, *t.Percent/100, 'f', 12, 64))
	if err != nil {
		return event.Decimal{}, fmt.Errorf("threshold of %v %%: %w", *t.Percent, err)
	}
	amount, ok := b.Amount.Mul(percent)
	if !ok {
		return event.Decimal{}, fmt.Errorf("threshold of %v %% of %s is beyond all amounts", *t.Percent, b.Amount)
	}
	return amount, nil
}

// foresee continues the complete buckets to the period's end. What the running one has
// so far is part of what it is expected to have.
func (s *State) foresee(ctx context.Context, by query.Forecasters, b *Budget, spent *spending, at time.Time) error {
	complete := len(spent.amounts) - 1
	if complete+1 < len(spent.edges) && !spent.edges[complete+1].After(at) {
		complete++
	}
	ahead := len(spent.edges) - 1 - complete
	if ahead == 0 { // The period is over.
		total := s.Spent.Float64()
		s.Forecast, s.Lower80, s.Upper80, s.Lower95, s.Upper95 = &total, &total, &total, &total, &total
		return nil
	}
	history := make([]float64, complete)
	begun, falls := false, false
	for i, a := range spent.amounts[:complete] {
		history[i] = a.Float64()
		falls = falls || history[i] < 0
		if begun = begun || history[i] != 0; !begun {
			history[i] = math.NaN() // Before the first cost nothing was counted yet.
		}
	}
	if complete < 2 || !slices.ContainsFunc(history[:complete-1], func(v float64) bool { return !math.IsNaN(v) }) {
		return nil
	}
	edges := make([]int64, len(spent.edges)-1)
	for i := range edges {
		edges[i] = spent.edges[i].UnixMilli()
	}
	series := &contractv1.Series{
		Metric: b.Of, Unit: b.unit(), Granularity: string(spent.width), TimeZone: spent.edges[0].Location().String(),
		Times: edges[:complete], Values: history, Negative: falls,
	}
	m, err := by.Model(ctx, "forecaster", b.Forecaster, series, edges[complete:], forecast.Options{Horizon: ahead, Periods: spent.seasons})
	if err != nil {
		return err
	}
	base, sums := spent.sum(spent.first, complete), m.Cumulative(ahead)
	end := func(values []float64) *float64 {
		v := base.Float64() + values[ahead-1]
		if !falls { // What is spent is spent.
			v = max(v, s.Spent.Float64())
		}
		return &v
	}
	s.Forecast, s.Method = end(sums.Point), m.Method()
	s.Lower80, s.Upper80, s.Lower95, s.Upper95 = end(sums.Lower80), end(sums.Upper80), end(sums.Lower95), end(sums.Upper95)
	if s.Remaining.Sign() <= 0 {
		return nil
	}
	c := m.Crossing(s.Amount.Sub(base).Float64())
	when := func(step int) *time.Time {
		if step == forecast.Never {
			return nil
		}
		t := spent.edges[complete+max(step, 1)-1]
		if t.Before(at) {
			t = at
		}
		return &t
	}
	s.Crossing, s.Earliest, s.Latest = when(c.Expected), when(c.Earliest), when(c.Latest)
	return nil
}

// own reports whether Flowgauge itself forecasts the budget.
func (b *Budget) own() bool { return b.Forecaster == "" || b.Forecaster == query.Builtin }

// unit is that of what is counted.
func (b *Budget) unit() string {
	if m, ok := metric.Lookup(b.Of); ok {
		return m.Unit
	}
	return ""
}

// contribute asks which workflows the period's costs are of.
func (s *State) contribute(ctx context.Context, ask query.Ask, p access.Principal, b *Budget, at time.Time) error {
	res, err := ask(ctx, p, query.Request{
		Kind: query.KindCostBreakdown, From: s.From, To: at, TimeZone: b.Period.TimeZone, Filters: b.Filters,
		Compare: b.Period.Unit.comparison(), Limit: 1000, Params: map[string]string{"by": metric.Workflow, "of": b.Of},
	})
	if err != nil {
		return err
	}
	var all []Contributor
	for row := range res.Frame.Rows() {
		value := func(name string) any {
			f, _ := res.Frame.FieldByName(name)
			return f.At(row)
		}
		if value("rank") == int64(0) {
			continue
		}
		one := Contributor{Workflow: value("group").(string), Share: value("share").(*float64)} //nolint:forcetypeassert // the kind's fields
		for name, amount := range map[string]*event.Decimal{b.Of: &one.Amount, "change": &one.Change} {
			if *amount, err = exact(res, name, row); err != nil {
				return err
			}
		}
		all = append(all, one)
	}
	s.Contributors = append(s.Contributors, all[:min(contributors, len(all))]...)
	if len(all) > 0 {
		s.Driver = all[0].Workflow
	}
	all = slices.DeleteFunc(all, func(c Contributor) bool { return c.Change.Sign() <= 0 })
	slices.SortStableFunc(all, func(a, b Contributor) int { return cmp.Or(b.Change.Cmp(a.Change), cmp.Compare(a.Workflow, b.Workflow)) })
	s.Growing = append(s.Growing, all[:min(contributors, len(all))]...)
	return nil
}
