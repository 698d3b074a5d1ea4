// Package policy keeps what a tenant's roles do not see of what is within their
// scope: users' ids, figures about few users, fields. Package query applies it.
package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"go.yaml.in/yaml/v3"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// MaxBytes is how long a document may be.
const MaxBytes = 64 << 10

// ttl is how long a change takes to reach every process.
const ttl = 5 * time.Second

// ErrNoKey says that a policy wants pseudonyms and this process cannot make them.
var ErrNoKey = errors.New("the tenant's policy wants pseudonyms, and no key is configured (privacy.key_file, or in a Grafana datasource its pseudonym key)")

// Document is a tenant's policy: what holds for each role.
type Document struct {
	Roles map[access.Role]Rule `yaml:"roles" json:"roles"`
}

// Rule is what holds for a role.
type Rule struct {
	// Pseudonyms puts keyed pseudonyms in the place of users' ids.
	Pseudonyms bool `yaml:"pseudonyms,omitempty" json:"pseudonyms,omitempty"`
	// MinimumUsers withholds figures about fewer users; 0 withholds none.
	MinimumUsers int `yaml:"minimumUsers,omitempty" json:"minimumUsers,omitempty"`
	// Redact names fields and dimensions that are not shown, e.g. sample or metadata.*.
	Redact []string `yaml:"redact,omitempty" json:"redact,omitempty"`
}

// Parse reads a document from YAML or JSON and checks it.
func Parse(text []byte) (*Document, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("the policy has %d bytes; it may have %d", len(text), MaxBytes)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	d := new(Document)
	if err := decoder.Decode(d); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the policy is empty: write 'roles: {}' to keep nothing back")
		}
		return nil, fmt.Errorf("read the policy: %w", err)
	}
	return d, d.validate()
}

func (d *Document) validate() error {
	for role, rule := range d.Roles {
		if !slices.Contains([]access.Role{access.RoleViewer, access.RoleManager, access.RoleAdmin}, role) {
			return fmt.Errorf("roles has %q: it is viewer, manager or admin", role)
		}
		if rule.MinimumUsers < 0 || rule.MinimumUsers > 1000 {
			return fmt.Errorf("roles.%s.minimumUsers is %d: it is between 0 and 1000, e.g. 5", role, rule.MinimumUsers)
		}
		if len(rule.Redact) > 100 {
			return fmt.Errorf("roles.%s.redact has %d names; it may have 100", role, len(rule.Redact))
		}
		for _, name := range rule.Redact {
			if at := strings.Index(name, "*"); name == "" || name == "*" || at >= 0 && at != len(name)-1 {
				return fmt.Errorf("roles.%s.redact has %q: give a field or dimension, with * at its end only, e.g. sample or metadata.*", role, name)
			}
		}
	}
	return nil
}

// Store keeps policies and answers from a copy of a few seconds. While the database
// is away a copy stays in force.
type Store struct {
	client *clickhouse.Client
	mu     sync.Mutex
	held   map[string]*held
}

// held is a tenant's copy. One of those who find it old reads it anew, and the others
// wait: thousands may come at the same moment.
type held struct {
	mu       sync.Mutex
	document *Document
	until    time.Time
}

// NewStore returns a store.
func NewStore(client *clickhouse.Client) *Store {
	return &Store{client: client, held: map[string]*held{}}
}

// Rule returns what holds for a role now.
func (s *Store) Rule(ctx context.Context, tenant string, role access.Role) (Rule, error) {
	h := s.of(tenant)
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); !now.Before(h.until) {
		d, _, err := s.Current(ctx, tenant)
		switch {
		case err == nil:
			h.document, h.until = d, now.Add(ttl)
		case h.document == nil || ctx.Err() != nil: // another has more time to ask
			return Rule{}, err
		default:
			h.until = now.Add(retry)
		}
	}
	return h.document.Roles[role], nil
}

// retry is after how long a database that is away is asked again.
const retry = time.Second

func (s *Store) of(tenant string) *held {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[tenant]
	if h == nil {
		h = &held{}
		s.held[tenant] = h
	}
	return h
}

// Current returns the policy in force and its revision; none is one that keeps
// nothing back, of revision 0.
func (s *Store) Current(ctx context.Context, tenant string) (*Document, uint64, error) {
	var document proto.ColStr
	var revision proto.ColUInt64
	d, at := &Document{}, uint64(0)
	err := s.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT revision, document FROM access_policies WHERE tenant = {tenant:String} ORDER BY revision DESC LIMIT 1",
		Params: map[string]any{"tenant": tenant},
		Result: proto.Results{{Name: "revision", Data: &revision}, {Name: "document", Data: &document}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range revision.Rows() {
				at = revision.Row(i)
				if err := json.Unmarshal(document.RowBytes(i), d); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the access policy of %s: %w", tenant, err)
	}
	return d, at, nil
}

// Put makes a document the tenant's policy and returns its revision.
func (s *Store) Put(ctx context.Context, tenant, author string, d *Document) (uint64, error) {
	if err := d.validate(); err != nil {
		return 0, err
	}
	_, base, err := s.Current(ctx, tenant)
	if err != nil {
		return 0, err
	}
	document, err := json.Marshal(d)
	if err != nil {
		return 0, fmt.Errorf("write the access policy: %w", err)
	}
	revision := max(uint64(time.Now().UnixMicro()), base+1)
	err = s.client.Exec(ctx, "INSERT INTO access_policies (tenant, revision, document, author) SELECT {tenant:String}, {revision:UInt64}, {document:String}, {author:String}",
		map[string]any{"tenant": tenant, "revision": revision, "document": string(document), "author": author})
	if err != nil {
		return 0, fmt.Errorf("store the access policy: %w", err)
	}
	h := s.of(tenant)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.document, h.until = d, time.Now().Add(ttl)
	return revision, nil
}
