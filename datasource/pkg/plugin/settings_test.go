package plugin

import (
	"encoding/json"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/require"
)

func parse(text string) (Settings, error) {
	return ParseSettings(backend.DataSourceInstanceSettings{
		JSONData: json.RawMessage(text), DecryptedSecureJSONData: map[string]string{"password": "p"},
	})
}

func TestSettings(t *testing.T) {
	s, err := parse(`{"host":" db "}`)
	require.NoError(t, err)
	require.Equal(t, Settings{
		Host: "db", Port: 9000, Database: "flowgauge", Username: "default", Tenant: "default", Timeout: 30, MaxConns: 8, password: "p",
		UserID: "login", AdminScope: "all", EditorScope: "all", ViewerScope: "all", AlertScope: "all",
	}, s)
	require.Equal(t, "db:9000", s.addr())

	s, err = parse(`{"host":"[::1]","secure":true}`)
	require.NoError(t, err)
	require.Equal(t, "[::1]:9440", s.addr())

	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.NotContains(t, string(text), `"p"`, "secrets are never marshalled")
}

// Provisioning makes numbers and switches of what looks like one.
func TestTextSettingsThatLookLikeSomethingElse(t *testing.T) {
	s, err := parse(`{"host":10,"database":2024,"username":1.50,"tenant":12345678901234567890,"serverName":true}`)
	require.NoError(t, err)
	require.Equal(t, []string{"10", "2024", "1.50", "12345678901234567890", "true"}, []string{s.Host, s.Database, s.Username, s.Tenant, s.ServerName})
	s, err = parse(`{"host":"db","tenant":null,"port":9000}`)
	require.NoError(t, err)
	require.Equal(t, "default", s.Tenant)
}

func TestSettingsThatAreWrong(t *testing.T) {
	for text, setting := range map[string]string{
		`{}`:                             "host",
		`{"host":"http://db"}`:           "host",
		`{"host":"db:9000"}`:             "host",
		`{"host":"db","port":70000}`:     "port",
		`{"host":"db","port":"9000"}`:    "port",
		`{"host":"db","timeout":-1}`:     "timeout",
		`{"host":"db","maxConns":10000}`: "maxConns",
		`{"host":"db","tenant":["a"]}`:   "tenant",
		`{"host":`:                       "jsonData",
	} {
		_, err := parse(text)
		var wrong *SettingsError
		require.ErrorAs(t, err, &wrong, text)
		require.Equal(t, setting, wrong.Setting, text)
		require.NotEmpty(t, wrong.Hint, text)
	}
}

func TestTLS(t *testing.T) {
	s, _ := parse(`{"host":"db"}`)
	c, err := s.tlsConfig()
	require.NoError(t, err)
	require.Nil(t, c)

	s, _ = parse(`{"host":"db","secure":true}`)
	c, err = s.tlsConfig()
	require.NoError(t, err)
	require.Equal(t, "db", c.ServerName)
	require.False(t, c.InsecureSkipVerify)

	for _, text := range []string{`{"host":"db","secure":true,"tlsAuthWithCACert":true}`, `{"host":"db","secure":true,"tlsAuth":true}`} {
		s, _ = parse(text)
		_, err = s.tlsConfig()
		var wrong *SettingsError
		require.ErrorAs(t, err, &wrong)
	}
}
