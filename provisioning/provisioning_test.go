package provisioning

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/flowgauge/flowgauge/datasource/pkg/plugin"
)

// environment is one that the README would lead to.
var environment = map[string]string{
	"FLOWGAUGE_CLICKHOUSE_HOST":     "clickhouse.internal",
	"FLOWGAUGE_CLICKHOUSE_PORT":     "9440",
	"FLOWGAUGE_CLICKHOUSE_SECURE":   "true",
	"FLOWGAUGE_CLICKHOUSE_DATABASE": "flowgauge",
	"FLOWGAUGE_CLICKHOUSE_USER":     "flowgauge_reader",
	"FLOWGAUGE_CLICKHOUSE_PASSWORD": "secret",
	"FLOWGAUGE_TENANT":              "acme",
	"FLOWGAUGE_PSEUDONYM_KEY":       "0123456789abcdef0123456789abcdef",
	"FLOWGAUGE_SQL_USER":            "flowgauge_sql_acme",
	"FLOWGAUGE_SQL_PASSWORD":        "sql secret",
	"FLOWGAUGE_SERVER_URL":          "https://flowgauge.internal",
	"FLOWGAUGE_SERVER_KEY":          "fg_secret",
	"FLOWGAUGE_DASHBOARDS":          "/var/lib/grafana/flowgauge-dashboards",
	"FLOWGAUGE_ALERT_EMAIL":         "oncall@example.com",
	"FLOWGAUGE_ALERT_SLACK_URL":     "https://hooks.slack.example/x",
	"FLOWGAUGE_ALERT_WEBHOOK_URL":   "https://alerts.example.com/",
}

func files(t *testing.T) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	require.NoError(t, fs.WalkDir(Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		found[name], err = Files.ReadFile(name)
		return err
	}))
	return found
}

// parse reads a file as Grafana would with the environment above. Unlike it,
// it does not put up with a key that nothing reads.
func parse(t *testing.T, name string, into any) {
	t.Helper()
	text, err := Files.ReadFile(name)
	require.NoError(t, err)
	expanded := os.Expand(string(text), func(key string) string {
		value, ok := environment[key]
		require.True(t, ok, "%s is not a variable of ours", key)
		return value
	})
	decoder := yaml.NewDecoder(bytes.NewBufferString(expanded))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into))
}

func TestFilesAreWhereGrafanaLooks(t *testing.T) {
	for name, text := range files(t) {
		require.Contains(t, []string{"datasources", "dashboards", "plugins", "alerting", "notifications"}, path.Dir(name))
		require.Equal(t, ".yaml", path.Ext(name))
		var head struct {
			APIVersion int `yaml:"apiVersion"`
		}
		require.NoError(t, yaml.Unmarshal(text, &head), name)
		require.Equal(t, 1, head.APIVersion, name)
	}
}

func TestDatasource(t *testing.T) {
	type source struct {
		Name, UID, Type, Access string
		OrgID                   int               `yaml:"orgId"`
		IsDefault               bool              `yaml:"isDefault"`
		Editable                bool              `yaml:"editable"`
		JSONData                map[string]any    `yaml:"jsonData"`
		SecureJSONData          map[string]string `yaml:"secureJsonData"`
	}
	var file struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []source
	}
	parse(t, "datasources/flowgauge.yaml", &file)
	require.Len(t, file.Datasources, 1)
	got := file.Datasources[0]
	require.Equal(t, plugin.ID, got.Type)
	require.Equal(t, "proxy", got.Access)
	require.False(t, got.IsDefault, "Grafana refuses to start with two defaults, and yours may have one")

	// Every key is one that the plugin reads.
	var keys []string
	for f := range reflect.TypeFor[plugin.Settings]().Fields() {
		keys = append(keys, f.Tag.Get("json"))
	}
	for key := range got.JSONData {
		require.Contains(t, keys, key)
	}

	text, err := json.Marshal(got.JSONData)
	require.NoError(t, err)
	settings, err := plugin.ParseSettings(backend.DataSourceInstanceSettings{JSONData: text, DecryptedSecureJSONData: got.SecureJSONData})
	require.NoError(t, err)
	require.Equal(t, "clickhouse.internal", settings.Host)
	require.Equal(t, 9440, settings.Port)
	require.True(t, settings.Secure)
	require.Equal(t, "flowgauge", settings.Database)
	require.Equal(t, "flowgauge_reader", settings.Username)
	require.Equal(t, "acme", settings.Tenant)
	require.Equal(t, "https://flowgauge.internal", settings.ServerURL)
	require.Equal(t, map[string]string{"password": "secret", "pseudonymKey": "0123456789abcdef0123456789abcdef", "sqlPassword": "sql secret", "serverKey": "fg_secret"}, got.SecureJSONData)
}

func TestDashboards(t *testing.T) {
	type provider struct {
		Name, Type, Folder    string
		OrgID                 int    `yaml:"orgId"`
		FolderUID             string `yaml:"folderUid"`
		AllowUIUpdates        bool   `yaml:"allowUiUpdates"`
		DisableDeletion       bool   `yaml:"disableDeletion"`
		UpdateIntervalSeconds int    `yaml:"updateIntervalSeconds"`
		Options               struct {
			Path                      string
			FoldersFromFilesStructure bool `yaml:"foldersFromFilesStructure"`
		}
	}
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []provider
	}
	parse(t, "dashboards/flowgauge.yaml", &file)
	require.Len(t, file.Providers, 1)
	got := file.Providers[0]
	require.Equal(t, "file", got.Type)
	require.Equal(t, "Flowgauge", got.Folder)
	require.Equal(t, environment["FLOWGAUGE_DASHBOARDS"], got.Options.Path)
}

func TestPlugins(t *testing.T) {
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Apps       []struct{ Type string }
	}
	parse(t, "plugins/flowgauge.yaml", &file)
	require.Empty(t, file.Apps)
}

// The README, the files and the environment of this test have the same variables.
func TestVariablesAreDocumented(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	used := map[string]bool{}
	for name, text := range files(t) {
		if path.Dir(name) == "notifications" {
			continue // TestNotifications has them: each is wanted by itself
		}
		for _, key := range regexp.MustCompile(`\$(FLOWGAUGE_\w+)`).FindAllStringSubmatch(string(text), -1) {
			used[key[1]] = true
		}
	}
	require.Len(t, used, len(environment)-len(Notifications))
	rows := regexp.MustCompile("(?m)^\\| `(FLOWGAUGE_\\w+)` \\|").FindAllStringSubmatch(string(readme), -1)
	var documented []string
	for _, row := range rows {
		documented = append(documented, row[1])
	}
	for name := range used {
		require.Contains(t, documented, name)
		require.Contains(t, string(readme), fmt.Sprintf("export %s=", name))
	}
	require.Len(t, slices.Compact(documented), len(used))
	for name := range files(t) {
		require.Contains(t, string(readme), "`"+name+"`")
	}
}
