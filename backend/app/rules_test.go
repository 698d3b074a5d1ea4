package app_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/flowgauge/flowgauge/provisioning"
)

type alertRule struct {
	UID  string `yaml:"uid"`
	Data []struct {
		RefID             string         `yaml:"refId"`
		RelativeTimeRange map[string]int `yaml:"relativeTimeRange"`
		DatasourceUID     string         `yaml:"datasourceUid"`
		Model             map[string]any `yaml:"model"`
	} `yaml:"data"`
}

func alertRules(t *testing.T) []alertRule {
	t.Helper()
	text, err := provisioning.Files.ReadFile("alerting/rules.yaml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []alertRule `yaml:"rules"`
		} `yaml:"groups"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	var all []alertRule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

// requireRules asks what each provisioned alert rule asks, and wants what Grafana's
// expressions take: a table with one column of numbers and texts beside it.
func (d *datasource) requireRules(t *testing.T, now time.Time) {
	t.Helper()
	for _, rule := range alertRules(t) {
		t.Run(rule.UID, func(t *testing.T) {
			for _, q := range rule.Data {
				if q.DatasourceUID == "__expr__" {
					continue
				}
				model, err := json.Marshal(q.Model)
				require.NoError(t, err)
				ago := func(name string) time.Time { return now.Add(-time.Duration(q.RelativeTimeRange[name]) * time.Second) }
				answer := d.ask(map[string]string{backend.FromAlertHeaderName: "true"}, backend.DataQuery{
					RefID: q.RefID, TimeRange: backend.TimeRange{From: ago("from"), To: ago("to")}, JSON: model,
					MaxDataPoints: 43200, Interval: time.Second, // Grafana's defaults of an alert rule
				})[q.RefID]
				require.NoError(t, answer.Error, q.RefID)
				require.Len(t, answer.Frames, 1)
				numbers := 0
				for _, field := range answer.Frames[0].Fields {
					if field.Type().Numeric() {
						numbers++
						continue
					}
					require.Contains(t, []data.FieldType{data.FieldTypeString, data.FieldTypeNullableString}, field.Type(), "%s of %s", field.Name, q.RefID)
				}
				if len(answer.Frames[0].Fields) > 0 {
					require.Equal(t, 1, numbers, q.RefID)
				}
			}
		})
	}
}
