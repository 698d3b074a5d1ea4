package keystore

import (
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Description is what others are told of a key: everything but its hashes.
type Description struct {
	ID          string         `json:"id"`
	Tenant      string         `json:"tenant"`
	Name        string         `json:"name"`
	Scopes      []access.Scope `json:"scopes"`
	CrossTenant bool           `json:"crossTenant"`
	Role        access.Role    `json:"role,omitempty"`
	UserID      string         `json:"userId,omitempty"`
	State       State          `json:"state"`
	Certificate string         `json:"certificate,omitempty"`
	Limits      access.Limits  `json:"limits"`
	CreatedAt   time.Time      `json:"createdAt"`
	ExpiresAt   *time.Time     `json:"expiresAt,omitempty"`
	RevokedAt   *time.Time     `json:"revokedAt,omitempty"`
	LastUsedAt  *time.Time     `json:"lastUsedAt,omitempty"`
	// PreviousSecretUntil is when the secret from before the last rotation ends.
	PreviousSecretUntil *time.Time `json:"previousSecretUntil,omitempty"`
}

// Describe returns what others are told of a key.
func Describe(k Key, lastUsed, now time.Time) Description {
	when := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	d := Description{
		ID: k.ID, Tenant: k.Tenant, Name: k.Name, Scopes: k.Scopes, CrossTenant: k.CrossTenant,
		Role: k.Role, UserID: k.UserID, State: k.State(now),
		Certificate: k.Certificate, Limits: k.Limits, CreatedAt: k.CreatedAt,
		ExpiresAt: when(k.ExpiresAt), RevokedAt: when(k.RevokedAt), LastUsedAt: when(lastUsed),
	}
	if d.State == StateRotating {
		d.PreviousSecretUntil = when(k.PreviousUntil)
	}
	return d
}
