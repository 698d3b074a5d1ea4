package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/config"
)

func TestUnknownVariablesAreNamed(t *testing.T) {
	for name, want := range map[string]string{
		"FLOWGAUGE_CLICKHOUSE_ADDR":        "FLOWGAUGE_CLICKHOUSE__ADDR",
		"FLOWGAUGE_CLICKHOUSE_PASSWORD":    "FLOWGAUGE_CLICKHOUSE__PASSWORD",
		"FLOWGAUGE_HTTP_LISTEN":            "FLOWGAUGE_HTTP__LISTEN",
		"FLOWGAUGE_HTTP__TLS_CERT_FILE":    "FLOWGAUGE_HTTP__TLS__CERT_FILE",
		"FLOWGAUGE_DATADIR":                "FLOWGAUGE_DATA_DIR",
		"FLOWGAUGE_SINK__BATCHSIZE":        "FLOWGAUGE_SINK__BATCH_SIZE",
		"FLOWGAUGE_API_KEY":                "",
		"FLOWGAUGE_TEST_CLICKHOUSE":        "",
		"FLOWGAUGE_ENGINE_TEST_PARENT":     "",
		"FLOWGAUGE_CLICKHOUSE__MAX_CONNS":  "",
		"FLOWGAUGE_LIMITS__BURST":          "",
		"FLOWGAUGE_CLICKHOUSE__CA_FILES":   "FLOWGAUGE_CLICKHOUSE__CA_FILE",
		"FLOWGAUGE_REDIS__PASSWORD_FILE_X": "FLOWGAUGE_REDIS__PASSWORD_FILE",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, map[bool]string{true: "10", false: "s3cret"}[want == ""])
			if strings.Contains(name, "BURST") {
				t.Setenv(name, "10s")
			}
			cfg, err := config.Load("", nil)
			require.NoError(t, err)
			if want == "" {
				assert.Empty(t, cfg.Warnings)
				return
			}
			require.Len(t, cfg.Warnings, 1)
			assert.Contains(t, cfg.Warnings[0], name+" is no setting")
			assert.Contains(t, cfg.Warnings[0], "mean "+want+"?")
			assert.NotContains(t, cfg.Warnings[0], "s3cret")
		})
	}
	// What provisioning/ needs is no mistake where all of it is there.
	t.Setenv("FLOWGAUGE_CLICKHOUSE_HOST", "db")
	t.Setenv("FLOWGAUGE_CLICKHOUSE_PASSWORD", "s3cret")
	cfg, err := config.Load("", nil)
	require.NoError(t, err)
	assert.Empty(t, cfg.Warnings)
}
