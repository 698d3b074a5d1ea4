package directory_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/directory"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const people = `
users:
  - {id: ana, name: Ana, teams: [billing, night]}
  - {id: ben, teams: [billing]}
  - {id: mona, role: manager}
  - {id: root, role: admin}
  - {id: zoe}
teams:
  - {id: billing, name: Billing, members: [ext-7], managers: [mona]}
  - {id: empty, managers: [zoe]}
`

var by = directory.By{Author: "test"}

func TestADocumentSaysWhoSeesWhat(t *testing.T) {
	d, err := directory.Parse([]byte(people))
	require.NoError(t, err)
	store := directory.NewStore(schematest.Client(t), -1)
	now, err := store.Replace(t.Context(), "acme", by, d)
	require.NoError(t, err)

	billing, ok := now.Team("billing")
	require.True(t, ok)
	assert.Equal(t, directory.Team{ID: "billing", Name: "Billing", Members: []string{"ana", "ben", "ext-7"}, Managers: []string{"mona"}}, billing)
	night, ok := now.Team("night")
	require.True(t, ok, "a team that a user names is there")
	assert.Equal(t, []string{"ana"}, night.Members)
	ana, _ := now.User("ana")
	assert.Equal(t, []string{"billing", "night"}, ana.Teams)

	for _, c := range []struct {
		asks access.Principal
		want access.Principal
	}{
		{access.Principal{UserID: "mona"}, access.Principal{UserID: "mona", Role: access.RoleManager, TeamUserIDs: []string{"ana", "ben", "ext-7", "mona"}}},
		{access.Principal{UserID: "zoe"}, access.Principal{UserID: "zoe", Role: access.RoleManager, TeamUserIDs: []string{"zoe"}}},
		{access.Principal{UserID: "root"}, access.Principal{UserID: "root", Role: access.RoleAdmin}},
		{access.Principal{UserID: "ana"}, access.Principal{UserID: "ana", Role: access.RoleViewer}},
		{access.Principal{UserID: "stranger"}, access.Principal{UserID: "stranger", Role: access.RoleViewer}},
		{access.Principal{UserID: "root", Role: access.RoleViewer}, access.Principal{UserID: "root", Role: access.RoleViewer}},
		{access.Principal{UserID: "stranger", Role: access.RoleManager}, access.Principal{UserID: "stranger", Role: access.RoleManager, TeamUserIDs: []string{"stranger"}}},
		{access.Principal{Role: access.RoleAdmin}, access.Principal{Role: access.RoleAdmin}},
	} {
		c.asks.Tenant, c.want.Tenant = "acme", "acme"
		got, err := store.Complete(t.Context(), c.asks)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
	// Another tenant's directory is another.
	got, err := store.Complete(t.Context(), access.Principal{Tenant: "other", UserID: "mona", Role: access.RoleManager})
	require.NoError(t, err)
	assert.Equal(t, []string{"mona"}, got.TeamUserIDs)
}

func TestChanges(t *testing.T) {
	ctx := t.Context()
	store := directory.NewStore(schematest.Client(t), -1)
	_, err := store.PutUser(ctx, "acme", by, directory.User{ID: "ana", Teams: []string{"billing"}})
	var invalid *directory.InvalidError
	require.ErrorAs(t, err, &invalid)
	assert.Contains(t, err.Error(), `there is no team "billing"`)

	_, err = store.PutTeam(ctx, "acme", by, directory.Team{ID: "billing", Managers: []string{"mona"}})
	require.NoError(t, err)
	now, err := store.PutUser(ctx, "acme", by, directory.User{ID: "ana", Name: "Ana", Teams: []string{"billing"}})
	require.NoError(t, err)
	assert.Equal(t, []string{"ana", "mona"}, now.Seen("mona"))
	first := now.Revision()

	now, err = store.PutUser(ctx, "acme", by, directory.User{ID: "ana", Name: "Anna"})
	require.NoError(t, err)
	ana, _ := now.User("ana")
	assert.Equal(t, directory.User{ID: "ana", Name: "Anna", Teams: []string{"billing"}}, ana, "no teams leave them as they are")
	assert.Greater(t, now.Revision(), first)

	_, err = store.PutTeam(ctx, "acme", directory.By{Base: &first}, directory.Team{ID: "billing"})
	require.ErrorIs(t, err, directory.ErrChanged)

	now, err = store.PutUser(ctx, "acme", by, directory.User{ID: "ana", Teams: []string{}})
	require.NoError(t, err)
	assert.Equal(t, []string{"mona"}, now.Seen("mona"))

	_, err = store.PutTeam(ctx, "acme", by, directory.Team{ID: "night", Members: []string{"ana"}, Managers: []string{"ana"}})
	require.NoError(t, err)
	now, err = store.DeleteUser(ctx, "acme", by, "ana")
	require.NoError(t, err)
	_, there := now.User("ana")
	assert.False(t, there)
	night, _ := now.Team("night")
	assert.Empty(t, night.Members)
	assert.Empty(t, night.Managers)
	_, err = store.DeleteUser(ctx, "acme", by, "ana")
	require.ErrorIs(t, err, directory.ErrNotFound)
	_, err = store.DeleteTeam(ctx, "acme", by, "night")
	require.NoError(t, err)

	// Another process, with nothing in memory, reads the same.
	other, err := directory.NewStore(schematest.Client(t), -1).Snapshot(ctx, "nobody")
	require.NoError(t, err)
	assert.Zero(t, other.Revision())
}

// A change of another process is seen when the copy is older than its time to live,
// not before, and a change of one's own at once.
func TestACopyLivesShortly(t *testing.T) {
	client := schematest.Client(t)
	here, there := directory.NewStore(client, time.Hour), directory.NewStore(client, -1)
	_, err := here.PutTeam(t.Context(), "acme", by, directory.Team{ID: "one"})
	require.NoError(t, err)
	_, err = there.PutTeam(t.Context(), "acme", by, directory.Team{ID: "two"})
	require.NoError(t, err)
	now, err := here.Snapshot(t.Context(), "acme")
	require.NoError(t, err)
	assert.Len(t, now.Document().Teams, 1)
	now, err = there.Snapshot(t.Context(), "acme")
	require.NoError(t, err)
	assert.Len(t, now.Document().Teams, 2)
	now, err = here.PutTeam(t.Context(), "acme", by, directory.Team{ID: "three"})
	require.NoError(t, err)
	assert.Len(t, now.Document().Teams, 3, "a change starts from what is there")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = here.Snapshot(ctx, "acme")
	require.NoError(t, err, "a copy in force needs no database")
	_, err = here.Snapshot(ctx, "other")
	require.Error(t, err, "nobody is let in on a directory that was never read")
}

func TestCSV(t *testing.T) {
	d, err := directory.ParseCSV([]byte("id,name,role,teams,manages\nana,Ana,,billing; night,\nmona,\"Mona, M.\",manager,,billing\n"))
	require.NoError(t, err)
	assert.Equal(t, &directory.Document{
		Users: []directory.User{{ID: "ana", Name: "Ana", Teams: []string{"billing", "night"}}, {ID: "mona", Name: "Mona, M.", Role: access.RoleManager}},
		Teams: []directory.Team{
			{ID: "billing", Members: []string{"ana"}, Managers: []string{"mona"}},
			{ID: "night", Members: []string{"ana"}},
		},
	}, d)
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		"users: [{id: ana, role: boss}]":                  `user "ana": role is "boss": it is viewer, manager or admin`,
		"users: [{id: ana}, {id: ana}]":                   `user "ana": is there twice`,
		"users: [{id: ' '}]":                              "id is empty",
		"users: [{id: " + strings.Repeat("x", 300) + "}]": "it may have 256",
		"teams: [{id: a, members: ['']}]":                 "a member or manager is empty",
		"users: [{id: ana, age: 3}]":                      "field age not found",
		"users: [{id: \"a\\u0000b\"}]":                    "characters that are no text",
		"":                                                "is empty",
		"teams: [{id: a, name: " + strings.Repeat("n", 300) + "}]": "the name has 300 bytes",
	} {
		_, err := directory.Parse([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
	for text, want := range map[string]string{"name\nana\n": "no column id", "id,boss\nana,x\n": `column "boss"`, "id,name\nana\n": "wrong number of fields"} {
		_, err := directory.ParseCSV([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

// What is stored, in whatever order of documents, is what was given last.
func TestReplaceIsReplace(t *testing.T) {
	client := schematest.Client(t)
	tenant := 0
	rapid.Check(t, func(rt *rapid.T) {
		tenant++
		name := fmt.Sprint("t", tenant)
		store := directory.NewStore(client, -1)
		id := rapid.SampledFrom([]string{"a", "b", "c'd", "e\\f", "日本"})
		ids := rapid.SliceOfNDistinct(id, 0, 4, rapid.ID)
		for range rapid.IntRange(1, 3).Draw(rt, "documents") {
			d := &directory.Document{}
			for _, u := range ids.Draw(rt, "users") {
				d.Users = append(d.Users, directory.User{ID: u, Role: rapid.SampledFrom([]access.Role{"", "viewer", "admin"}).Draw(rt, "role"), Teams: ids.Draw(rt, "teams")})
			}
			for _, team := range ids.Draw(rt, "teams") {
				d.Teams = append(d.Teams, directory.Team{ID: team, Members: ids.Draw(rt, "members"), Managers: ids.Draw(rt, "managers")})
			}
			want := map[string][]string{} // counted by hand: team to members
			for _, team := range d.Teams {
				want[team.ID] = append(want[team.ID], team.Members...)
			}
			for _, u := range d.Users {
				for _, team := range u.Teams {
					want[team] = append(want[team], u.ID)
				}
			}
			now, err := store.Replace(context.Background(), name, by, d)
			require.NoError(rt, err)
			require.Len(rt, now.Document().Teams, len(want))
			for team, members := range want {
				slices.Sort(members)
				got, _ := now.Team(team)
				require.ElementsMatch(rt, slices.Compact(members), got.Members, team)
			}
			require.Len(rt, now.Document().Users, len(d.Users))
		}
	})
}
