// Package hosttest installs plugins for tests.
package hosttest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
)

var (
	mu     sync.Mutex
	binary string
)

// Misbehave is a folder of plugins with test-misbehave, as change leaves its manifest and its
// folder. The folder is written before its checksums are.
func Misbehave(t testing.TB, change func(m *host.Manifest, dir string)) string {
	t.Helper()
	plugins := t.TempDir()
	Install(t, plugins, change)
	return plugins
}

// Install adds a version of test-misbehave to a folder of plugins.
func Install(t testing.TB, plugins string, change func(m *host.Manifest, dir string)) host.Installed {
	t.Helper()
	from := t.TempDir()
	program, err := os.ReadFile(built(t))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(from, "misbehave"), program, 0o700))
	m := &host.Manifest{
		ID: "test-misbehave", Version: "1.0.0", Contract: contract.Version,
		Extends: []contract.Extension{contract.ExtensionEnricher, contract.ExtensionPricer}, Command: []string{"./misbehave"},
		Permissions: host.Permissions{
			Kinds: contract.Kinds, Read: []string{"metadata", "source", "credits"}, Write: []string{"source"}, Add: []string{"activity"}, Drop: true,
			Env: []string{"MISBEHAVE_AT_START"},
		},
	}
	if change != nil {
		change(m, from)
	}
	require.NoError(t, host.Pack(from, m))
	installed, err := host.Install(plugins, from)
	require.NoError(t, err)
	return installed
}

// ShortFolder is one in which a socket's path is short enough.
func ShortFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "flowgauge-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Settings are those of test-misbehave.
func Settings(t testing.TB, how string, all bool) json.RawMessage {
	text, err := json.Marshal(map[string]any{"how": how, "all": all, "mark": "enriched"})
	require.NoError(t, err)
	return text
}

// built is the program, made once for all tests of a process.
func built(t testing.TB) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if binary == "" {
		dir, err := os.MkdirTemp("", "flowgauge-misbehave-")
		require.NoError(t, err)
		out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "misbehave"), "github.com/flowgauge/flowgauge/plugins/host/hosttest/misbehave").CombinedOutput()
		require.NoError(t, err, string(out))
		binary = filepath.Join(dir, "misbehave")
	}
	return binary
}

// Remove removes what was built, at the end of a test or of its process.
func Remove() {
	mu.Lock()
	defer mu.Unlock()
	if binary != "" {
		_ = os.RemoveAll(filepath.Dir(binary))
		binary = ""
	}
}
