package api

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/requestjson"
	"github.com/flowgauge/flowgauge/backend/servertest"
)

// What is served is what the document describes, and what is generated from it is
// there.
func TestServedIsWhatIsDescribed(t *testing.T) {
	router := gin.New()
	a, err := New(Config{Analytics: &fake{}, Authenticator: roles{}})
	require.NoError(t, err)
	a.Register(router)
	a.RegisterCollector(router)
	var described, served []string
	for name, o := range a.document.operations {
		described = append(described, name)
		require.NotEmpty(t, o.ID, name)
		for _, p := range o.Parameters {
			require.NotEmpty(t, p.Name, name)
			require.NotEmpty(t, p.example(), "%s: example of %s", name, p.Name)
			require.NoError(t, p.value(p.example()), "%s: example of %s", name, p.Name)
		}
	}
	for _, r := range router.Routes() {
		served = append(served, r.Method+" "+strings.TrimPrefix(r.Path, base))
	}
	require.ElementsMatch(t, described, served)
}

// An area's endpoint can be filtered by every dimension that a metric of it has.
func TestAreasAreFilteredByTheirDimensions(t *testing.T) {
	d, err := parse(openAPI)
	require.NoError(t, err)
	for path, area := range map[string]string{"/executions": "Executions", "/costs": "Costs", "/activity": "Activity"} {
		want, have := map[string]bool{}, map[string]bool{}
		for _, m := range metric.All().Metrics {
			for _, name := range m.Dimensions {
				want[name] = want[name] || m.Area == area
			}
		}
		for _, p := range d.operations["GET /analytics"+path].in("query") {
			if p.Schema.is("array") {
				have[p.Name] = true
			}
		}
		for name, wanted := range want {
			require.Equal(t, wanted, have[name], "%s: %s", path, name)
		}
	}
	have := map[string]bool{}
	for _, p := range d.operations["GET /analytics/values/:dimension"].in("query") {
		have[p.Name] = true
	}
	for _, name := range metric.DimensionNames() {
		require.True(t, have[name], name)
	}
}

// spec.gen.go is what the generator makes of openapi.yaml.
func TestGeneratedCodeIsUpToDate(t *testing.T) {
	made := filepath.Join(t.TempDir(), "spec.gen.go")
	tool := []string{"tool", "-modfile=../../.ci/generate.mod", "oapi-codegen"}
	if out, err := exec.CommandContext(t.Context(), "go", append(tool, "-version")...).CombinedOutput(); err != nil {
		servertest.Absent(t, "the generator cannot be built here: %v\n%s", err, out)
	}
	config, err := os.ReadFile("spec/config.yaml")
	require.NoError(t, err)
	elsewhere := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(elsewhere, []byte(strings.Replace(string(config), "spec/spec.gen.go", made, 1)), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", append(tool, "-config", elsewhere, "openapi.yaml")...).CombinedOutput()
	require.NoError(t, err, string(out))
	want, err := os.ReadFile(made)
	require.NoError(t, err)
	have, err := os.ReadFile("spec/spec.gen.go")
	require.NoError(t, err)
	require.Equal(t, string(want), string(have), "run go generate ./backend/api")
}

// The document names every kind of question.
func TestKindsAreDescribed(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas struct {
				Request struct {
					Properties map[string]struct{ Enum []string }
				} `yaml:"Request"`
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(openAPI, &doc))
	var kinds []string
	for _, k := range query.Kinds() {
		kinds = append(kinds, string(k.Kind))
	}
	require.ElementsMatch(t, kinds, doc.Components.Schemas.Request.Properties["kind"].Enum)
	for _, name := range requestjson.Members() {
		require.Contains(t, doc.Components.Schemas.Request.Properties, name)
	}
}
