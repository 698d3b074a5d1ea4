package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBoundsOfAPlugin(t *testing.T) {
	for want, use := range map[string]PluginUse{
		"": {ID: "a", Timeout: 100 * time.Millisecond, MemoryBytes: 16 << 20},
		"timeout is 10ns: give a duration with its unit, such as 5s, from 100ms to 5m0s": {ID: "a", Timeout: 10}, // what YAML's 10 is
		"timeout is -1s":  {ID: "a", Timeout: -time.Second},
		"timeout is 6m0s": {ID: "a", Timeout: 6 * time.Minute},
		"memory_bytes is 1000000: it is from 16777216 (16 MiB)": {ID: "a", MemoryBytes: 1_000_000},
		"memory_bytes is -1": {ID: "a", MemoryBytes: 1<<64 - 1},
	} {
		p := Plugins{Use: []PluginUse{use}}
		if err := p.finish(t.TempDir()); want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}

func TestHowASourceIsUsed(t *testing.T) {
	for name, c := range map[string]struct {
		use  PluginUse
		want string
	}{
		"never":       {PluginUse{ID: "acme-feed"}, ""},
		"often":       {PluginUse{ID: "acme-feed", Every: time.Second, Tenant: "acme"}, ""},
		"too often":   {PluginUse{ID: "acme-feed", Every: 999 * time.Millisecond, Tenant: "acme"}, "every is 999ms: give a time from 1s to 24h0m0s"},
		"negative":    {PluginUse{ID: "acme-feed", Every: -time.Minute, Tenant: "acme"}, "every is -1m0s"},
		"hardly ever": {PluginUse{ID: "acme-feed", Every: 25 * time.Hour, Tenant: "acme"}, "every is 25h0m0s"},
		"whose":       {PluginUse{ID: "acme-feed", Every: time.Minute}, "plugins.use, acme-feed: tenant is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Plugins{Use: []PluginUse{c.use}}
			err := p.finish(t.TempDir())
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestSecretsOfPlugins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("hunter2\n"), 0o600))
	p := Plugins{Use: []PluginUse{{ID: "acme-chat", Settings: map[string]any{"room": "all"}, SecretFiles: map[string]string{"token": file}}}}
	require.NoError(t, p.finish(t.TempDir()))
	require.JSONEq(t, `{"room":"all","token":"hunter2"}`, string(p.Use[0].SettingsJSON))
	require.Equal(t, []string{"hunter2"}, p.Use[0].Secrets, "which are not shown when the plugin says them")
}
