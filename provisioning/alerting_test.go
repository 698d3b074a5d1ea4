package provisioning

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/flowgauge/flowgauge/dashboards"
)

type ruleFile struct {
	APIVersion int `yaml:"apiVersion"`
	Groups     []struct {
		OrgID    int    `yaml:"orgId"`
		Name     string `yaml:"name"`
		Folder   string `yaml:"folder"`
		Interval string `yaml:"interval"`
		Rules    []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	UID          string            `yaml:"uid"`
	Title        string            `yaml:"title"`
	Condition    string            `yaml:"condition"`
	For          string            `yaml:"for"`
	NoDataState  string            `yaml:"noDataState"`
	ExecErrState string            `yaml:"execErrState"`
	DashboardUID string            `yaml:"dashboardUid"`
	PanelID      int               `yaml:"panelId"`
	Labels       map[string]string `yaml:"labels"`
	Annotations  map[string]string `yaml:"annotations"`
	Data         []struct {
		RefID             string         `yaml:"refId"`
		RelativeTimeRange map[string]int `yaml:"relativeTimeRange"`
		DatasourceUID     string         `yaml:"datasourceUid"`
		Model             map[string]any `yaml:"model"`
	} `yaml:"data"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file ruleFile
	parseRaw(t, "alerting/rules.yaml", &file)
	var all []rule
	for _, g := range file.Groups {
		require.Equal(t, "Flowgauge alerts", g.Folder, "that of the dashboards has a uid of its own, which alerting cannot name")
		all = append(all, g.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

func TestRulesSayWhatToDoAndWhereToLook(t *testing.T) {
	panels := map[string]map[int]bool{}
	all, err := dashboards.Load()
	require.NoError(t, err)
	for _, d := range all {
		panels[d.UID] = map[int]bool{}
		for _, p := range d.AllPanels() {
			panels[d.UID][p.ID] = true
		}
	}
	seen := map[string]bool{}
	for _, r := range rules(t) {
		t.Run(r.UID, func(t *testing.T) {
			require.False(t, seen[r.UID])
			seen[r.UID] = true
			require.True(t, panels[r.DashboardUID][r.PanelID], "%s has no panel %d", r.DashboardUID, r.PanelID)
			require.Equal(t, r.DashboardUID, r.Annotations["__dashboardUid__"])
			var panel int
			require.NoError(t, json.Unmarshal([]byte(r.Annotations["__panelId__"]), &panel))
			require.Equal(t, r.PanelID, panel)
			require.NotEmpty(t, r.Annotations["summary"])
			require.Greater(t, len(r.Annotations["description"]), 80, "say what to do")
			require.Contains(t, []string{"info", "warning", "critical"}, r.Labels["severity"])
			require.Equal(t, "flowgauge", r.Labels["product"], "policies route by it")
			require.Equal(t, "Error", r.ExecErrState, "a rule that cannot be evaluated is no alert of what it watches")
			refs := map[string]bool{}
			for _, q := range r.Data {
				require.Equal(t, q.RefID, q.Model["refId"])
				refs[q.RefID] = true
			}
			require.True(t, refs[r.Condition])
		})
	}
}

// parseRaw reads a file of alerting. Grafana puts no variables of the environment into
// annotations and models, where $ is its own.
func parseRaw(t *testing.T, name string, into any) {
	t.Helper()
	text, err := Files.ReadFile(name)
	require.NoError(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into))
}

func TestNotifications(t *testing.T) {
	var names []string
	for name := range files(t) {
		if path.Dir(name) == "notifications" {
			names = append(names, path.Base(name))
		}
	}
	require.ElementsMatch(t, append(slices.Collect(maps.Keys(Notifications)), Policies, Nobody), names)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	messages := map[string]bool{}
	defer func() { require.Len(t, messages, 1, "all say the same") }()
	for name, variable := range Notifications {
		var file struct {
			APIVersion    int `yaml:"apiVersion"`
			ContactPoints []struct {
				OrgID     int    `yaml:"orgId"`
				Name      string `yaml:"name"`
				Receivers []struct {
					UID      string            `yaml:"uid"`
					Type     string            `yaml:"type"`
					Settings map[string]string `yaml:"settings"`
				} `yaml:"receivers"`
			} `yaml:"contactPoints"`
		}
		parseRaw(t, "notifications/"+name, &file)
		require.Equal(t, "Flowgauge", file.ContactPoints[0].Name, "that to which the policies route")
		receiver := file.ContactPoints[0].Receivers[0]
		require.Contains(t, slices.Collect(maps.Values(receiver.Settings)), "$"+variable)
		// Each has the text itself: Grafana 10.1 does not load templates that were provisioned.
		said := receiver.Settings["message"] + receiver.Settings["text"]
		require.Contains(t, said, ".Annotations.description")
		messages[said] = true
		require.Contains(t, environment, variable)
		require.Contains(t, string(readme), "| `notifications/"+name+"` | `"+variable+"`")
	}
}
