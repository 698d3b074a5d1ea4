package api

import (
	"context"
	"slices"

	"github.com/flowgauge/flowgauge/backend/budget"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// shownBudget is a budget with its users called as the caller's policy wants it.
func shownBudget(names *query.Names, b budget.Budget) budget.Budget {
	b.Owner, b.Author = names.Shown(b.Owner), names.Shown(b.Author)
	b.Filters = slices.Clone(b.Filters) // the service's
	for i, f := range b.Filters {
		if f.Dimension != metric.User {
			continue
		}
		b.Filters[i].Values = make([]string, len(f.Values))
		for j, v := range f.Values {
			b.Filters[i].Values[j] = names.Shown(v)
		}
	}
	return b
}

// meantBudget puts users' ids in the place of what the caller has called them.
func meantBudget(ctx context.Context, names *query.Names, b *budget.Budget, several bool, index int) error {
	at := ""
	if several {
		at = budgetAt(index)
	}
	meant := func(member string, text *string) error {
		id, ok, err := names.Meant(ctx, *text)
		if err == nil && !ok {
			err = wrongBudget(at, member, *text, "users go by pseudonyms here, as lists of users have them: with an id the answer would tell whose pseudonym is whose")
		}
		*text = id
		return err
	}
	if err := meant("owner", &b.Owner); err != nil {
		return err
	}
	for _, f := range b.Filters {
		if f.Dimension != metric.User {
			continue
		}
		for i := range f.Values {
			if err := meant("filters", &f.Values[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
