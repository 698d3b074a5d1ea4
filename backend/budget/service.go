package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

// Config is what a Service needs.
type Config struct {
	Store *Store
	// Members lists a team's members. Nil: budgets for teams are for administrators only.
	Members func(ctx context.Context, tenant, team string) ([]string, error)
	// Notifiers are the names that a tenant's budgets may have in notify; nil: none.
	Notifiers func(tenant string) []string
	// Forecasters are those that budgets may name; nil: there are none but Flowgauge's own.
	Forecasters query.Forecasters
	Now         func() time.Time // nil is time.Now
}

// Service looks after budgets on behalf of those who ask. It is what endpoints call,
// and what query asks for the kind budgets.
type Service struct {
	cfg Config
	// changing lets this process's changes come one after the other: what is checked
	// still stands when it is replaced.
	changing sync.Mutex
}

// NewService returns a Service.
func NewService(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("budget: no store")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg}, nil
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

// Change is what a budget becomes. Base is the revision that it was made from, 0 for a
// new one; Any is whichever stands, if one does.
type Change struct {
	Budget Budget
	Base   uint64
	Any    bool
}

// ChangeError says which of several changes was refused.
type ChangeError struct {
	Index int
	Err   error
}

func (e *ChangeError) Error() string { return fmt.Sprintf("change %d: %v", e.Index, e.Err) }

// Unwrap returns why.
func (e *ChangeError) Unwrap() error { return e.Err }

// Put stores a budget. base is the revision that it was made from, 0 for a new one;
// ErrChanged says that another one stands by now. Whoever changes a budget must be
// allowed to change what it was and what it becomes.
func (s *Service) Put(ctx context.Context, p access.Principal, author string, b Budget, base uint64) (Budget, error) {
	out, err := s.Change(ctx, p, author, []Change{{Budget: b, Base: base}})
	var one *ChangeError
	if errors.As(err, &one) {
		return Budget{}, one.Err
	}
	if err != nil {
		return Budget{}, err
	}
	return out[0], nil
}

// Change stores all of several budgets, or none: a ChangeError says which one is in the
// way. For each it is as with Put.
func (s *Service) Change(ctx context.Context, p access.Principal, author string, changes []Change) ([]Budget, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	list, err := s.cfg.Store.list(ctx, p.Tenant, "")
	if err != nil {
		return nil, err
	}
	standing := make(map[string]*Budget, len(list))
	for i := range list {
		standing[list[i].ID] = &list[i]
	}
	revised, given := make([]revision, len(changes)), map[string]bool{}
	room := MaxBudgets - len(list)
	for i := range changes {
		c := &changes[i]
		old := standing[c.Budget.ID]
		if old == nil {
			room--
		}
		err := s.check(ctx, p, c, old)
		switch {
		case err != nil:
		case given[c.Budget.ID]:
			err = &InvalidError{"id", fmt.Sprintf("%q is given twice", c.Budget.ID)}
		case old == nil && room < 0:
			err = &InvalidError{"id", fmt.Sprintf("a tenant has at most %d budgets: delete one first", MaxBudgets)}
		}
		if err != nil {
			return nil, &ChangeError{i, err}
		}
		given[c.Budget.ID] = true
		revised[i].Budget = c.Budget
		if old != nil {
			revised[i].base = old.Revision
		}
	}
	return s.cfg.Store.put(ctx, p.Tenant, author, revised, false)
}

// check reports why a budget cannot take the place of the one that stands, if one does.
func (s *Service) check(ctx context.Context, p access.Principal, c *Change, old *Budget) error {
	if err := c.Budget.Validate(); err != nil {
		return err
	}
	if by := c.Budget.Forecaster; by != "" && !slices.Contains(s.cfg.Forecasters.Names(ctx), by) {
		return &InvalidError{"forecaster", fmt.Sprintf("there is no forecaster %q; there are: %s", by, strings.Join(s.cfg.Forecasters.Names(ctx), ", "))}
	}
	if err := s.mayChange(ctx, p, &c.Budget); err != nil {
		return err
	}
	if err := s.knowNotifiers(p.Tenant, c.Budget.Notify); err != nil {
		return err
	}
	if old == nil {
		if c.Base != 0 || c.Any {
			return ErrChanged
		}
		return nil
	}
	if err := s.mayChange(ctx, p, old); err != nil {
		return err
	}
	if !c.Any && old.Revision != c.Base {
		return ErrChanged
	}
	return nil
}

// knowNotifiers wants names that messages can be sent to.
func (s *Service) knowNotifiers(tenant string, names []string) error {
	var known []string
	if s.cfg.Notifiers != nil {
		known = s.cfg.Notifiers(tenant)
	}
	for _, name := range names {
		switch {
		case slices.Contains(known, name):
		case len(known) == 0:
			return &InvalidError{"notify", fmt.Sprintf("there is no notifier %q, nor any other: leave notify out, or have one configured", name)}
		default:
			return &InvalidError{"notify", fmt.Sprintf("there is no notifier %q; there are: %s", name, strings.Join(known, ", "))}
		}
	}
	return nil
}

// Delete removes a budget of that revision; 0 is whichever stands.
func (s *Service) Delete(ctx context.Context, p access.Principal, author, id string, base uint64) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	b, err := s.Get(ctx, p, id)
	if err != nil {
		return err
	}
	if err := s.mayChange(ctx, p, &b); err != nil {
		return err
	}
	if base != 0 && b.Revision != base {
		return ErrChanged
	}
	_, err = s.cfg.Store.put(ctx, p.Tenant, author, []revision{{b, b.Revision}}, true)
	return err
}

// Notifying lists the tenants that have budgets which name notifiers.
func (s *Service) Notifying(ctx context.Context) ([]string, error) { return s.cfg.Store.notifying(ctx) }
