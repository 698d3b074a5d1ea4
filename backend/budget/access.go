package budget

import (
	"context"
	"fmt"
	"slices"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

// visible reports whether all costs that count are ones that the principal may see:
// else its state would be that of a part, and look like the whole's. Administrators
// see all of a tenant, a manager what is for members of the team, a viewer what is for
// them alone.
func (s *Service) visible(ctx context.Context, p access.Principal, b *Budget) (bool, error) {
	var own []string
	switch p.Role {
	case access.RoleAdmin:
		return true, nil
	case access.RoleManager:
		own = p.TeamUserIDs
	case access.RoleViewer:
		own = []string{p.UserID}
	}
	within := func(users []string) bool {
		return len(users) > 0 && !slices.ContainsFunc(users, func(u string) bool { return u == "" || !slices.Contains(own, u) })
	}
	for _, f := range b.Filters {
		if f.Operator != query.In {
			continue
		}
		switch f.Dimension {
		case metric.User:
			if within(f.Values) {
				return true, nil
			}
		case "team":
			var members []string
			for _, team := range f.Values {
				if s.cfg.Members == nil {
					break
				}
				of, err := s.cfg.Members(ctx, p.Tenant, team)
				if err != nil {
					return false, fmt.Errorf("read members of team %s: %w", team, err)
				}
				members = append(members, of...)
			}
			if within(members) {
				return true, nil
			}
		}
	}
	return false, nil
}

// mayChange reports whether the principal may put or delete a budget.
func (s *Service) mayChange(ctx context.Context, p access.Principal, b *Budget) error {
	if p.Role != access.RoleAdmin && p.Role != access.RoleManager {
		return &query.AccessError{Message: "budgets are changed by managers and administrators"}
	}
	ok, err := s.visible(ctx, p, b)
	if err == nil && !ok {
		err = &query.AccessError{Message: "a manager's budgets are for members of the team: give a filter by user or team with no others in it"}
	}
	return err
}
