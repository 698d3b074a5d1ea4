package conformance_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/conformance"
	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// sources is a folder of plugins with test-source.
func sources(t *testing.T) string {
	t.Helper()
	return hosttest.Misbehave(t, func(m *host.Manifest, dir string) {
		out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "source"), "github.com/flowgauge/flowgauge/plugins/host/hosttest/badsource").CombinedOutput()
		require.NoError(t, err, string(out))
		m.ID, m.Command, m.Extends = "test-source", []string{"./source"}, []contract.Extension{contract.ExtensionSource}
		m.Permissions = host.Permissions{Add: []string{"activity"}}
	})
}

func TestASourceThatBreaksTheContractIsToldHow(t *testing.T) {
	dir := sources(t)
	sample := filepath.Join(t.TempDir(), "sample.http")
	request := func(order string) []conformance.Request {
		require.NoError(t, os.WriteFile(sample, []byte("POST /a?b=c HTTP/1.1\nX-Signature: s\n\n"+order), 0o600))
		requests, err := conformance.ReadRequests([]string{sample})
		require.NoError(t, err)
		require.Equal(t, order, string(requests[0].Body))
		require.Equal(t, "/a", requests[0].Path)
		require.Equal(t, "b=c", requests[0].Query)
		require.Equal(t, "s", requests[0].Header.Get("X-Signature"))
		return requests
	}
	const (
		good = `{"kind":"activity","id":"a","timestamp":"2026-03-01T10:00:00Z","action":"open"}`
		late = `{"kind":"activity","id":"a","timestamp":"2199-01-01T00:00:00Z","action":"open"}`
		cost = `{"kind":"cost","id":"c","timestamp":"2026-03-01T10:00:00Z","userId":"ann","actionType":"call","credits":1}`
	)
	answer := func(event string) string {
		text, err := json.Marshal(map[string]any{"how": "answer", "events": event})
		require.NoError(t, err)
		return string(text)
	}
	for name, c := range map[string]struct {
		settings map[string]any
		order    string
		want     string // of the check that fails
	}{
		"good":          {nil, answer(good), ""},
		"trusting":      {map[string]any{"signed": false}, answer(good), "anybody can send it"},
		"clumsy":        {map[string]any{"clumsy": true}, answer(good), "say what is wrong with a request by a status or by INVALID_ARGUMENT"},
		"late":          {nil, answer(late), "1970"},
		"kind":          {nil, answer(cost), "of the kind cost"},
		"nothing":       {nil, answer(""), "it makes no events of it"},
		"fresh request": {nil, `{"how":"fresh"}`, "ids and times must be made of what the events are about"},
		"fresh pull":    {map[string]any{"how": "fresh"}, answer(good), "and did not when it was asked again"},
		"bad pull":      {map[string]any{"how": "bad"}, answer(good), `"id":"late"`},
		"other tenant":  {map[string]any{"how": "tenant"}, answer(good), "is of another tenant"},
		"later":         {map[string]any{"how": "lost", "at": "10"}, answer(good), "its answer has no cursor"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := map[string]any{"total": 30, "page": 10, "signed": true}
			for key, value := range c.settings {
				settings[key] = value
			}
			text, err := json.Marshal(settings)
			require.NoError(t, err)
			var names, faults []string
			err = conformance.Run(t.Context(), conformance.Config{Dir: dir, ID: "test-source", Settings: text, Requests: request(c.order)}, func(check conformance.Check) {
				names = append(names, check.Name)
				if check.Err != nil {
					faults = append(faults, check.Err.Error())
				}
			})
			if c.want == "" {
				require.NoError(t, err)
				assert.Empty(t, faults)
				assert.Len(t, names, 9, "%q", names)
				return
			}
			require.Error(t, err)
			require.Len(t, faults, 1, "%q", faults)
			assert.Contains(t, faults[0], c.want)
		})
	}
	_, err := conformance.ReadRequests([]string{filepath.Join(dir, "test-source")})
	require.Error(t, err)
}
