package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

type operation struct {
	Parameters []parameter `yaml:"parameters"`
}

type parameter struct {
	Ref  string `yaml:"$ref"`
	Name string `yaml:"name"`
	In   string `yaml:"in"`
}

// The description names exactly the endpoints and parameters that exist.
func TestDescriptionIsComplete(t *testing.T) {
	var doc struct {
		Paths      map[string]map[string]yaml.Node `yaml:"paths"`
		Components struct {
			Parameters map[string]parameter `yaml:"parameters"`
			Schemas    map[string]any       `yaml:"schemas"`
			Responses  map[string]any       `yaml:"responses"`
		} `yaml:"components"`
	}
	require.NoError(t, yaml.Unmarshal(openAPI, &doc))

	var described, served []string
	operations := map[string]operation{}
	for path, item := range doc.Paths {
		root, shared := Root, operation{}
		if servers, ok := item["servers"]; ok {
			var list []struct{ URL string }
			require.NoError(t, servers.Decode(&list))
			root = list[0].URL
		}
		if parameters, ok := item["parameters"]; ok {
			require.NoError(t, parameters.Decode(&shared.Parameters))
		}
		for method, node := range item {
			if method == "servers" || method == "parameters" {
				continue
			}
			o := shared
			require.NoError(t, node.Decode(&o))
			described = append(described, strings.ToUpper(method)+" "+root+path)
			operations[strings.ToUpper(method)+" "+path] = o
		}
	}
	router := gin.New()
	a, err := New(Config{Analytics: &fake{}, Authenticator: roles{}})
	require.NoError(t, err)
	a.Register(router)
	a.RegisterCollector(router)
	for _, r := range router.Routes() {
		path := strings.NewReplacer(":dimension", "{dimension}", ":id", "{id}").Replace(r.Path)
		served = append(served, r.Method+" "+path)
	}
	require.ElementsMatch(t, served, described)

	for name, parameters := range map[string][]string{
		"GET /executions": executionsEndpoint.parameters(), "GET /executions/summary": summaryEndpoint.parameters(),
		"GET /executions/errors": errorsEndpoint.parameters(), "GET /costs": costsEndpoint.parameters(),
		"GET /activity": activityEndpoint.parameters(), "GET /values/{dimension}": valuesEndpoint.parameters(),
		"GET /completeness": completenessParameters, "GET /conflicts": conflictParameters,
		"GET /dead-letters": letterParameters, "POST /dead-letters/{id}/replay": replayParameters,
	} {
		var names []string
		for _, p := range operations[name].Parameters {
			if p.Ref != "" {
				p = doc.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
			}
			require.NotEmpty(t, p.Name, name)
			if p.In == "query" {
				names = append(names, p.Name)
			}
		}
		require.ElementsMatch(t, parameters, names, name)
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
