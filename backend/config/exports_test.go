package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/config"
)

func TestExports(t *testing.T) {
	cfg, err := config.Load(write(t, "c.yaml", `
exports:
  - name: daily
    plugin: acme-files
    tenant: acme
    every: 24h
    delay: 1h
    again: [6h, 720h]
    since: 2026-03-01
    request: {metrics: [dollars], groupBy: [workflow], filters: [{dimension: user, operator: in, values: [ann]}], limit: 10}
  - {name: hourly, plugin: acme-files, tenant: acme, every: 1h, since: "2026-03-01T10:30:00+02:00", again: [], request: {kind: errors}}
  - {name: stamped, plugin: acme-files, tenant: acme, every: 15m, since: 2026-03-01T10:30:00Z, request: {kind: errors}}
  - {name: slow, plugin: acme-files, tenant: acme, every: 1h, delay: 24h, request: {kind: errors}}
`), nil)
	require.NoError(t, err)
	require.Len(t, cfg.Exports, 4)
	daily := cfg.Exports[0]
	assert.Equal(t, []time.Duration{24 * time.Hour, time.Hour}, []time.Duration{daily.Every, daily.Delay})
	assert.Equal(t, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), daily.Begins)
	assert.JSONEq(t, `{"metrics":["dollars"],"groupBy":["workflow"],"filters":[{"dimension":"user","operator":"in","values":["ann"]}],"limit":10}`, string(daily.RequestJSON))
	assert.Equal(t, 10*time.Minute, cfg.Exports[1].Delay)
	assert.Equal(t, time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC), cfg.Exports[1].Begins)
	assert.Equal(t, time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC), cfg.Exports[2].Begins)
	const day = 24 * time.Hour
	for i, want := range [][]time.Duration{{6 * time.Hour, 30 * day}, {}, {day, 7 * day}, {7 * day}} {
		assert.Equal(t, want, cfg.Exports[i].Again, cfg.Exports[i].Name)
	}
	cfg, err = config.Load(write(t, "c.yaml", "data_dir: x"), nil)
	require.NoError(t, err)
	assert.Empty(t, cfg.Exports)
}

func TestErrorsOfExports(t *testing.T) {
	for text, want := range map[string]string{
		"name: a/b, plugin: p, tenant: t, every: 1h":                                           `name is "a/b"`,
		"name: a, tenant: t, every: 1h":                                                        "exports, a: plugin is missing",
		"name: a, plugin: p, every: 1h":                                                        "exports, a: tenant is missing",
		"name: a, plugin: p, tenant: t":                                                        "every is 0s: it is 15m, 1h or 24h",
		"name: a, plugin: p, tenant: t, every: 7m":                                             "every is 7m0s",
		"name: a, plugin: p, tenant: t, every: 1h, delay: -1s":                                 "delay is -1s",
		"name: a, plugin: p, tenant: t, every: 1h, delay: 169h":                                "at most 168h",
		"name: a, plugin: p, tenant: t, every: 1h, again: [10m]":                               "again has 10m0s: ages are longer than the delay of 10m0s and grow, up to 1440h0m0s",
		"name: a, plugin: p, tenant: t, every: 1h, again: [2h, 1h]":                            "again has 1h0m0s",
		"name: a, plugin: p, tenant: t, every: 1h, again: [1441h]":                             "again has 1441h0m0s",
		"name: a, plugin: p, tenant: t, every: 1h, again: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]": "again has 11 ages: at most 10",
		"name: a, plugin: p, tenant: t, every: 1h, since: yesterday":                           `since is "yesterday": give a time as RFC 3339 or a date`,
		"name: a, plugin: p, tenant: t, every: 1h, since: 1969-12-31":                          "between 1970 and 2100",
		"name: a, plugin: p, tenant: t, every: 1h, request: {from: '2026-03-01'}":              "request has from",
		"name: a, plugin: p, tenant: t, every: 1h, request: {asOf: '2026-03-01'}":              "request has asOf",
		"name: a, plugin: p, tenant: t, evry: 1h":                                              "evry",
		"name: a, plugin: p, tenant: t, every: 1h}, {name: a, plugin: p, tenant: u":            `two have the name "a"`,
	} {
		_, err := config.Load(write(t, "c.yaml", "exports: [{"+text+"}]"), nil)
		require.ErrorContains(t, err, want, text)
	}
}
