// Package budget says what may be spent in a period, how much of it is spent, and
// when the rest is likely to be.
//
// A budget is a document: rows of a table, of which the latest revision stands. Its
// state is never stored. It is asked of query, with exact amounts, each time that
// somebody wants to know, so that late records, corrections and new prices are in it.
package budget

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// The limits of a tenant's budgets.
const (
	MaxBudgets    = 200
	MaxThresholds = 10
	MaxNotify     = 10

	maxFilters = 10
	maxValues  = 500
	maxName    = 200
)

// ErrNotFound says that there is no such budget, or none that the caller may see.
var ErrNotFound = errors.New("there is no such budget")

// ErrChanged says that somebody else has changed the budget meanwhile.
var ErrChanged = errors.New("the budget was changed meanwhile: read it again and make your change there")

// InvalidError says what is wrong with a budget.
type InvalidError struct {
	Field   string // as the document spells it
	Message string
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Message }

// Budget is an amount that may be spent in each period.
type Budget struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Owner string `json:"owner,omitempty"` // whom to ask; a user's id or any other name
	// Of is what is counted: dollars or credits.
	Of     string        `json:"of"`
	Amount event.Decimal `json:"amount"`
	Period Period        `json:"period"`
	// Filters are whose costs count: by workflow, user, team or action_type, as in any
	// question. None is the whole tenant's.
	Filters    []query.Filter `json:"filters,omitempty"`
	Thresholds []Threshold    `json:"thresholds,omitempty"`
	// Notify names who is told when a period's spending reaches a threshold or the amount,
	// and when it is expected to: notifiers of the configuration, and plugins.
	Notify []string `json:"notify,omitempty"`
	// Forecaster is who forecasts it: a plugin's id, or Flowgauge itself if empty.
	Forecaster string `json:"forecaster,omitempty"`

	Revision  uint64    `json:"revision,string,omitempty"`
	Author    string    `json:"author,omitempty"` // who made the revision
	ChangedAt time.Time `json:"changedAt,omitzero"`
}

// Threshold is worth knowing when it is passed. It has a percentage of the budget
// or an amount.
type Threshold struct {
	Percent *float64       `json:"percent,omitempty"`
	Amount  *event.Decimal `json:"amount,omitempty"`
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

var scopes = []string{metric.Workflow, metric.User, "team", metric.ActionType}

// Validate reports the first thing that is wrong.
func (b *Budget) Validate() error {
	wrong := func(field, format string, args ...any) error {
		return &InvalidError{field, fmt.Sprintf(format, args...)}
	}
	switch {
	case !idPattern.MatchString(b.ID):
		return wrong("id", "%q is no id: give 1 to 100 letters, digits, dots, dashes or underscores, e.g. research-monthly", b.ID)
	case strings.TrimSpace(b.Name) == "" || len(b.Name) > maxName:
		return wrong("name", "give a name of 1 to %d bytes, e.g. Research, monthly", maxName)
	case len(b.Owner) > maxName:
		return wrong("owner", "at most %d bytes", maxName)
	case b.Of != "dollars" && b.Of != "credits":
		return wrong("of", "%q is not counted: dollars or credits", b.Of)
	case b.Amount.Sign() <= 0:
		return wrong("amount", "%s is no budget: give an amount above zero, e.g. 2500.00", b.Amount)
	case len(b.Thresholds) > MaxThresholds:
		return wrong("thresholds", "there are %d: at most %d", len(b.Thresholds), MaxThresholds)
	case len(b.Filters) > maxFilters:
		return wrong("filters", "there are %d: at most %d", len(b.Filters), maxFilters)
	case len(b.Notify) > MaxNotify:
		return wrong("notify", "there are %d: at most %d", len(b.Notify), MaxNotify)
	}
	for i, name := range b.Notify {
		if slices.Contains(b.Notify[:i], name) {
			return wrong("notify", "%q is there twice", name)
		}
	}
	for _, t := range b.Thresholds {
		switch {
		case (t.Percent == nil) == (t.Amount == nil):
			return wrong("thresholds", `each has either a percent or an amount, e.g. {"percent": 80}`)
		case t.Percent != nil && !(*t.Percent > 0 && *t.Percent <= 1000):
			return wrong("thresholds", "percent %v: give more than 0 and at most 1000, e.g. 80", *t.Percent)
		case t.Amount != nil && t.Amount.Sign() <= 0:
			return wrong("thresholds", "amount %s: give one above zero, e.g. 1000", t.Amount)
		}
	}
	for _, f := range b.Filters {
		switch {
		case !slices.Contains(scopes, f.Dimension):
			return wrong("filters", "%q is not what a budget may be for: %s", f.Dimension, strings.Join(scopes, ", "))
		case f.Operator != query.In && f.Operator != query.NotIn:
			return wrong("filters", "%q is no operator: in or not_in", f.Operator)
		case len(f.Values) == 0 || len(f.Values) > maxValues:
			return wrong("filters", "%s has %d values: give 1 to %d", f.Dimension, len(f.Values), maxValues)
		}
	}
	return b.Period.validate()
}
