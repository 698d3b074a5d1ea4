package conformance_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/conformance"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

func TestAnExporterThatBreaksTheContractIsToldHow(t *testing.T) {
	dir := hosttest.Misbehave(t, func(m *host.Manifest, _ string) { m.Extends = []contract.Extension{contract.ExtensionExporter} })
	for name, c := range map[string]struct {
		settings map[string]any
		want     []string // in the errors of the checks that fail
	}{
		"good":            {nil, nil},
		"fails":           {map[string]any{"how": "error", "all": true, "of": "empty"}, []string{"delivery conformance-empty: plugin test-misbehave: the directory of users does not answer"}},
		"refuses strange": {map[string]any{"how": "refused", "all": true, "of": "nothing"}, nil},
		"refuses usual":   {map[string]any{"how": "refused", "all": true, "of": "usual"}, []string{"it has poison in it", "it has poison in it"}},
	} {
		t.Run(name, func(t *testing.T) {
			settings := map[string]any{"told": filepath.Join(t.TempDir(), "told")}
			for key, value := range c.settings {
				settings[key] = value
			}
			text, err := json.Marshal(settings)
			require.NoError(t, err)
			var names []string
			var faults []error
			err = conformance.Run(t.Context(), conformance.Config{Dir: dir, ID: "test-misbehave", Settings: text}, func(check conformance.Check) {
				names = append(names, check.Name)
				if check.Err != nil {
					faults = append(faults, check.Err)
				}
			})
			assert.Len(t, names, 8, "%q", names)
			require.Len(t, faults, len(c.want), "%v", faults)
			for i, want := range c.want {
				assert.ErrorContains(t, faults[i], want)
			}
			assert.Equal(t, len(c.want) > 0, err != nil)
		})
	}
}
