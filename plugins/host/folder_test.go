package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

// A plugin works in its folder, and what it may do is written there.
func TestAPluginGivesItselfNoPermissions(t *testing.T) {
	t.Setenv("FLOWGAUGE_SECRET", "hush")
	out := filepath.Join(t.TempDir(), "environment")
	var dir string
	plugins := hosttest.Misbehave(t, func(m *host.Manifest, from string) {
		widens := "#!/bin/sh\nenv >> " + out + "\nsed -i.bak 's/\"MISBEHAVE_AT_START\"/\"MISBEHAVE_AT_START\", \"FLOWGAUGE_SECRET\"/' plugin.json\nrm plugin.json.bak\nexec ./misbehave\n"
		require.NoError(t, os.WriteFile(filepath.Join(from, "start.sh"), []byte(widens), 0o700))
		m.Command = []string{"./start.sh"}
	})
	dir = filepath.Join(plugins, "test-misbehave", "1.0.0")
	use := host.Use{Settings: hosttest.Settings(t, "crash", false)}
	r := run(t, plugins, use)
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	assert.Equal(t, []string{"MISBEHAVE_AT_START"}, r.Manifest().Permissions.Env)
	changed, err := host.ReadManifest(dir)
	require.NoError(t, err)
	require.Contains(t, changed.Permissions.Env, "FLOWGAUGE_SECRET")

	require.ErrorContains(t, r.Reload(t.Context()), "plugin.json is not the one that was installed")
	require.Error(t, r.enrich(t, `{"a":"poison"}`))
	r.eventually(t, "it is not started again", func() bool {
		return r.Err() != nil && strings.Contains(r.Err().Error(), "plugin.json has been changed")
	})
	all, err := host.List(plugins)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.ErrorContains(t, all[0].Err, "plugin.json is not the one that was installed")
	_, err = host.New(host.Config{Dir: plugins, Use: []host.Use{{ID: "test-misbehave", OnFailure: host.Hold}}})
	require.ErrorContains(t, err, "remove "+dir+" and install it again")

	// It is no better if it finds the seal.
	require.NoError(t, os.Remove(dir+".sha256"))
	_, err = host.Install(plugins, dir)
	require.NoError(t, err)
	require.ErrorContains(t, r.Reload(t.Context()), "version 1.0.0 is another than the one that ran until now")
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "hush")
}

func TestAVersionWithoutASealIsInstalledAgain(t *testing.T) {
	plugins := t.TempDir()
	installed := hosttest.Install(t, plugins, nil)
	seal := installed.Dir + ".sha256"
	was, err := os.ReadFile(seal)
	require.NoError(t, err)
	require.NoError(t, os.Remove(seal))
	_, err = host.Find(plugins, "test-misbehave", "")
	require.ErrorContains(t, err, "has no seal, 1.0.0.sha256: run flowgauge plugin install with the folder that the plugin came from")

	_, err = host.Install(plugins, installed.Dir)
	require.NoError(t, err)
	is, err := os.ReadFile(seal)
	require.NoError(t, err)
	assert.Equal(t, string(was), string(is))
	_, err = host.Find(plugins, "test-misbehave", "")
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(seal, []byte(strings.Repeat("0", 64)), 0o600))
	_, err = host.Install(plugins, installed.Dir)
	require.ErrorContains(t, err, "plugin.json is not the one that was installed", "another seal is not replaced")
}

func TestAManifestIsAFile(t *testing.T) {
	plugins, from, elsewhere := t.TempDir(), t.TempDir(), t.TempDir()
	require.NoError(t, host.Write(elsewhere, &host.Manifest{
		ID: "acme-chat", Version: "1.0.0", Contract: contract.Version, Extends: []contract.Extension{contract.ExtensionNotifier}, Command: []string{"./chat"},
	}))
	require.NoError(t, os.Symlink(filepath.Join(elsewhere, host.ManifestFile), filepath.Join(from, host.ManifestFile)))
	_, err := host.Install(plugins, from)
	require.ErrorContains(t, err, "plugin.json is no file of its own but L")

	require.NoError(t, os.Remove(filepath.Join(from, host.ManifestFile)))
	require.NoError(t, os.WriteFile(filepath.Join(from, host.ManifestFile), make([]byte, 17<<20), 0o600))
	_, err = host.Install(plugins, from)
	require.ErrorContains(t, err, "17825792 bytes, 16777216 are allowed")
}

func TestWhatIsNoPluginIsLeftAlone(t *testing.T) {
	plugins := hosttest.Misbehave(t, nil)
	require.NoError(t, os.WriteFile(filepath.Join(plugins, "README"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(plugins, "read-me"), nil, 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(plugins, "lost+found", "1.0.0"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(plugins, "acme-empty"), 0o700))
	_, err := host.New(host.Config{Dir: plugins, Use: []host.Use{{ID: "test-misbehave", OnFailure: host.Hold}}})
	require.NoError(t, err)
	all, err := host.List(plugins)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.NoError(t, all[0].Err)
	for _, id := range []string{"read-me", "acme-empty", "lost+found", "../" + filepath.Base(plugins) + "/test-misbehave"} {
		_, err = host.Find(plugins, id, "")
		require.Error(t, err, id)
	}
}

func TestABrokenNewestVersionIsPassedOverAloud(t *testing.T) {
	plugins := hosttest.Misbehave(t, nil)
	newer := hosttest.Install(t, plugins, func(m *host.Manifest, _ string) { m.Version = "1.1.0" })
	require.NoError(t, os.WriteFile(filepath.Join(newer.Dir, host.ManifestFile), []byte("{"), 0o600))
	r := run(t, plugins, host.Use{Settings: hosttest.Settings(t, "", false)})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	require.NoError(t, r.Reload(t.Context()))
	assert.Equal(t, "1.0.0", r.Manifest().Version)
	const told = `level=WARN msg="a newer version of a plugin cannot be used, an older one is started" plugin=test-misbehave version=1.0.0 error=`
	assert.Equal(t, 2, strings.Count(r.log.String(), told), r.log.String())
	assert.Contains(t, r.log.String(), filepath.Join(newer.Dir, host.ManifestFile)+": unexpected EOF")
}

func TestAVersionNeverChanges(t *testing.T) {
	plugins, from := t.TempDir(), t.TempDir()
	m := &host.Manifest{
		ID: "acme-chat", Version: "1.0.0", Contract: contract.Version, Extends: []contract.Extension{contract.ExtensionNotifier}, Command: []string{"./chat"},
	}
	require.NoError(t, host.Pack(from, m))
	_, err := host.Install(plugins, from)
	require.NoError(t, err)
	_, err = host.Install(plugins, from)
	require.NoError(t, err, "the same again")

	m.Permissions.Env = []string{"HOME"}
	require.NoError(t, host.Pack(from, m))
	_, err = host.Install(plugins, from)
	require.ErrorContains(t, err, "version 1.0.0 is installed with other content: its plugin.json is another; versions never change: give the plugin a new version")
	found, err := host.Find(plugins, "acme-chat", "")
	require.NoError(t, err)
	assert.Empty(t, found.Manifest.Permissions.Env)

	require.NoError(t, os.WriteFile(filepath.Join(found.Dir, "more"), nil, 0o600))
	m.Permissions.Env = nil
	require.NoError(t, host.Pack(from, m))
	_, err = host.Install(plugins, from)
	require.ErrorContains(t, err, "the file more is not in the manifest")
}

// older installs test-misbehave as 0.9.0, which is what a program of the name liar says it is.
func older(m *host.Manifest, dir string) {
	rename(dir, "liar")
	m.Version, m.Command = "0.9.0", []string{"./liar"}
}

func TestACrashIsNoReasonForAnotherVersion(t *testing.T) {
	plugins := hosttest.Misbehave(t, older)
	r := run(t, plugins, host.Use{Settings: hosttest.Settings(t, "crash", false)})
	r.eventually(t, "it starts", func() bool { return r.Err() == nil })
	hosttest.Install(t, plugins, nil) // 1.0.0, which nobody has asked for yet
	require.Error(t, r.enrich(t, `{"a":"poison"}`))
	r.eventually(t, "it starts again", func() bool { return restarts(r) > 0 && r.Err() == nil })
	assert.Equal(t, "0.9.0", r.Manifest().Version)
	require.NoError(t, r.Reload(t.Context()))
	assert.Equal(t, "1.0.0", r.Manifest().Version)

	hosttest.Install(t, plugins, func(m *host.Manifest, _ string) { m.Version = "1.1.0" }) // the program says 1.0.0
	require.Error(t, r.Reload(t.Context()))
	before := restarts(r)
	require.Error(t, r.enrich(t, `{"a":"poison"}`))
	r.eventually(t, "the old one, which stays, starts again", func() bool { return restarts(r) > before && r.Err() == nil })
	assert.Equal(t, "1.0.0", r.Manifest().Version)
}
