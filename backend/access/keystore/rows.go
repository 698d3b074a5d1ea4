package keystore

import (
	"crypto/sha256"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/access"
)

// column is one of a table, read and written under the same name.
type column struct {
	name string
	data proto.Column
}

// columns are those of api_keys, for reading and for writing.
type columns struct {
	id, tenant, name, certificate, user      proto.ColStr
	version                                  proto.ColUInt64
	scopes                                   *proto.ColArr[string]
	role                                     *proto.ColLowCardinality[string]
	crossTenant                              proto.ColUInt8
	hash, previousHash                       proto.ColFixedStr
	events, requests, burst                  *proto.ColNullable[float64]
	previousUntil, created, expires, revoked *proto.ColDateTime64
}

func newColumns() *columns {
	when := func() *proto.ColDateTime64 { return new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli) }
	limit := func() *proto.ColNullable[float64] { return proto.NewColNullable[float64](new(proto.ColFloat64)) }
	return &columns{
		scopes: new(proto.ColStr).LowCardinality().Array(), role: new(proto.ColStr).LowCardinality(),
		hash: proto.ColFixedStr{Size: sha256.Size}, previousHash: proto.ColFixedStr{Size: sha256.Size},
		events: limit(), requests: limit(), burst: limit(),
		previousUntil: when(), created: when(), expires: when(), revoked: when(),
	}
}

func (c *columns) all() []column {
	return []column{
		{"id", &c.id},
		{"version", &c.version},
		{"tenant", &c.tenant},
		{"name", &c.name},
		{"scopes", c.scopes},
		{"cross_tenant", &c.crossTenant},
		{"role", c.role},
		{"user_id", &c.user},
		{"hash", &c.hash},
		{"previous_hash", &c.previousHash},
		{"previous_until", c.previousUntil},
		{"certificate", &c.certificate},
		{"events_per_second", c.events},
		{"requests_per_second", c.requests},
		{"burst_seconds", c.burst},
		{"created_at", c.created},
		{"expires_at", c.expires},
		{"revoked_at", c.revoked},
	}
}

// query returns the statement that reads every key, and where its rows go.
func (c *columns) query() (string, proto.Results) {
	var names []string
	var out proto.Results
	for _, col := range c.all() {
		names = append(names, col.name)
		out = append(out, proto.ResultColumn{Name: col.name, Data: col.data})
	}
	return "SELECT " + strings.Join(names, ", ") + " FROM api_keys FINAL", out
}

func (c *columns) input() proto.Input {
	var out proto.Input
	for _, col := range c.all() {
		out = append(out, proto.InputColumn{Name: col.name, Data: col.data})
	}
	return out
}

func (c *columns) add(k Key) {
	c.id.Append(k.ID)
	c.version.Append(k.Version)
	c.tenant.Append(k.Tenant)
	c.name.Append(k.Name)
	scopes := make([]string, len(k.Scopes))
	for i, scope := range k.Scopes {
		scopes[i] = string(scope)
	}
	c.scopes.Append(scopes)
	crossTenant := uint8(0)
	if k.CrossTenant {
		crossTenant = 1
	}
	c.crossTenant.Append(crossTenant)
	c.role.Append(string(k.Role))
	c.user.Append(k.UserID)
	c.hash.Append(k.Hash[:])
	c.previousHash.Append(k.PreviousHash[:])
	c.certificate.Append(k.Certificate)
	for col, limit := range map[*proto.ColNullable[float64]]*float64{
		c.events: k.Limits.EventsPerSecond, c.requests: k.Limits.RequestsPerSecond, c.burst: k.Limits.BurstSeconds,
	} {
		if limit == nil {
			col.Append(proto.Null[float64]())
		} else {
			col.Append(proto.NewNullable(*limit))
		}
	}
	for col, t := range map[*proto.ColDateTime64]time.Time{
		c.previousUntil: k.PreviousUntil, c.created: k.CreatedAt, c.expires: k.ExpiresAt, c.revoked: k.RevokedAt,
	} {
		if t.IsZero() {
			col.AppendRaw(0)
		} else {
			col.Append(t)
		}
	}
}

func (c *columns) row(i int) Key {
	when := func(col *proto.ColDateTime64) time.Time {
		if t := col.Row(i); t.Unix() > 0 {
			return t.UTC()
		}
		return time.Time{}
	}
	limit := func(col *proto.ColNullable[float64]) *float64 {
		if v := col.Row(i); v.Set {
			return &v.Value
		}
		return nil
	}
	k := Key{
		ID: c.id.Row(i), Version: c.version.Row(i), Tenant: c.tenant.Row(i), Name: c.name.Row(i),
		CrossTenant: c.crossTenant.Row(i) != 0, Role: access.Role(c.role.Row(i)), UserID: c.user.Row(i), Certificate: c.certificate.Row(i),
		Limits:        access.Limits{EventsPerSecond: limit(c.events), RequestsPerSecond: limit(c.requests), BurstSeconds: limit(c.burst)},
		PreviousUntil: when(c.previousUntil), CreatedAt: when(c.created), ExpiresAt: when(c.expires), RevokedAt: when(c.revoked),
	}
	copy(k.Hash[:], c.hash.Row(i))
	copy(k.PreviousHash[:], c.previousHash.Row(i))
	for _, scope := range c.scopes.Row(i) {
		k.Scopes = append(k.Scopes, access.Scope(scope))
	}
	return k
}
