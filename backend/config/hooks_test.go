package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/config"
)

func TestHooks(t *testing.T) {
	cfg, err := config.Load("", nil)
	require.NoError(t, err)
	assert.Empty(t, cfg.Sources.GitHub)
	assert.Empty(t, cfg.Sources.GitLab)
	assert.Equal(t, config.OpenLineage{Enabled: true, JobNamespace: true}, cfg.Sources.OpenLineage)

	file := write(t, "secret", "new\r\n\nold\n")
	t.Setenv("HOOK_SECRET", "whsec_x")
	t.Setenv("FLOWGAUGE_SOURCES__OPENLINEAGE__JOB_NAMESPACE", "false")
	cfg, err = config.Load(write(t, "c.yaml", `
sources:
  github: [{id: ci.acme, tenant: acme, secret_file: "`+file+`", steps: steps}]
  gitlab: [{id: a, tenant: t, secret_env: HOOK_SECRET}, {id: b, tenant: t, secret_env: HOOK_SECRET}]
`), nil)
	require.NoError(t, err)
	require.Len(t, cfg.Sources.GitHub, 1)
	github := cfg.Sources.GitHub[0]
	assert.Equal(t, []string{"ci.acme", "acme", "steps"}, []string{github.ID, github.Tenant, github.Steps})
	assert.Equal(t, []string{"new", "old"}, github.Secrets)
	require.Len(t, cfg.Sources.GitLab, 2)
	assert.Equal(t, []string{"whsec_x"}, cfg.Sources.GitLab[0].Secrets)
	assert.False(t, cfg.Sources.OpenLineage.JobNamespace)
}

func TestErrorsOfHooks(t *testing.T) {
	t.Setenv("ONE", "secret-1")
	t.Setenv("THREE", "secret-1\nsecret-2\nsecret-3")
	t.Setenv("NONE", "")
	for text, want := range map[string]string{
		"github: [{id: a/b, tenant: t, secret_env: ONE}]":                                    `id is "a/b"`,
		"github: [{tenant: t, secret_env: ONE}]":                                             `id is ""`,
		"github: [{id: a, secret_env: ONE}]":                                                 `hook "a" has no tenant`,
		"github: [{id: a, tenant: t}]":                                                       "either secret_file or secret_env",
		"github: [{id: a, tenant: t, secret_env: ONE, secret_file: x}]":                      "either secret_file or secret_env",
		"github: [{id: a, tenant: t, secret_env: THREE}]":                                    "has 3 secrets",
		"github: [{id: a, tenant: t, secret_env: NONE}]":                                     "has 0 secrets",
		"github: [{id: a, tenant: t, secret_env: ABSENT}]":                                   "no variable ABSENT",
		"github: [{id: a, tenant: t, secret_file: /nowhere/at/all}]":                         "secret_file",
		"github: [{id: a, tenant: t, secret_env: ONE, steps: all}]":                          `steps "all"`,
		"github: [{id: a, tenant: t, secret_env: ONE, secret: x}]":                           "secret",
		"github: [{id: a, tenant: t, secret_env: ONE}, {id: a, tenant: u, secret_env: ONE}]": "two hooks",
		"gitlab: [{id: a, tenant: t, secret_env: ONE}, {id: a, tenant: u, secret_env: ONE}]": "two hooks",
		"gitlab: [{id: a, tenant: t, secret_env: ONE, steps: jobs}]":                         "steps",
		"openlineage: {enable: true}":                                                        "sources.openlineage.enable",
	} {
		_, err := config.Load(write(t, "c.yaml", "sources: {"+text+"}"), nil)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "secret-1")
	}
}
