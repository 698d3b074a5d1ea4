// Package audit keeps who read what, so that nobody can change it unnoticed.
//
//	query.Engine ──> Log.Audit ──> queue ──> chain: SHA-256 of (hash before, record) ──> audit_log
//
// Each process has a chain of its own in each tenant, whose first record names the
// head of the newest chain that was there. A record that is changed, removed or put in
// breaks a chain; Verify says where. What it cannot see is the end of the newest chain
// of each writer being cut off: hence the heads go to the log as well.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Filter is a filter of a question.
type Filter struct {
	Dimension string   `json:"dimension"`
	Operator  string   `json:"operator"`
	Values    []string `json:"values"`
}

// Record is one reading. Its JSON, whose members have this order, is what is hashed.
type Record struct {
	Chain    string    `json:"chain"`
	Sequence uint64    `json:"sequence"`
	At       time.Time `json:"at"`
	Tenant   string    `json:"tenant"`

	KeyID   string      `json:"keyId,omitempty"`
	UserID  string      `json:"userId,omitempty"`
	Role    access.Role `json:"role,omitempty"`
	Surface string      `json:"surface,omitempty"`

	Kind    string            `json:"kind"`
	Metrics []string          `json:"metrics,omitempty"`
	From    time.Time         `json:"from"`
	To      time.Time         `json:"to"`
	GroupBy []string          `json:"groupBy,omitempty"`
	Filters []Filter          `json:"filters,omitempty"`
	Params  map[string]string `json:"params,omitempty"`

	Scope   string `json:"scope,omitempty"` // all, team, own
	Users   int    `json:"users,omitempty"` // in the scope
	Rows    int    `json:"rows"`
	Outcome string `json:"outcome"`

	// Dropped is how many readings before this one could not be kept.
	Dropped uint64 `json:"dropped,omitempty"`
	// Continues is, in a chain's first record, the head that it found.
	Continues *Head `json:"continues,omitempty"`
}

// Head is the last record of a chain.
type Head struct {
	Chain    string `json:"chain"`
	Sequence uint64 `json:"sequence"`
	Hash     string `json:"hash"`
}

type hash [sha256.Size]byte

func (h hash) String() string { return hex.EncodeToString(h[:]) }

// seal returns a record's text and its hash behind the one before it.
func seal(previous hash, r *Record) (string, hash, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return "", hash{}, fmt.Errorf("write an audit record: %w", err)
	}
	return string(text), chained(previous, string(text)), nil
}

func chained(previous hash, text string) hash {
	return sha256.Sum256(append(previous[:], text...))
}
