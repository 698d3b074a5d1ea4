package directory

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// By says whose change it is and, unless it is nil, of which revision it was made.
type By struct {
	Author string
	Base   *uint64
}

// PutUser stores a user. Teams, unless nil, are made the user's: they must exist.
func (s *Store) PutUser(ctx context.Context, tenant string, by By, u User) (*Snapshot, error) {
	if err := u.validate(); err != nil {
		return nil, err
	}
	return s.change(ctx, tenant, by, func(now *Snapshot) ([]change, error) {
		changes := []change{putUser(u)}
		if u.Teams == nil {
			return changes, nil
		}
		for _, id := range u.Teams {
			if _, ok := now.teams[id]; !ok {
				return nil, &InvalidError{entryOf(kindUser, u.ID), fmt.Sprintf("there is no team %q: make it first", id)}
			}
		}
		for _, t := range now.teams {
			is, shall := slices.Contains(t.Members, u.ID), slices.Contains(u.Teams, t.ID)
			switch {
			case shall && !is:
				t.Members = append(slices.Clone(t.Members), u.ID)
			case is && !shall:
				t.Members = without(t.Members, u.ID)
			default:
				continue
			}
			changes = append(changes, putTeam(t))
		}
		return changes, nil
	})
}

// DeleteUser removes a user, also from teams.
func (s *Store) DeleteUser(ctx context.Context, tenant string, by By, id string) (*Snapshot, error) {
	return s.change(ctx, tenant, by, func(now *Snapshot) ([]change, error) {
		if _, ok := now.users[id]; !ok {
			return nil, ErrNotFound
		}
		changes := []change{{kindUser, id, nil}}
		for _, t := range now.teams {
			if slices.Contains(t.Members, id) || slices.Contains(t.Managers, id) {
				t.Members, t.Managers = without(t.Members, id), without(t.Managers, id)
				changes = append(changes, putTeam(t))
			}
		}
		return changes, nil
	})
}

// PutTeam stores a team with its members and managers, whether the directory has
// them as users or not.
func (s *Store) PutTeam(ctx context.Context, tenant string, by By, t Team) (*Snapshot, error) {
	if err := t.validate(); err != nil {
		return nil, err
	}
	return s.change(ctx, tenant, by, func(*Snapshot) ([]change, error) { return []change{putTeam(t)}, nil })
}

// DeleteTeam removes a team.
func (s *Store) DeleteTeam(ctx context.Context, tenant string, by By, id string) (*Snapshot, error) {
	return s.change(ctx, tenant, by, func(now *Snapshot) ([]change, error) {
		if _, ok := now.teams[id]; !ok {
			return nil, ErrNotFound
		}
		return []change{{kindTeam, id, nil}}, nil
	})
}

// Replace makes a document the directory: what it does not have is removed.
func (s *Store) Replace(ctx context.Context, tenant string, by By, d *Document) (*Snapshot, error) {
	if err := d.complete(); err != nil {
		return nil, err
	}
	return s.change(ctx, tenant, by, func(now *Snapshot) ([]change, error) {
		var changes []change
		next := newSnapshot(0, d.Users, d.Teams)
		for id, u := range next.users {
			was, ok := now.users[id]
			if u.Teams, was.Teams = nil, nil; !ok || !reflect.DeepEqual(u, was) {
				changes = append(changes, putUser(u))
			}
		}
		for id, t := range next.teams {
			if was, ok := now.teams[id]; !ok || !same(t, was) {
				changes = append(changes, putTeam(t))
			}
		}
		for id := range now.users {
			if _, ok := next.users[id]; !ok {
				changes = append(changes, change{kindUser, id, nil})
			}
		}
		for id := range now.teams {
			if _, ok := next.teams[id]; !ok {
				changes = append(changes, change{kindTeam, id, nil})
			}
		}
		return changes, nil
	})
}

// change reads the directory as it is, edits it and writes what is new in one
// insert, so that nobody sees half of it.
func (s *Store) change(ctx context.Context, tenant string, by By, edit func(*Snapshot) ([]change, error)) (*Snapshot, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	now, err := s.read(ctx, tenant, 0)
	if err != nil {
		return nil, err
	}
	if by.Base != nil && *by.Base != now.revision {
		return nil, ErrChanged
	}
	changes, err := edit(now)
	if err != nil || len(changes) == 0 {
		return now, err
	}
	if err := now.with(changes).Document().checkSize(); err != nil {
		return nil, err
	}
	// Above what it replaces, whatever the clock says.
	version := max(uint64(time.Now().UnixMicro()), now.revision+1)
	r := newRows()
	for _, c := range changes {
		if err := r.add(tenant, by.Author, version, c); err != nil {
			return nil, err
		}
	}
	if err := s.client.Insert(ctx, "directory", r.input()); err != nil {
		return nil, fmt.Errorf("store the directory of %s: %w", tenant, err)
	}
	return s.read(ctx, tenant, 0)
}

// with returns the snapshot after changes.
func (s *Snapshot) with(changes []change) *Snapshot {
	users, teams := make(map[string]User, len(s.users)), make(map[string]Team, len(s.teams))
	for id, u := range s.users {
		users[id] = u
	}
	for id, t := range s.teams {
		teams[id] = t
	}
	for _, c := range changes {
		switch entry := c.document.(type) {
		case User:
			users[c.id] = entry
		case Team:
			teams[c.id] = entry
		default:
			if c.kind == kindUser {
				delete(users, c.id)
			} else {
				delete(teams, c.id)
			}
		}
	}
	var u []User
	for _, entry := range users {
		u = append(u, entry)
	}
	var t []Team
	for _, entry := range teams {
		t = append(t, entry)
	}
	return newSnapshot(s.revision, u, t)
}

func same(a, b Team) bool {
	return a.Name == b.Name && slices.Equal(a.Members, b.Members) && slices.Equal(a.Managers, b.Managers)
}

func without(ids []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(have string) bool { return have == id })
}
