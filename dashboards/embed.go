// Package dashboards carries Flowgauge's dashboards: Grafana's own JSON, which
// Grafana 10.1 and later load as it is. The files are the source; edit them by
// hand or in Grafana and export them. Load reads them for whoever shows or
// checks them without Grafana.
//
// Every panel asks the datasource variable, ${datasource}, in the datasource
// plugin's query model. The package's tests hold the files to the catalogue of
// backend/metric: a panel that names a metric, a dimension, a column or a link
// that is not there does not get past them.
package dashboards

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
)

// Files are the dashboards' JSON files.
//
//go:embed *.json
var Files embed.FS

// Load reads all dashboards, in the order of their file names.
func Load() ([]Dashboard, error) {
	names, err := fs.Glob(Files, "*.json")
	if err != nil {
		return nil, fmt.Errorf("list dashboards: %w", err)
	}
	all := make([]Dashboard, 0, len(names))
	for _, name := range names {
		text, err := Files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read dashboard: %w", err)
		}
		d := Dashboard{File: name, JSON: text}
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("parse dashboard %s: %w", name, err)
		}
		all = append(all, d)
	}
	return all, nil
}
