package policy

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func TestRule(t *testing.T) {
	client := schematest.Client(t)
	other, store := NewStore(client), NewStore(client)
	rule := func() Rule {
		r, err := store.Rule(t.Context(), "acme", access.RoleManager)
		require.NoError(t, err)
		return r
	}
	old := func() { store.of("acme").until = time.Time{} }
	require.Equal(t, Rule{}, rule(), "without a policy nothing is kept back")

	_, err := other.Put(t.Context(), "acme", "test", &Document{Roles: map[access.Role]Rule{access.RoleManager: {MinimumUsers: 5}}})
	require.NoError(t, err)
	old()
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			r, err := store.Rule(t.Context(), "acme", access.RoleManager)
			if err != nil || r.MinimumUsers != 5 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	all.Wait()
	_, err = store.Put(t.Context(), "acme", "test", &Document{Roles: map[access.Role]Rule{access.RoleManager: {MinimumUsers: 7}}})
	require.NoError(t, err)
	require.Equal(t, 7, rule().MinimumUsers, "who changes it sees the change at once")

	client.Close()
	old()
	require.Equal(t, 7, rule().MinimumUsers, "a copy stays in force while the database is away")
	_, err = NewStore(client).Rule(t.Context(), "acme", access.RoleManager)
	require.Error(t, err, "without a copy nothing is answered")
}
