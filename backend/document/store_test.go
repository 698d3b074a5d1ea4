package document

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func who(tenant string, role access.Role, user string) access.Principal {
	return access.Principal{Tenant: tenant, Role: role, UserID: user, KeyID: "k"}
}

func TestDocuments(t *testing.T) {
	client := schematest.Client(t)
	s := NewStore(client, Dashboard)
	ctx, ann, bob, boss := t.Context(), who("acme", access.RoleViewer, "ann"), who("acme", access.RoleViewer, "bob"), who("acme", access.RoleAdmin, "")
	stranger := who("other", access.RoleAdmin, "ann")

	mine, err := s.Create(ctx, ann, Document{Name: "b", Body: json.RawMessage(`{"a":"it's \\ 1"}`)})
	require.NoError(t, err)
	shared, err := s.Create(ctx, ann, Document{Name: "A", Public: true, Body: json.RawMessage(`{}`)})
	require.NoError(t, err)
	got, err := s.Get(ctx, ann, mine.ID)
	require.NoError(t, err)
	require.Equal(t, mine, got)

	names := func(p access.Principal) []string {
		var out []string
		for page := (Page{Limit: 1}); ; {
			list, next, err := s.List(ctx, p, page)
			require.NoError(t, err)
			for _, d := range list {
				require.NotEmpty(t, d.Body)
				out = append(out, d.Name)
			}
			if page.After = next; next == "" {
				return out
			}
		}
	}
	require.Equal(t, []string{"A", "b"}, names(ann))
	require.Equal(t, []string{"A"}, names(bob))
	require.Equal(t, []string{"A", "b"}, names(boss))
	require.Empty(t, names(stranger))
	other := NewStore(client, Report)
	_, err = other.Get(ctx, ann, mine.ID)
	require.ErrorIs(t, err, ErrNotFound)
	for _, p := range []access.Principal{bob, stranger} {
		_, err = s.Get(ctx, p, mine.ID)
		require.ErrorIs(t, err, ErrNotFound)
		require.ErrorIs(t, s.Delete(ctx, p, mine.ID, 0), ErrNotFound)
	}
	rename := func(d *Document) error { d.Name = "c"; d.Owner = "bob"; return nil }
	_, err = s.Change(ctx, bob, shared.ID, 0, rename)
	require.ErrorIs(t, err, ErrForbidden)
	changed, err := s.Change(ctx, ann, mine.ID, mine.Version, rename)
	require.NoError(t, err)
	require.Equal(t, "ann", changed.Owner, "a document keeps its owner")
	require.Greater(t, changed.Version, mine.Version)
	_, err = s.Change(ctx, ann, mine.ID, mine.Version, rename)
	require.ErrorIs(t, err, ErrChanged)
	require.ErrorIs(t, s.Delete(ctx, boss, mine.ID, mine.Version), ErrChanged)
	require.NoError(t, s.Delete(ctx, boss, mine.ID, changed.Version))
	_, err = s.Get(ctx, ann, mine.ID)
	require.ErrorIs(t, err, ErrNotFound)
	require.Equal(t, []string{"A"}, names(ann))
	_, _, err = s.List(ctx, ann, Page{After: "gone", Limit: 1})
	require.ErrorIs(t, err, ErrNotFound)
}

// Of two processes' changes from one version the first stands, and the other is told.
func TestChangesSideBySide(t *testing.T) {
	client := schematest.Client(t)
	a, b := NewStore(client, Dashboard), NewStore(client, Dashboard)
	ann := who("acme", access.RoleViewer, "ann")
	made, err := a.Create(t.Context(), ann, Document{Name: "x", Body: json.RawMessage(`{}`)})
	require.NoError(t, err)
	_, err = b.Change(t.Context(), ann, made.ID, made.Version, func(d *Document) error {
		d.Name = "late"
		_, err := a.Change(t.Context(), ann, made.ID, made.Version, func(d *Document) error { d.Name = "first"; return nil })
		require.NoError(t, err)
		return nil
	})
	require.ErrorIs(t, err, ErrChanged)
	got, err := b.Get(t.Context(), ann, made.ID)
	require.NoError(t, err)
	require.Equal(t, "first", got.Name)

	// A clock that stands still gives versions all the same.
	a.now = func() time.Time { return time.Unix(0, 0) }
	again, err := a.Change(t.Context(), ann, made.ID, 0, func(d *Document) error { d.Name = "again"; return nil })
	require.NoError(t, err)
	require.Equal(t, got.Version+1, again.Version)
}

// A tenant has a bounded number of documents of a kind, whoever's they are. Those that
// were deleted do not count, and another tenant's do not.
func TestTooManyDocuments(t *testing.T) {
	s := NewStore(schematest.Client(t), Report)
	s.most = 2
	ann, boss := who("acme", access.RoleViewer, "ann"), who("acme", access.RoleAdmin, "")
	first, err := s.Create(t.Context(), ann, Document{Name: "1", Body: json.RawMessage(`{}`)})
	require.NoError(t, err)
	_, err = s.Create(t.Context(), boss, Document{Name: "2", Body: json.RawMessage(`{}`)})
	require.NoError(t, err)
	_, err = s.Create(t.Context(), ann, Document{Name: "3", Body: json.RawMessage(`{}`)})
	require.ErrorIs(t, err, ErrFull)
	require.ErrorContains(t, err, "a tenant may have 2 reports")
	_, err = s.Create(t.Context(), who("other", access.RoleViewer, "ann"), Document{Name: "3", Body: json.RawMessage(`{}`)})
	require.NoError(t, err)
	require.NoError(t, s.Delete(t.Context(), ann, first.ID, 0))
	_, err = s.Create(t.Context(), ann, Document{Name: "3", Body: json.RawMessage(`{}`)})
	require.NoError(t, err)
}

// Who edits slowly keeps nobody from editing, and changes of whichever version stands
// all come to stand.
func TestASlowEditIsInNobodysWay(t *testing.T) {
	s := NewStore(schematest.Client(t), Dashboard)
	ann := who("acme", access.RoleViewer, "ann")
	slow, err := s.Create(t.Context(), ann, Document{Name: "slow", Body: json.RawMessage(`{}`)})
	require.NoError(t, err)
	other, err := s.Create(t.Context(), ann, Document{Name: "other", Body: json.RawMessage(`{}`)})
	require.NoError(t, err)
	edits := 0
	got, err := s.Change(t.Context(), ann, slow.ID, 0, func(d *Document) error {
		edits++
		_, err := s.Change(t.Context(), ann, other.ID, 0, func(d *Document) error { d.Name += "!"; return nil })
		require.NoError(t, err)
		if edits == 1 {
			_, err = s.Change(t.Context(), ann, slow.ID, 0, func(d *Document) error { d.Name += " faster"; return nil })
			require.NoError(t, err)
		}
		d.Name += " late"
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "slow faster late", got.Name, "the edit is made anew on what stands")
	require.Equal(t, 2, edits)
}

func TestOwners(t *testing.T) {
	d := Document{Owner: "ann", Public: true}
	for _, c := range []struct {
		p    access.Principal
		want string
	}{
		{who("acme", access.RoleViewer, "ann"), "ann"},
		{who("acme", access.RoleViewer, "bob"), ""},
		{who("acme", access.RoleAdmin, ""), "ann"},
		{access.Principal{Tenant: "acme", Role: access.RoleManager, UserID: "mona", TeamUserIDs: []string{"ann", "mona"}}, "ann"},
		{access.Principal{Tenant: "acme", Role: access.RoleManager, UserID: "max", TeamUserIDs: []string{"max"}}, ""},
	} {
		require.Equal(t, c.want, d.OwnerFor(c.p))
	}
}
