package otlp

import (
	"embed"
	"fmt"
	"strings"

	"github.com/flowgauge/flowgauge/backend/config"
)

//go:embed presets/*.yaml
var presets embed.FS

// Preset returns mappings that come with Flowgauge.
func Preset(name string) ([]config.SpanMapping, error) {
	text, err := presets.ReadFile("presets/" + name + ".yaml")
	if err != nil {
		var names []string
		entries, _ := presets.ReadDir("presets") // is embedded
		for _, e := range entries {
			names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
		}
		return nil, fmt.Errorf("there is no preset %q; there are %s", name, strings.Join(names, ", "))
	}
	mappings, err := config.SpanMappings(text)
	if err != nil {
		return nil, fmt.Errorf("preset %s: %w", name, err)
	}
	return mappings, nil
}
