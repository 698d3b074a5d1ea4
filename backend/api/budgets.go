package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/budget"
	"github.com/flowgauge/flowgauge/backend/query/requestjson"
)

// budgetMember is a member of a budget as it is sent.
type budgetMember struct {
	into    func(*budget.Budget) any // nil: the server's own, ignored, so that what was read can be sent back
	example string
	allowed []string
}

var budgetMembers = map[string]budgetMember{
	"id":         {func(b *budget.Budget) any { return &b.ID }, "research-monthly", nil},
	"name":       {func(b *budget.Budget) any { return &b.Name }, "Research, monthly", nil},
	"owner":      {func(b *budget.Budget) any { return &b.Owner }, "ana", nil},
	"of":         {func(b *budget.Budget) any { return &b.Of }, "dollars", []string{"dollars", "credits"}},
	"amount":     {func(b *budget.Budget) any { return &b.Amount }, "2500.00", nil},
	"period":     {func(b *budget.Budget) any { return &b.Period }, `{"unit":"month"}`, nil},
	"filters":    {func(b *budget.Budget) any { return &b.Filters }, `[{"dimension":"team","operator":"in","values":["research"]}]`, nil},
	"thresholds": {func(b *budget.Budget) any { return &b.Thresholds }, `[{"percent":80},{"amount":"2000"}]`, nil},
	"notify":     {func(b *budget.Budget) any { return &b.Notify }, `["ops"]`, nil},
	"revision":   {func(*budget.Budget) any { return new(revisionText) }, "1774699200000000", nil},
	"author":     {}, "changedAt": {}, "state": {},
}

// revisionText only checks: takeBudget reads the number.
type revisionText uint64

// UnmarshalJSON reads a number as text, since not all clients keep its last digits.
func (r *revisionText) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseUint(strings.Trim(string(b), `"`), 10, 64)
	*r = revisionText(n)
	return err
}

// budgetParts are examples of what is within members.
var budgetParts = map[string]budgetMember{
	"period.unit":     {example: "month", allowed: []string{"day", "week", "month", "quarter", "year"}},
	"period.timeZone": {example: "Europe/Berlin"},
	"period.start":    {example: "2026-01-15"},
}

// wrongBudget is about a member of a budget; at is where the budget is.
func wrongBudget(at, member, value, detail string) *Problem {
	m, ok := budgetParts[member]
	if !ok {
		m = budgetMembers[member]
	}
	return invalid(at+member, value, detail, m.example, m.allowed...)
}

const budgetExample = `{"id":"research-monthly","name":"Research, monthly","of":"dollars","amount":"2500.00","period":{"unit":"month"}}`

// takeBudgets reads one budget, or data with several.
func takeBudgets(text []byte) (changes []budget.Change, several bool, err error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil || raw == nil {
		return nil, false, invalid("body", "", "must be a JSON object: a budget, or data with several", budgetExample)
	}
	list, several := raw["data"]
	if !several {
		change, err := takeBudget(raw, "")
		return []budget.Change{change}, false, err
	}
	for name := range raw {
		if name != "data" && name != "meta" {
			return nil, true, invalid(name, "", "no such member beside data", "data", "data")
		}
	}
	var budgets []map[string]json.RawMessage
	if err := json.Unmarshal(list, &budgets); err != nil || len(budgets) == 0 || len(budgets) > budget.MaxBudgets {
		return nil, true, invalid("data", "", "must be a list of 1 to "+strconv.Itoa(budget.MaxBudgets)+" budgets", "["+budgetExample+"]")
	}
	for i, one := range budgets {
		change, err := takeBudget(one, budgetAt(i))
		if err != nil {
			return nil, true, err
		}
		changes = append(changes, change)
	}
	return changes, true, nil
}

// budgetAt is where the parameters of a budget of several are.
func budgetAt(i int) string { return "data." + strconv.Itoa(i) + "." }

func takeBudget(raw map[string]json.RawMessage, at string) (budget.Change, error) {
	var c budget.Change
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		m, ok := budgetMembers[name]
		if !ok {
			allowed := slices.Sorted(maps.Keys(budgetMembers))
			return c, invalid(at+name, "", "no such member", budgetExample, allowed...)
		}
		if m.into == nil || string(raw[name]) == "null" {
			continue
		}
		into := m.into(&c.Budget)
		d := json.NewDecoder(bytes.NewReader(raw[name]))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
			return c, wrongBudget(at, name, string(raw[name]), "cannot be read: "+plain(err))
		}
		if r, ok := into.(*revisionText); ok {
			c.Base = uint64(*r)
		}
	}
	return c, nil
}

// plain is an error of package json in words that do not speak of Go.
func plain(err error) string {
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		what := "must be " + requestjson.TypeName(typed.Type.String())
		if typed.Field != "" {
			return typed.Field + " " + what
		}
		return what
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}
