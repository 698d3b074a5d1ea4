package query

import (
	"context"
	"strings"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// Names says what users are called to a principal outside of answers: in budgets, and in
// what documents say of their owners. Nil keeps nothing back.
type Names struct{ g *guard }

// Names returns what the policy of who asks has users called.
func (e *Engine) Names(ctx context.Context, p access.Principal) (*Names, error) {
	g, err := e.guard(ctx, p)
	if err != nil {
		return nil, err
	}
	return &Names{g}, nil
}

// keyOwner begins the name of an owner who is a program, by its key.
const keyOwner = "key:"

// Shown returns what stands for a user's id.
func (n *Names) Shown(id string) string {
	switch {
	case n == nil || id == "" || strings.HasPrefix(id, keyOwner):
		return id
	case n.g.redacts(metric.User):
		return Redacted
	case len(n.g.PseudonymKey) == 0:
		return id
	}
	return n.g.e.pseudonyms.of(n.g.p.Tenant, n.g.PseudonymKey, id)
}

// Meant returns the user whom a caller names. ok is false for an id, where the caller
// sees pseudonyms: an answer that turned it into one would tell who is who.
func (n *Names) Meant(ctx context.Context, text string) (id string, ok bool, err error) {
	if n == nil || text == "" || strings.HasPrefix(text, keyOwner) || len(n.g.PseudonymKey) == 0 && !n.g.redacts(metric.User) {
		return text, true, nil
	}
	if len(n.g.PseudonymKey) == 0 {
		return "", false, nil
	}
	ids, err := n.g.ids(ctx, earliest.UnixMilli(), n.g.e.now().UnixMilli(), []string{text})
	if err != nil || ids[0] == nobody {
		return "", false, err
	}
	return ids[0], true, nil
}

// Keep reports whether anything is kept back from the caller, so that what cannot be
// shown in part, such as an event as it was sent, must not be shown at all.
func (n *Names) Keep() bool {
	return n != nil && (len(n.g.PseudonymKey) > 0 || n.g.Minimum > 1 || len(n.g.Redact) > 0)
}
