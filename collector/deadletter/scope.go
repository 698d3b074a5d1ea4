package deadletter

import (
	"github.com/flowgauge/flowgauge/backend/access"
)

// Scope is whose dead letters are read, and who reads. Nothing else than ScopeOf makes
// one, and every statement is built from one.
type Scope struct {
	tenant      string
	keyID       string
	crossTenant bool
}

// ScopeOf gives administrators the dead letters of their tenant: a payload may be
// about anybody in it, and whose it is cannot be told of what could not be read.
func ScopeOf(p access.Principal) (Scope, error) {
	if p.Tenant == "" || p.Role != access.RoleAdmin {
		return Scope{}, ErrForbidden
	}
	return Scope{tenant: p.Tenant, keyID: p.KeyID, crossTenant: p.CrossTenant}, nil
}

// binder collects a statement's conditions with their values.
type binder struct {
	conditions []string
	params     map[string]any
}

func (s Scope) bind() *binder {
	return &binder{conditions: []string{"tenant = {tenant:String}"}, params: map[string]any{"tenant": s.tenant}}
}

// and adds a condition, whose values are bound under their names.
func (b *binder) and(condition string, params map[string]any) {
	b.conditions = append(b.conditions, condition)
	for name, value := range params {
		b.params[name] = value
	}
}
