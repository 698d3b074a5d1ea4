package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/config"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestLaterSourcesWin(t *testing.T) {
	file := write(t, "c.yaml", "tenant: file\nhttp: {listen: ':1'}\nsink: {linger: 3s}\nlog: {level: warn}\n")
	t.Setenv("FLOWGAUGE_TENANT", "environment")
	t.Setenv("FLOWGAUGE_LOG__LEVEL", "error")
	t.Setenv("FLOWGAUGE_TEST_CLICKHOUSE", "is another program's")
	cfg, err := config.Load(file, map[string]any{"log.level": "debug"})
	require.NoError(t, err)
	assert.Equal(t, ":1", cfg.HTTP.Listen)
	assert.Equal(t, 3*time.Second, cfg.Sink.Linger)
	assert.Equal(t, "environment", cfg.Tenant)
	assert.Equal(t, "debug", cfg.Log.Level)
	assert.Equal(t, config.Default().Sink.BatchSize, cfg.Sink.BatchSize)
	assert.True(t, filepath.IsAbs(cfg.DataDir))
}

func TestPasswordFromAFile(t *testing.T) {
	t.Setenv("FLOWGAUGE_CLICKHOUSE__PASSWORD_FILE", write(t, "password", "s3cret\n"))
	cfg, err := config.Load("", nil)
	require.NoError(t, err)
	assert.Equal(t, "s3cret", cfg.ClickHouse.Password)
}

func TestErrorsNameTheValue(t *testing.T) {
	for text, want := range map[string]string{
		"tenantt: x":                                   `unknown key "tenantt"`,
		"http: {listen: nowhere}":                      "http.listen is \"nowhere\"",
		"clickhouse: {addr: db}":                       "clickhouse.addr is \"db\"",
		"log: {level: loud}":                           "log.level is \"loud\"",
		"log: {format: xml}":                           "log.format is \"xml\"",
		"sink: {batch_size: 0}":                        "sink.batch_size is 0",
		"wal: {max_bytes: 5}":                          "wal.max_bytes is 5",
		"kafka: {brokers: [nowhere]}":                  `kafka.brokers has "nowhere"`,
		"kafka: {sasl: {mechanism: magic}}":            `kafka.sasl.mechanism is "magic"`,
		"kafka: {sasl: {mechanism: plain, user: u}}":   "kafka.sasl needs a user and a password",
		"kafka: {sasl: {user: u}}":                     "of no use without kafka.sasl.mechanism",
		"kafka: {cert_file: x}":                        "of no use while kafka.tls is false",
		"kafka: {timeout: 1ms}":                        "kafka.timeout is 1ms",
		"kafka: {partitions: 0}":                       "kafka.partitions is 0",
		"sink: {enabled: false}":                       "nobody would store",
		"tenant: ''":                                   "tenant is empty",
		"redis: {addr: r}":                             "redis.addr is \"r\"",
		"clickhouse: {ca_file: /ca.pem}":               "set it to true",
		"redis: {ca_file: /ca.pem}":                    "set it to true",
		"clickhouse: {reader_password: x}":             "Set clickhouse.reader_user",
		"clickhouse: {reader_password_file: /nowhere}": "clickhouse.reader_password_file",
		"redis: {db: -1}":                              "redis.db is -1",
		"redis: {password_file: /nowhere/at/all}":      "redis.password_file",
		"limits: {events_per_second: -1}":              "limits.events_per_second is -1",
		"limits: {burst: -1s}":                         "limits.burst is -1s",
		"sink: {linger: soon}":                         "sink.linger",
		"clickhouse: {password_file: /nowhere/at/all}": "clickhouse.password_file",
		"a: [": "read configuration",
	} {
		_, err := config.Load(write(t, "c.yaml", text), nil)
		require.ErrorContains(t, err, want, text)
	}
	_, err := config.Load(filepath.Join(t.TempDir(), "absent.yaml"), nil)
	require.ErrorContains(t, err, "absent.yaml")
}

func TestKafkaFromTheEnvironment(t *testing.T) {
	t.Setenv("FLOWGAUGE_KAFKA__BROKERS", "a:1,b:2")
	t.Setenv("FLOWGAUGE_KAFKA__SASL__MECHANISM", "scram-sha-512")
	t.Setenv("FLOWGAUGE_KAFKA__SASL__USER", "u")
	t.Setenv("FLOWGAUGE_KAFKA__SASL__PASSWORD_FILE", write(t, "password", "s3cret\n"))
	t.Setenv("FLOWGAUGE_SINK__ENABLED", "false")
	cfg, err := config.Load("", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"a:1", "b:2"}, cfg.Kafka.Brokers)
	assert.Equal(t, "s3cret", cfg.Kafka.SASL.Password)
	assert.False(t, cfg.Sink.Enabled)
	_, err = config.Load(write(t, "c.yaml", "receive: {enabled: false}"), nil)
	require.ErrorContains(t, err, "nothing to do")
}
