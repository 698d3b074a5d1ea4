package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
