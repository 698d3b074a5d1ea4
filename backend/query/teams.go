package query

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// Teams knows who is in which team now.
type Teams interface {
	// Teams returns a tenant's memberships, from a user's id to their teams. Nobody
	// changes the answer afterwards.
	Teams(ctx context.Context, tenant string) (map[string][]string, error)
}

// maxTeamUsers bounds what a statement by team carries.
const maxTeamUsers = 200_000

// teamSets turns a user's id into their teams: many users have the same ones.
type teamSets struct {
	users []string
	set   []int64    // of each user, an index into sets
	sets  [][]string // the first is of users without a team
}

func (e *Engine) memberships(ctx context.Context, tenant string) (map[string][]string, error) {
	if e.teams == nil {
		return nil, nil
	}
	teams, err := e.teams.Teams(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("read teams: %w", err)
	}
	return teams, nil
}

// byMembers puts filters by user in the place of filters by team, which no table has:
// in keeps who is in one of the teams, not_in who is in none of them. The empty team
// is that of everybody without one.
func (e *Engine) byMembers(ctx context.Context, tenant string, filters []Filter) ([]Filter, error) {
	if !slices.ContainsFunc(filters, func(f Filter) bool { return f.Dimension == metric.Team }) {
		return filters, nil
	}
	teams, err := e.memberships(ctx, tenant)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(filters)
	for i, f := range filters {
		if f.Dimension != metric.Team {
			continue
		}
		if _, err := f.condition(); err != nil {
			return nil, err
		}
		out[i] = f.byMembers(teams)
	}
	return out, nil
}

// shownTeams returns the teams that filters leave, or nil: a user who is in another
// one too counts in the figures of these only.
func shownTeams(filters []Filter) (shown []string) {
	for _, f := range filters {
		if f.Dimension != metric.Team || f.Operator != In {
			continue
		}
		if shown == nil {
			shown = slices.Clone(f.Values)
			continue
		}
		shown = slices.DeleteFunc(shown, func(team string) bool { return !slices.Contains(f.Values, team) })
	}
	return shown
}

// nobody is an id that no event has: a filter needs a value.
const nobody = "\x00nobody"

func (f Filter) byMembers(teams map[string][]string) Filter {
	matches := func(of []string) bool {
		return slices.ContainsFunc(of, func(team string) bool { return slices.Contains(f.Values, team) })
	}
	teamless, not := slices.Contains(f.Values, ""), f.Operator == NotIn
	users := []string{nobody}
	for id, of := range teams {
		// Users without a team are all but those listed, so then the others are listed.
		if matches(of) != teamless {
			users = append(users, id)
		}
	}
	slices.Sort(users)
	out := Filter{Dimension: metric.User, Operator: In, Values: users}
	if teamless != not {
		out.Operator = NotIn
	}
	return out
}

// readTeams gives a question by team the teams of those whom it may see.
func (e *Engine) readTeams(ctx context.Context, q *question, shown []string) error {
	if !slices.Contains(q.dims, metric.Team) {
		return nil
	}
	teams, err := e.memberships(ctx, q.scope.tenant)
	if err != nil {
		return err
	}
	sets, err := newTeamSets(teams, q.scope, shown)
	if err != nil {
		return err
	}
	q.scope.teams = sets
	return nil
}

// newTeamSets takes those of a scope. With shown, other teams are left out.
func newTeamSets(teams map[string][]string, s scope, shown []string) (*teamSets, error) {
	t := &teamSets{sets: [][]string{{""}}}
	index := map[string]int64{}
	for _, id := range slices.Sorted(maps.Keys(teams)) {
		of := teams[id]
		if !s.sees(id) {
			continue
		}
		if shown != nil {
			of = slices.DeleteFunc(slices.Clone(of), func(team string) bool { return !slices.Contains(shown, team) })
		}
		if len(of) == 0 {
			continue
		}
		key := strings.Join(of, "\x00")
		at, ok := index[key]
		if !ok {
			at = int64(len(t.sets))
			index[key] = at
			t.sets = append(t.sets, of)
		}
		t.users, t.set = append(t.users, id), append(t.set, at)
	}
	if len(t.users) > maxTeamUsers {
		return nil, requestError("groupBy", metric.Team, "the teams have more than "+strconv.Itoa(maxTeamUsers)+" members: filter by team", "")
	}
	return t, nil
}

// teamsOf renders the teams of a row's user, each as a row of its own.
func (b *binder) teamsOf(user string) string {
	if b.team == "" {
		t := b.teams
		if t == nil || len(t.users) == 0 {
			b.team = "''"
		} else {
			b.team = "arrayJoin(" + b.bind(t.sets, "Array(Array(String))") + "[1 + transform(" + user + ", " + b.bind(t.users, "Array(String)") + ", " + b.bind(t.set, "Array(Int64)") + ", toInt64(0))])"
		}
	}
	return b.team
}

// teamValues lists the teams that have a member whom the caller sees.
func (e *Engine) teamValues(ctx context.Context, p access.Principal, r ValuesRequest) ([]string, error) {
	q, _, err := e.checkValues(p, ValuesRequest{Dimension: metric.User, From: r.From, To: r.To, Limit: r.Limit})
	if err != nil {
		return nil, err
	}
	if len(r.Filters) > 0 {
		return nil, requestError("filters", r.Filters[0].Dimension, "teams are those of the directory and are not filtered by events", "")
	}
	teams, err := e.memberships(ctx, p.Tenant)
	if err != nil {
		return nil, err
	}
	var out []string
	search := strings.ToLower(r.Search)
	for id, of := range teams {
		if !q.scope.sees(id) {
			continue
		}
		for _, team := range of {
			if strings.Contains(strings.ToLower(team), search) {
				out = append(out, team)
			}
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(q.limit, len(out))], nil
}
