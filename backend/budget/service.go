package budget

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Config is what a Service needs.
type Config struct {
	Store *Store
	// Members lists a team's members. Nil: budgets for teams are for administrators only.
	Members func(ctx context.Context, tenant, team string) ([]string, error)
	Now     func() time.Time // nil is time.Now
}

// Service looks after budgets on behalf of those who ask. It is what endpoints call,
// and what query asks for the kind budgets.
type Service struct{ cfg Config }

// NewService returns a Service.
func NewService(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("budget: no store")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg}, nil
}

// List returns the budgets that the principal may see, by id.
func (s *Service) List(ctx context.Context, p access.Principal) ([]Budget, error) {
	all, err := s.cfg.Store.list(ctx, p.Tenant, "")
	if err != nil {
		return nil, err
	}
	out := []Budget{}
	for i := range all {
		ok, err := s.visible(ctx, p, &all[i])
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, all[i])
		}
	}
	return out, nil
}

// Get returns a budget, or ErrNotFound.
func (s *Service) Get(ctx context.Context, p access.Principal, id string) (Budget, error) {
	b, err := s.find(ctx, p.Tenant, id)
	if err != nil {
		return Budget{}, err
	}
	ok, err := s.visible(ctx, p, &b)
	if err == nil && !ok {
		err = ErrNotFound
	}
	if err != nil {
		return Budget{}, err
	}
	return b, nil
}

func (s *Service) find(ctx context.Context, tenant, id string) (Budget, error) {
	if !idPattern.MatchString(id) {
		return Budget{}, ErrNotFound
	}
	found, err := s.cfg.Store.list(ctx, tenant, id)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Budget{}, err
	}
	return found[0], nil
}

// Put stores a budget. base is the revision that it was made from, 0 for a new one;
// ErrChanged says that another one stands by now. Whoever changes a budget must be
// allowed to change what it was and what it becomes.
func (s *Service) Put(ctx context.Context, p access.Principal, author string, b Budget, base uint64) (Budget, error) {
	if err := b.Validate(); err != nil {
		return Budget{}, err
	}
	if err := s.mayChange(ctx, p, &b); err != nil {
		return Budget{}, err
	}
	if err := s.unchanged(ctx, p, b.ID, base); err != nil {
		return Budget{}, err
	}
	if base == 0 {
		all, err := s.cfg.Store.list(ctx, p.Tenant, "")
		if err != nil {
			return Budget{}, err
		}
		if len(all) >= MaxBudgets {
			return Budget{}, &InvalidError{"id", fmt.Sprintf("a tenant has at most %d budgets: delete one first", MaxBudgets)}
		}
	}
	return s.cfg.Store.put(ctx, p.Tenant, author, b, base, false)
}

// Delete removes a budget of that revision.
func (s *Service) Delete(ctx context.Context, p access.Principal, author, id string, base uint64) error {
	b, err := s.Get(ctx, p, id)
	if err != nil {
		return err
	}
	if err := s.mayChange(ctx, p, &b); err != nil {
		return err
	}
	if b.Revision != base {
		return ErrChanged
	}
	_, err = s.cfg.Store.put(ctx, p.Tenant, author, b, base, true)
	return err
}

func (s *Service) unchanged(ctx context.Context, p access.Principal, id string, base uint64) error {
	old, err := s.find(ctx, p.Tenant, id)
	if errors.Is(err, ErrNotFound) {
		if base != 0 {
			return ErrChanged
		}
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.mayChange(ctx, p, &old); err != nil {
		return err
	}
	if old.Revision != base {
		return ErrChanged
	}
	return nil
}
