package simulate

import "strconv"

// User is a person who works with a platform.
type User struct {
	ID, Team, Role string // the role is admin, manager or member
}

type user struct {
	id, team, role string
	sessions       float64 // a day, on average over the week
	steadiness     float64 // chance to be active in a fortnight
	taste          uint64  // picks the workflows worked on
}

// Users returns the platform's users.
func (p *Platform) Users() []User {
	out := make([]User, 0, len(p.users))
	for i := range p.users {
		out = append(out, User{p.users[i].id, p.users[i].team, p.users[i].role})
	}
	return out
}

// sessionsPerDay is of an average user.
const sessionsPerDay = 1.6

func (p *Platform) newUsers(n int) []user {
	users := make([]user, n)
	names := len(firstNames) * len(lastNames)
	for i := range users {
		r := seeded(p.seed, purposeUser, uint64(i), 0)
		u := user{team: teams[i%len(teams)], role: "member"}
		switch {
		case i == len(teams)-1:
			u.role = "admin"
		case i < len(teams):
			u.role = "manager"
		}
		// The lists' lengths have no common divisor, so no pair comes twice.
		u.id = firstNames[i%len(firstNames)] + "." + lastNames[i%len(lastNames)]
		if i >= names {
			u.id += strconv.Itoa(i/names + 1)
		}
		u.sessions = sessionsPerDay * min(5, r.logNormal(0.75, 0.8))
		u.steadiness = 0.5 + 0.5*r.float()
		u.taste = r.next()
		users[i] = u
	}
	return users
}
