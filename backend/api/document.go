package api

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// description is what the server needs to know of openapi.yaml beside what is generated
// from it: who may call an operation, and what each of its parameters may be. A
// request is checked against it before the generated code binds it, so that what is
// described and what is taken cannot differ.
type description struct {
	operations map[string]*operation // by method and path as gin spells it
}

// operation is one of the document.
type operation struct {
	ID         string                 `yaml:"operationId"`
	Security   *[]map[string][]string `yaml:"security"`
	Parameters []*parameter           `yaml:"parameters"`
}

// parameter is one of an operation, in its path, query or header.
type parameter struct {
	Ref      string `yaml:"$ref"`
	Name     string `yaml:"name"`
	In       string `yaml:"in"`
	Required bool   `yaml:"required"`
	Schema   schema `yaml:"schema"`
	Example  any    `yaml:"example"`
}

// schema is as much of JSON Schema as parameters need.
type schema struct {
	Ref       string   `yaml:"$ref"`
	Type      any      `yaml:"type"` // a name, or several for values
	Items     *schema  `yaml:"items"`
	Enum      []string `yaml:"enum"`
	Minimum   *int     `yaml:"minimum"`
	Maximum   *int     `yaml:"maximum"`
	MinLength int      `yaml:"minLength"`
	MaxLength int      `yaml:"maxLength"`
	Pattern   string   `yaml:"pattern"`
	Default   any      `yaml:"default"`

	Description string `yaml:"description"` // in words, of what Pattern says

	compiled *regexp.Regexp // of Pattern
}

// public reports whether an operation can be called without a key.
func (o *operation) public() bool { return o.Security != nil && len(*o.Security) == 0 }

// needs returns the scope that the key must have beside that of reading.
func (o *operation) needs() string {
	if o.Security != nil {
		for _, scopes := range *o.Security {
			for _, s := range scopes["key"] {
				return s
			}
		}
	}
	return ""
}

// parse reads the document and puts what is referred to in its place.
func parse(text []byte) (*description, error) {
	var raw struct {
		Paths      map[string]map[string]yaml.Node `yaml:"paths"`
		Components struct {
			Parameters map[string]*parameter `yaml:"parameters"`
			Schemas    map[string]yaml.Node  `yaml:"schemas"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	resolve := func(p *parameter) (*parameter, error) {
		if p.Ref != "" {
			found, ok := raw.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
			if !ok {
				return nil, fmt.Errorf("openapi.yaml: no %s", p.Ref)
			}
			p = found
		}
		for _, s := range []*schema{&p.Schema, p.Schema.Items} {
			if s == nil || s.Ref == "" {
				continue
			}
			node, ok := raw.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
			if !ok {
				return nil, fmt.Errorf("openapi.yaml: no %s", s.Ref)
			}
			if err := node.Decode(s); err != nil {
				return nil, fmt.Errorf("openapi.yaml: %s: %w", s.Ref, err)
			}
			s.Ref = ""
		}
		if one := p.one(); one.Pattern != "" && one.compiled == nil {
			var err error
			if one.compiled, err = regexp.Compile(one.Pattern); err != nil {
				return nil, fmt.Errorf("openapi.yaml: pattern of %s: %w", p.Name, err)
			}
		}
		return p, nil
	}
	d := &description{operations: map[string]*operation{}}
	for path, item := range raw.Paths {
		var shared []*parameter
		if node, ok := item["parameters"]; ok {
			if err := node.Decode(&shared); err != nil {
				return nil, fmt.Errorf("openapi.yaml: %s: %w", path, err)
			}
		}
		for method, node := range item {
			if method == "parameters" {
				continue
			}
			var o operation
			if err := node.Decode(&o); err != nil {
				return nil, fmt.Errorf("openapi.yaml: %s %s: %w", method, path, err)
			}
			o.Parameters = append(o.Parameters, shared...)
			for i, p := range o.Parameters {
				var err error
				if o.Parameters[i], err = resolve(p); err != nil {
					return nil, err
				}
			}
			d.operations[strings.ToUpper(method)+" "+strings.NewReplacer("{", ":", "}", "").Replace(path)] = &o
		}
	}
	return d, nil
}

// in returns the parameters of one place.
func (o *operation) in(place string) []*parameter {
	var out []*parameter
	for _, p := range o.Parameters {
		if p.In == place {
			out = append(out, p)
		}
	}
	return out
}

// find returns a parameter by its name.
func (o *operation) find(name string) *parameter {
	for _, p := range o.Parameters {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// documented adds what the document knows of the parameter that a problem names.
func (o *operation) documented(p *Problem) *Problem {
	if o == nil || p.Status != http.StatusBadRequest {
		return p
	}
	if known := o.find(p.Param); known != nil {
		if p.Allowed == nil {
			p.Allowed = known.allowed()
		}
		if p.Example == "" {
			p.Example = known.example()
		}
	}
	return p
}
