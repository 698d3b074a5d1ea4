package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/config"
)

func TestSources(t *testing.T) {
	cfg, err := config.Load("", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"flowgauge", "n8n", "cicd", "airflow"}, cfg.Sources.OTLP.Presets)
	assert.True(t, cfg.Sources.OTLP.Enabled)
	assert.Empty(t, cfg.Sources.OTLP.Mappings)
	assert.Empty(t, cfg.Sources.CloudEvents.Mappings)
	t.Setenv("FLOWGAUGE_SOURCES__OTLP__ENABLED", "false")
	t.Setenv("FLOWGAUGE_SOURCES__CLOUDEVENTS__KAFKA__TOPIC", "from the environment")
	cfg, err = config.Load(write(t, "c.yaml", `
sources:
  otlp:
    presets: [n8n]
    mappings:
      - name: jobs
        match: {span: "job *", kind: server, attributes: {"job.id": "*", "a.b": ""}}
        event: step
        metadata: all
        started: false
        fields: {executionId: ["{job.run}", "{$trace}"], stepId: "{$*}"}
        status: {from: "{job.state}", failed: [bad, worse]}
  cloudevents:
    mappings:
      - match: {type: com.example.*}
        event: activity
        fields: {action: "{data.what}"}
    kafka: {brokers: ["a:1", "b:2"], topic: t, group: g}
`), nil)
	require.NoError(t, err)
	no := false
	assert.Equal(t, config.OTLP{Presets: []string{"n8n"}, Mappings: []config.SpanMapping{{
		Match: config.SpanMatch{Span: "job *", Kind: "server", Attributes: map[string]string{"job.id": "*", "a.b": ""}}, Metadata: "all", Started: &no,
		Mapping: config.Mapping{
			Name: "jobs", Event: "step", Fields: map[string][]string{"executionId": {"{job.run}", "{$trace}"}, "stepId": {"{$*}"}},
			Status: config.StatusMapping{From: []string{"{job.state}"}, Failed: []string{"bad", "worse"}},
		},
	}}}, cfg.Sources.OTLP)
	assert.Equal(t, config.CloudEvents{
		Enabled: true, AllowedOrigins: []string{"*"}, Presets: []string{"cdevents"},
		Mappings: []config.EventMapping{{
			Match:   config.EventMatch{Type: "com.example.*"},
			Mapping: config.Mapping{Event: "activity", Fields: map[string][]string{"action": {"{data.what}"}}},
		}},
		Kafka: config.CloudKafka{Brokers: []string{"a:1", "b:2"}, Topic: "from the environment", Group: "g"},
	}, cfg.Sources.CloudEvents)
}

// What is misspelt within a list is found too.
func TestSourcesUnknownNames(t *testing.T) {
	for text, want := range map[string]string{
		"sources: {otlp: {mappings: [{event: step, matches: {}}]}}":                    "matches",
		"sources: {otlp: {mappings: [{event: step, match: {name: x}}]}}":               "name",
		"sources: {otlp: {mappings: [{event: step, status: {done: [x]}}]}}":            "done",
		"sources: {cloudevents: {mappings: [{match: {subject: x}, event: activity}]}}": "subject",
		"sources: {otlp: {preset: [n8n]}}":                                             `unknown key "sources.otlp.preset"`,
	} {
		_, err := config.Load(write(t, "c.yaml", text), nil)
		require.ErrorContains(t, err, want, text)
	}
}
