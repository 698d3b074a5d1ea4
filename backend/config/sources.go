package config

import (
	"fmt"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/v2"
)

// Sources are the standards in which events are taken in, besides Flowgauge's own
// format.
type Sources struct {
	OTLP        OTLP         `koanf:"otlp"`
	CloudEvents CloudEvents  `koanf:"cloudevents"`
	GitHub      []GitHubHook `koanf:"github"`
	GitLab      []Hook       `koanf:"gitlab"`
	OpenLineage OpenLineage  `koanf:"openlineage"`
}

// OTLP takes OpenTelemetry traces.
type OTLP struct {
	Enabled  bool          `koanf:"enabled"`
	Presets  []string      `koanf:"presets"`  // mappings that come with Flowgauge
	Mappings []SpanMapping `koanf:"mappings"` // looked at before the presets'
}

// CloudEvents takes CloudEvents over HTTP, and from a Kafka topic if it has brokers.
type CloudEvents struct {
	Enabled        bool           `koanf:"enabled"`
	AllowedOrigins []string       `koanf:"allowed_origins"` // of webhooks; * is any
	AllowedRate    int            `koanf:"allowed_rate"`    // requests per minute that a webhook is told; 0 is any
	QueryToken     bool           `koanf:"query_token"`     // API keys are taken from access_token too
	Presets        []string       `koanf:"presets"`         // foreign types that Flowgauge knows
	Mappings       []EventMapping `koanf:"mappings"`        // of foreign types; looked at before the presets
	Kafka          CloudKafka     `koanf:"kafka"`
}

// CloudKafka is a topic with CloudEvents.
type CloudKafka struct {
	Brokers []string `koanf:"brokers"`
	Topic   string   `koanf:"topic"`
	Group   string   `koanf:"group"`
	Tenant  string   `koanf:"tenant"` // whose events they are
	TLS     bool     `koanf:"tls"`
}

// Mapping says what becomes of something foreign: an event, and where its fields
// come from. A field has texts with references in braces; the first whose references
// all have a value is taken.
type Mapping struct {
	Name   string              `koanf:"name"`  // for messages
	Event  string              `koanf:"event"` // execution, step, cost, activity; ignore
	Fields map[string][]string `koanf:"fields"`
	Status StatusMapping       `koanf:"status"`
}

// StatusMapping says which values mean which status.
type StatusMapping struct {
	From      []string `koanf:"from"` // texts, like a field's
	Started   []string `koanf:"started"`
	Completed []string `koanf:"completed"`
	Failed    []string `koanf:"failed"`
	Skipped   []string `koanf:"skipped"`
	Ignored   []string `koanf:"ignored"` // makes no event
}

// SpanMapping is a Mapping of spans.
type SpanMapping struct {
	Match    SpanMatch `koanf:"match"`
	Metadata string    `koanf:"metadata"` // what goes into it: span (the default), all, none
	Started  *bool     `koanf:"started"`  // an execution also reports its start; true if absent
	Mapping  `koanf:",squash"`
}

// SpanMatch says which spans a mapping is for. A * in a text stands for anything.
type SpanMatch struct {
	Span       string            `koanf:"span"`  // its name
	Scope      string            `koanf:"scope"` // the name of its instrumentation scope
	Kind       string            `koanf:"kind"`  // internal, server, client, producer, consumer
	Attributes map[string]string `koanf:"attributes"`
	Resource   map[string]string `koanf:"resource"`
}

// EventMapping is a Mapping of CloudEvents.
type EventMapping struct {
	Match   EventMatch `koanf:"match"`
	Mapping `koanf:",squash"`
}

// EventMatch says which CloudEvents a mapping is for. A * stands for anything.
type EventMatch struct {
	Type   string `koanf:"type"`
	Source string `koanf:"source"`
}

func defaultSources() Sources {
	return Sources{
		OTLP:        OTLP{Enabled: true, Presets: []string{"flowgauge", "n8n", "cicd", "airflow"}},
		CloudEvents: CloudEvents{Enabled: true, AllowedOrigins: []string{"*"}, Presets: []string{"cdevents"}},
		OpenLineage: OpenLineage{Enabled: true, JobNamespace: true},
	}
}

// SpanMappings reads a list of mappings from YAML, as it is written in the
// configuration.
func SpanMappings(text []byte) ([]SpanMapping, error) {
	var out []SpanMapping
	root, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		return nil, err
	}
	return out, strict(root["mappings"], &out)
}

// EventMappings is SpanMappings for CloudEvents.
func EventMappings(text []byte) ([]EventMapping, error) {
	var out []EventMapping
	root, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		return nil, err
	}
	return out, strict(root["mappings"], &out)
}

// checkLists finds what the keys of a file do not show: misspelt names within lists.
func checkLists(k *koanf.Koanf) error {
	for key, into := range map[string]any{
		"sources.otlp.mappings": &[]SpanMapping{}, "sources.cloudevents.mappings": &[]EventMapping{},
		"sources.github": &[]GitHubHook{}, "sources.gitlab": &[]Hook{},
		"plugins.use": &[]PluginUse{}, "notify.webhooks": &[]NotifyWebhook{}, "exports": &[]Export{},
	} {
		if err := strict(k.Get(key), into); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// strict decodes a value and refuses names that it does not know.
func strict(value, into any) error {
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: into, TagName: "koanf", WeaklyTypedInput: true, ErrorUnused: true, DecodeHook: mapstructure.StringToTimeDurationHookFunc(),
	})
	if err != nil {
		return err
	}
	return d.Decode(value)
}
