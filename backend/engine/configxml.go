package engine

import (
	"bytes"
	_ "embed"
	"encoding/xml"
	"fmt"
	"path/filepath"
	"runtime"
	"text/template"

	"github.com/flowgauge/flowgauge/backend/atomicfile"
)

//go:embed config.xml.tmpl
var serverTemplate string

//go:embed users.xml.tmpl
var usersTemplate string

var (
	serverConfig = parseTemplate("config.xml", serverTemplate)
	usersConfig  = parseTemplate("users.xml", usersTemplate)
)

// settings is what the templates refer to.
type settings struct {
	Paths        paths
	Endpoint     Endpoint
	Memory       int64
	QueryMemory  int64 // one statement of the writer
	ReaderMemory int64 // one statement of the reader
	Caches       int64
	Pool         int
	Threads      int
	Grants       []string
	WriterHash   string
	ReaderHash   string
	SQLHash      string
	ExtraConfig  string
}

// paths is the layout of an engine's directory.
type paths struct {
	Config, Users           string
	Credentials, Endpoint   string
	Data, Log, Stderr, Lock string
}

func pathsIn(dir string) paths {
	return paths{
		Config:      filepath.Join(dir, "config", "config.xml"),
		Users:       filepath.Join(dir, "config", "users.xml"),
		Credentials: filepath.Join(dir, "config", "credentials.json"),
		Endpoint:    filepath.Join(dir, "config", "endpoint.json"),
		Data:        filepath.Join(dir, "data"),
		Log:         filepath.Join(dir, "log", "clickhouse.log"),
		Stderr:      filepath.Join(dir, "log", "engine-stderr.log"),
		Lock:        filepath.Join(dir, "engine.lock"),
	}
}

// writeConfig renders both files. They are written at every start, so a
// changed Config holds, and edits by hand do not.
func writeConfig(c Config, p paths, e Endpoint) error {
	cores := runtime.NumCPU()
	s := settings{
		Paths:    p,
		Endpoint: e,
		Memory:   c.MemoryLimit,
		// No single statement gets all: one that goes astray would fail the
		// inserts beside it.
		QueryMemory:  c.MemoryLimit / 4 * 3,
		ReaderMemory: c.MemoryLimit / 2,
		Caches:       min(c.MemoryLimit/16, 256*mebibyte),
		Pool:         max(cores, 2),
		Threads:      cores,
		Grants:       readerGrants(c),
		WriterHash:   passwordHash(e.Writer.Password),
		ReaderHash:   passwordHash(e.Reader.Password),
		SQLHash:      passwordHash(e.SQL.Password),
		ExtraConfig:  c.ExtraConfig,
	}
	for path, tmpl := range map[string]*template.Template{p.Config: serverConfig, p.Users: usersConfig} {
		var out bytes.Buffer
		if err := tmpl.Execute(&out, s); err != nil {
			return fmt.Errorf("render %s: %w", tmpl.Name(), err)
		}
		if err := atomicfile.Write(path, out.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func readerGrants(c Config) []string {
	var grants []string
	for _, database := range c.databases() {
		grants = append(grants, "GRANT SELECT ON "+database+".*", "GRANT INSERT ON "+database+".audit_log")
	}
	return grants
}

func parseTemplate(name, text string) *template.Template {
	return template.Must(template.New(name).Funcs(template.FuncMap{"xml": escapeXML}).Parse(text))
}

func escapeXML(text string) (string, error) {
	var out bytes.Buffer
	err := xml.EscapeText(&out, []byte(text))
	return out.String(), err
}
