package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// Database is what is needed of clickhouse.Client.
type Database interface {
	Do(ctx context.Context, q clickhouse.Query) error
	Insert(ctx context.Context, table string, blocks ...proto.Input) error
}

// Store keeps dead letters.
type Store struct{ reader, writer Database }

// NewStore returns a Store. The reader may be a user who may only select.
func NewStore(reader, writer Database) (*Store, error) {
	if reader == nil || writer == nil {
		return nil, errors.New("deadletter: it needs two ClickHouse clients, which may be one")
	}
	return &Store{reader: reader, writer: writer}, nil
}

// Filter restricts a list; what is empty restricts nothing.
type Filter struct {
	From, To time.Time // of receipt
	Sources  []string
	Kinds    []string
	Codes    []string
	Fields   []string
	Keys     []string
	States   []State
	Search   string // part of payload or message, in any case
}

// Page says which part of a list is wanted.
type Page struct {
	After   string // the id of the last one before it
	Limit   int
	Payload int // the most bytes of each payload
}

// whole asks for payloads as they are kept.
const whole = 1 << 30

func (f *Filter) bind(b *binder) {
	if !f.From.IsZero() {
		b.and("version >= {from:UInt64}", map[string]any{"from": micros(f.From)})
	}
	if !f.To.IsZero() {
		b.and("version < {to:UInt64}", map[string]any{"to": micros(f.To)})
	}
	states := make([]string, len(f.States))
	for i, s := range f.States {
		states[i] = string(s)
	}
	for _, in := range []struct {
		column string
		values []string
	}{
		{"source", f.Sources},
		{"kind", f.Kinds},
		{"code", f.Codes},
		{"field", f.Fields},
		{"key_id", f.Keys},
		{"state", states},
	} {
		if len(in.values) > 0 {
			b.and("toString("+in.column+") IN {"+in.column+"s:Array(String)}", map[string]any{in.column + "s": in.values})
		}
	}
	if f.Search != "" {
		b.and("(positionCaseInsensitiveUTF8(payload, {search:String}) > 0 OR positionCaseInsensitiveUTF8(message, {search:String}) > 0)",
			map[string]any{"search": f.Search})
	}
}

func micros(t time.Time) uint64 { return uint64(max(0, t.UnixMicro())) }

// List returns dead letters, the one received last first, and the id after which
// the next page begins, "" when there is none.
func (s *Store) List(ctx context.Context, scope Scope, f Filter, page Page) (letters []Letter, next string, err error) {
	b := scope.bind()
	f.bind(b)
	if page.After != "" {
		at, err := parseID(page.After)
		if err != nil {
			return nil, "", err
		}
		b.and("version <= {version:UInt64} AND (version, log, partition) < ({version:UInt64}, {log:String}, {partition:Int64})",
			map[string]any{"version": at.version, "log": at.log, "partition": int64(at.partition)})
	}
	letters, err = s.read(ctx, b, page.Limit+1, page.Payload)
	if err == nil && len(letters) > page.Limit {
		letters = letters[:page.Limit]
		next = letters[page.Limit-1].ID
	}
	return letters, next, err
}

// Get returns one dead letter with all that is kept of its payload. It returns
// ErrNotFound when the tenant has none of that id.
func (s *Store) Get(ctx context.Context, scope Scope, id string) (Letter, error) {
	at, err := parseID(id)
	if err != nil {
		return Letter{}, err
	}
	b := scope.bind()
	b.and("version = {version:UInt64} AND log = {log:String} AND partition = {partition:Int64}",
		map[string]any{"version": at.version, "log": at.log, "partition": int64(at.partition)})
	letters, err := s.read(ctx, b, 1, whole)
	switch {
	case err != nil:
		return Letter{}, err
	case len(letters) == 0:
		return Letter{}, ErrNotFound
	}
	return letters[0], nil
}

func (s *Store) read(ctx context.Context, b *binder, limit, payload int) ([]Letter, error) {
	b.params["payload"] = payload
	rows := newRows()
	var out []Letter
	err := s.reader.Do(ctx, clickhouse.Query{
		SQL: fmt.Sprintf("SELECT %s\nFROM dead_letters FINAL\nWHERE %s\nORDER BY version DESC, log DESC, partition DESC\nLIMIT %d",
			rows.selected(), strings.Join(b.conditions, " AND "), limit),
		Params: b.params,
		Result: rows.results(),
		OnResult: func(context.Context, proto.Block) error {
			for i := range rows.version.Rows() {
				out = append(out, rows.letter(i))
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	return out, nil
}

// Discard notes that a dead letter is not wanted. It stays, and may be replayed.
func (s *Store) Discard(ctx context.Context, scope Scope, id string) (Letter, error) {
	l, err := s.Get(ctx, scope, id)
	switch {
	case err != nil:
		return l, err
	case l.State == Replayed:
		return l, ErrReplayed
	case l.State == Discarded:
		return l, nil
	}
	l.become(Discarded, scope, nil)
	return l, s.put(ctx, scope, []Letter{l})
}

// become changes a letter, which has to be put then.
func (l *Letter) become(state State, scope Scope, became []Event) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	l.State, l.ChangedAt, l.ChangedBy, l.Became = state, now, scope.keyID, became
	l.change = max(l.change+1, micros(time.Now()))
}

// put writes letters, which were read with their whole payload, as they are now.
func (s *Store) put(ctx context.Context, scope Scope, letters []Letter) error {
	if len(letters) == 0 {
		return nil
	}
	rows := newRows()
	for i := range letters {
		rows.append(scope.tenant, &letters[i])
	}
	if err := s.writer.Insert(ctx, "dead_letters", rows.input()); err != nil {
		return fmt.Errorf("change dead letters: %w", err)
	}
	return nil
}
