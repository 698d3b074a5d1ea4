package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

type parameter struct {
	Ref  string `yaml:"$ref"`
	Name string `yaml:"name"`
	In   string `yaml:"in"`
}

// The description names exactly the endpoints and parameters that exist.
func TestDescriptionIsComplete(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []parameter `yaml:"parameters"`
		} `yaml:"paths"`
		Components struct {
			Parameters map[string]parameter `yaml:"parameters"`
			Schemas    map[string]any       `yaml:"schemas"`
			Responses  map[string]any       `yaml:"responses"`
		} `yaml:"components"`
	}
	require.NoError(t, yaml.Unmarshal(openAPI, &doc))

	var described, served []string
	for path, methods := range doc.Paths {
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	router := gin.New()
	a, err := New(Config{Analytics: &fake{}, Authenticator: roles{}})
	require.NoError(t, err)
	a.Register(router)
	for _, r := range router.Routes() {
		path := strings.TrimPrefix(r.Path, Root)
		served = append(served, r.Method+" "+strings.ReplaceAll(path, ":dimension", "{dimension}"))
	}
	require.ElementsMatch(t, served, described)

	for path, e := range map[string]*endpoint{
		"/executions": &executionsEndpoint, "/executions/summary": &summaryEndpoint, "/executions/errors": &errorsEndpoint,
		"/costs": &costsEndpoint, "/activity": &activityEndpoint, "/values/{dimension}": &valuesEndpoint,
	} {
		var names []string
		for _, p := range doc.Paths[path]["get"].Parameters {
			if p.Ref != "" {
				p = doc.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
			}
			require.NotEmpty(t, p.Name, path)
			if p.In == "query" {
				names = append(names, p.Name)
			}
		}
		require.ElementsMatch(t, e.parameters(), names, path)
	}
	for _, line := range strings.Split(string(openAPI), "\n") {
		if _, ref, ok := strings.Cut(line, `$ref: "#/components/`); ok {
			kind, name, _ := strings.Cut(ref[:strings.Index(ref, `"`)], "/")
			switch kind {
			case "schemas":
				require.Contains(t, doc.Components.Schemas, name)
			case "responses":
				require.Contains(t, doc.Components.Responses, name)
			default:
				require.True(t, slices.Contains([]string{"parameters"}, kind), kind)
			}
		}
	}
}
