package budget

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query/querytest"
)

// A budget names notifiers that its tenant may use, and no others.
func TestNotifiersAreKnown(t *testing.T) {
	service, err := NewService(Config{Store: NewStore(querytest.New(t).Client), Notifiers: func(tenant string) []string {
		if tenant == "acme" {
			return []string{"ops", "acme-chat"}
		}
		return []string{"ops"}
	}})
	require.NoError(t, err)
	other := access.Principal{Tenant: "other", Role: access.RoleAdmin}
	b := monthly("research")
	b.Notify = []string{"acme-chat", "ops"}
	put, err := service.Put(t.Context(), admin, "test", b, 0)
	require.NoError(t, err)
	got, err := service.Get(t.Context(), admin, "research")
	require.NoError(t, err)
	require.Equal(t, b.Notify, got.Notify)
	var wrong *InvalidError
	_, err = service.Put(t.Context(), other, "test", b, 0)
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, InvalidError{"notify", `there is no notifier "acme-chat"; there are: ops`}, *wrong)

	quiet := monthly("quiet")
	_, err = service.Put(t.Context(), other, "test", quiet, 0)
	require.NoError(t, err)
	tenants, err := service.Notifying(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"acme"}, tenants)
	b.Notify = nil
	_, err = service.Put(t.Context(), admin, "test", b, put.Revision)
	require.NoError(t, err)
	tenants, err = service.Notifying(t.Context())
	require.NoError(t, err)
	require.Empty(t, tenants)
}
