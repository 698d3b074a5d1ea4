package host_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

func TestASecretThatAPluginSaysIsNotShown(t *testing.T) {
	const first, second = `hunter"2&more`, "of several lines"
	betraying := func(how string) *running {
		settings, err := json.Marshal(map[string]string{"how": how, "secret": first + "\n" + second})
		require.NoError(t, err)
		return run(t, hosttest.Misbehave(t, nil), host.Use{Settings: settings, Secrets: []string{first + "\n" + second, "key"}}) // of which the second is too short to be one
	}
	hidden := func(text string) {
		t.Helper()
		for _, form := range []string{"hunter", second, "of+several", "of%20several"} {
			assert.NotContains(t, text, form)
		}
	}
	for _, how := range []string{"error, told", "refused, told"} {
		r := betraying(how)
		r.eventually(t, "it starts", func() bool { return r.Err() == nil })
		for range 3 {
			err := r.enrich(t, `{"a":"poison"}`)
			require.ErrorContains(t, err, `GET https://users.example/?key=[secret] with "[secret]": no answer`)
			assert.Less(t, len(err.Error()), 600)
		}
		why := r.host.States()[0].Why
		hidden(why)
		assert.Less(t, len(why), 700)
		r.eventually(t, "what it writes is in the log", func() bool { return strings.Contains(r.log.String(), "the key is [secret]") })
		hidden(r.log.String())
	}
	r := betraying("refuse, told")
	r.eventually(t, "it does not start", func() bool { return r.Err() != nil && strings.Contains(r.Err().Error(), "its settings") })
	why := r.host.States()[0].Why
	assert.Contains(t, why, "[secret]")
	assert.Less(t, len(why), 700)
	hidden(why)
	err := r.Reload(t.Context())
	require.ErrorContains(t, err, "[secret]")
	hidden(err.Error())
	r.eventually(t, "it is in the log", func() bool { return strings.Contains(r.log.String(), "a plugin is down") })
	hidden(r.log.String())
}
