package host_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
)

func TestAManifestOfASource(t *testing.T) {
	m := &host.Manifest{
		ID: "acme-feed", Version: "1.0.0", Contract: contract.Version, Extends: []contract.Extension{contract.ExtensionSource}, Command: []string{"./feed"},
		Permissions: host.Permissions{Add: []string{"execution"}, Headers: []string{"x-acme-signature", "content-type"}},
	}
	require.NoError(t, host.Write(t.TempDir(), m))
	for _, name := range []string{"authorization", "proxy-authorization", "cookie", "set-cookie", "X-Signature", "", "a b", "x:y"} {
		m.Permissions.Headers = []string{name}
		require.ErrorContains(t, host.Write(t.TempDir(), m), "permissions.headers", "%q", name)
	}
	m.Permissions.Headers = make([]string, 33)
	require.ErrorContains(t, host.Write(t.TempDir(), m), "33 are named, 32 are allowed")
	m.Permissions = host.Permissions{}
	require.ErrorContains(t, host.Write(t.TempDir(), m), "permissions.add: a source makes events")
}
