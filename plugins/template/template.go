// Package template writes plugins to begin with: each builds, keeps the contract and runs.
package template

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/template"

	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
)

//go:embed files
var files embed.FS

// Plugin is what is to be written.
type Plugin struct {
	ID   string
	Kind contract.Extension
	// Version of the module github.com/flowgauge/flowgauge that it is built with.
	Version string
	// Source is a folder with that module, which is used instead of a published version; may be empty.
	Source string
}

// Write writes the plugin into a folder.
func Write(dir string, p Plugin) error {
	if !slices.Contains(contract.Extensions, p.Kind) {
		return fmt.Errorf("there is no kind %q of plugin: %v", p.Kind, contract.Extensions)
	}
	// First, because it checks the id, which is the folder's name too.
	if err := host.Write(filepath.Join(dir, "package"), p.manifest()); err != nil {
		return err
	}
	written := map[string]string{
		"main.go": string(p.Kind) + ".go.tmpl", "main_test.go": string(p.Kind) + "_test.go.tmpl", "go.mod": "go.mod.tmpl", "README.md": "README.md.tmpl", ".gitignore": "gitignore.tmpl",
	}
	if p.Kind == contract.ExtensionSource {
		written["sample.http"] = "source.http.tmpl" // for flowgauge plugin test --request
	}
	for name, from := range written {
		t, err := template.ParseFS(files, "files/"+from)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := t.Execute(&out, p); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (p Plugin) manifest() *host.Manifest {
	m := &host.Manifest{
		ID: p.ID, Version: "0.1.0", Description: "Says what " + p.ID + " does.", Contract: contract.Version,
		Extends: []contract.Extension{p.Kind}, Command: []string{"./" + p.ID},
	}
	switch p.Kind {
	case contract.ExtensionEnricher:
		m.Permissions = host.Permissions{Kinds: []string{"execution"}, Read: []string{"errorMessage"}, Write: []string{"errorType"}}
	case contract.ExtensionPricer:
		m.Permissions = host.Permissions{Read: []string{"actionType", "credits"}}
	case contract.ExtensionSource:
		m.Permissions = host.Permissions{Add: []string{"execution"}, Headers: []string{"x-signature"}}
	}
	return m
}
