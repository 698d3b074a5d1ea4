package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/config"
)

func TestNotify(t *testing.T) {
	secret, address := write(t, "secret", "the new\n\nold\n"), write(t, "url", "https://chat.example.com/s3cret\n")
	cfg, err := config.Load(write(t, "c.yaml", `
notify:
  webhooks:
    - {name: ops, url: "https://hooks.example.com/a", secret_file: "`+secret+`"}
    - {name: chat, url_file: "`+address+`", tenants: [acme]}
`), nil)
	require.NoError(t, err)
	require.Len(t, cfg.Notify.Webhooks, 2)
	assert.Equal(t, []string{"the new", "old"}, cfg.Notify.Webhooks[0].Secrets)
	assert.Equal(t, "https://chat.example.com/s3cret", cfg.Notify.Webhooks[1].URL)
	assert.Equal(t, []string{"acme"}, cfg.Notify.Webhooks[1].Tenants)
}

func TestErrorsOfNotify(t *testing.T) {
	none := write(t, "none", "\n")
	for text, want := range map[string]string{
		"notify: {interval: 10ms}":                                                                     "notify.interval is 10ms: give a time from 1s to 1h",
		"notify: {webhooks: [{name: a/b, url: 'https://x'}]}":                                          `name is "a/b"`,
		"notify: {webhooks: [{name: a}]}":                                                              "either url or url_file",
		"notify: {webhooks: [{name: a, url: 'https://x', url_file: y}]}":                               "either url or url_file",
		"notify: {webhooks: [{name: a, url: 's3cret'}]}":                                               "notify.webhooks, a: its address is no http or https URL",
		"notify: {webhooks: [{name: a, url_file: /nowhere/at/all}]}":                                   "url_file",
		"notify: {webhooks: [{name: a, url: 'https://x', secret_file: /nowhere/at/all}]}":              "secret_file",
		"notify: {webhooks: [{name: a, url: 'https://x', secret_file: " + none + "}]}":                 "has 0 secrets",
		"notify: {webhooks: [{name: a, url: 'https://x'}, {name: a, url: 'https://y'}]}":               "another webhook has the name",
		"notify: {webhooks: [{name: acme-chat, url: 'https://x'}]}\nplugins: {use: [{id: acme-chat}]}": "a plugin has the name",
		"notify: {webhooks: [{name: a, url: 'https://x', secret: y}]}":                                 "secret",
	} {
		_, err := config.Load(write(t, "c.yaml", text), nil)
		require.ErrorContains(t, err, want, text)
		assert.NotContains(t, err.Error(), "s3cret")
	}
}
