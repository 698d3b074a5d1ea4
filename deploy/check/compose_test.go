package check_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const composeDir = "../compose"

// compose loads the file as docker does, with no variable of the shell's.
func compose(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(composeDir, "docker-compose.yml")}, cli.WithProfiles([]string{"*"}))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

// secrets runs secrets.sh in a folder of its own.
func secrets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "secrets.sh")
	require.NoError(t, os.WriteFile(script, []byte(read(t, filepath.Join(composeDir, "secrets.sh"))), 0o600))
	out, err := exec.CommandContext(t.Context(), "sh", script).CombinedOutput()
	require.NoError(t, err, string(out))
	return filepath.Join(dir, "secrets")
}

// environment is a service's, with secrets where they are here.
func environment(s types.ServiceConfig, secrets string) map[string]string {
	out := map[string]string{}
	for name, value := range s.Environment {
		if value != nil {
			out[name] = strings.Replace(*value, "/run/secrets", secrets, 1)
		}
	}
	return out
}

var flowgauges = []string{"collector", "sink", "server", "admin"}

// Every setting exists, and together they are what the roles are.
func TestComposeSettings(t *testing.T) {
	project, dir := compose(t), secrets(t)
	for _, name := range flowgauges {
		t.Run(name, func(t *testing.T) {
			s := project.Services[name]
			cfg := configure(t, "", environment(s, dir))
			assert.Equal(t, name == "collector" || name == "sink", len(cfg.Kafka.Brokers) > 0, "Kafka")
			assert.Equal(t, name == "sink", !cfg.Receive.Enabled)
			assert.Equal(t, name == "collector", !cfg.Sink.Enabled)
			assert.Equal(t, name == "collector", !cfg.Rollup.Enabled)
			assert.Equal(t, "clickhouse:9000", cfg.ClickHouse.Addr)
			assert.Len(t, cfg.ClickHouse.Password, 64)
			assert.Len(t, cfg.ClickHouse.ReaderPassword, 64)
			want := map[string][]string{"collector": {"collector"}, "sink": {"collector"}, "server": {"server"}}
			assert.Equal(t, want[name], []string(s.Command))
			for variable := range s.Environment {
				assert.True(t, strings.HasPrefix(variable, "FLOWGAUGE_"), variable)
			}
		})
	}
}

// A secret is in a file, the files are those that the script makes, and each service
// names what it reads and no more.
func TestComposeSecrets(t *testing.T) {
	project, dir := compose(t), secrets(t)
	made := map[string]string{}
	for name, secret := range project.Secrets {
		file := filepath.Join(dir, filepath.Base(secret.File))
		info, err := os.Stat(file)
		require.NoError(t, err, "secrets.sh makes it")
		assert.EqualValues(t, 0o444, info.Mode().Perm())
		made[name] = read(t, file)
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, files, len(made))
	require.NoError(t, exec.CommandContext(t.Context(), "sh", filepath.Join(filepath.Dir(dir), "secrets.sh")).Run())
	for name, text := range made {
		assert.Equal(t, text, read(t, filepath.Join(dir, name)), "a second run leaves it alone")
	}
	secret := regexp.MustCompile(`PASSWORD|SECRET|ACCESS_KEY|SHA256|PSEUDONYM`)
	for name, s := range project.Services {
		var read, given []string
		for variable, value := range s.Environment {
			if path, is := strings.CutPrefix(*value, "/run/secrets/"); is {
				assert.True(t, strings.HasSuffix(variable, "_FILE"), "%s: %s", name, variable)
				read = append(read, path)
			} else if secret.MatchString(variable) {
				assert.Empty(t, *value, "%s: %s", name, variable)
			}
		}
		for _, s := range s.Secrets {
			given = append(given, s.Source)
		}
		assert.ElementsMatch(t, slices.Compact(slices.Sorted(slices.Values(read))), given, name)
	}
}

// from-files.sh puts secrets into the environment of programs that read none from files.
func TestFromFiles(t *testing.T) {
	script, err := filepath.Abs(filepath.Join(composeDir, "from-files.sh"))
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte("it's $HOME \"x\"\n"), 0o600))
	run := func(env ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", script, "env")
		cmd.Env = append(env, "PATH="+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run("A_B__FILE="+file, "HASH__SHA256_FILE="+file, "C=1", "GF_X_FILE=left alone")
	require.NoError(t, err, out)
	assert.Contains(t, out, "\nA_B=it's $HOME \"x\"\n")
	assert.Contains(t, out, "HASH=73e4e5a60dc3d14da88194d634c65be7035121b3069840fc219c4922d415da66")
	assert.NotContains(t, out, "__")
	assert.Contains(t, out, "GF_X_FILE=left alone")
	out, err = run("A__FILE=/nowhere")
	require.Error(t, err)
	assert.Contains(t, out, "run secrets.sh")
}

// Mounted files are there, and Grafana gets all that the repository provisions.
func TestComposeFiles(t *testing.T) {
	project := compose(t)
	mounted := map[string]string{}
	for name, s := range project.Services {
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				assert.Contains(t, project.Volumes, v.Source, name)
				continue
			}
			_, err := os.Stat(v.Source)
			require.NoError(t, err, name)
			assert.True(t, v.ReadOnly, "%s: %s", name, v.Target)
			if name == "grafana" {
				mounted[v.Target] = v.Source
			}
		}
		for _, command := range []types.ShellCommand{s.Entrypoint, s.Command} {
			for _, word := range command {
				assert.NotContains(t, word, "$", "%s: it would be replaced", name)
			}
		}
	}
	root, err := filepath.Abs(repository)
	require.NoError(t, err)
	for _, dir := range []string{"datasources", "dashboards", "alerting", "plugins"} {
		for _, file := range names(t, "provisioning/"+dir, ".yaml") {
			assert.Equal(t, filepath.Join(root, "provisioning", dir, file), mounted["/etc/grafana/provisioning/"+dir+"/"+file])
		}
	}
	grafana := project.Services["grafana"].Environment
	assert.Equal(t, filepath.Join(root, "dashboards"), mounted[*grafana["FLOWGAUGE_DASHBOARDS"]])

	variable := regexp.MustCompile(`\$\{?(FLOWGAUGE_[A-Z_]+)`)
	for target, source := range mounted {
		if !strings.HasPrefix(target, "/etc/grafana/provisioning/") {
			continue
		}
		for _, found := range variable.FindAllStringSubmatch(read(t, source), -1) {
			_, plain := grafana[found[1]]
			_, file := grafana[found[1]+"__FILE"]
			assert.True(t, plain || file, "%s: Grafana puts nothing in the place of %s", source, found[1])
		}
	}
}

// What runs for long is watched, comes back, is pinned, has no more rights than it needs
// and is reached from this machine alone.
func TestComposeServices(t *testing.T) {
	project := compose(t)
	assert.Len(t, project.Services, 9)
	pinned := regexp.MustCompile(`:v?[0-9]+\.[0-9]+[^/]*$`)
	for name, s := range project.Services {
		assert.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		assert.Contains(t, s.CapDrop, "ALL", name)
		assert.False(t, s.Privileged, name)
		for _, p := range s.Ports {
			assert.Equal(t, "127.0.0.1", p.HostIP, name)
		}
		if s.Build == nil {
			assert.Regexp(t, pinned, s.Image, name)
		}
		if name == "admin" {
			assert.Equal(t, []string{"tools"}, s.Profiles)
			continue
		}
		assert.Equal(t, "unless-stopped", s.Restart, name)
		require.NotNil(t, s.HealthCheck, name)
		assert.NotEmpty(t, s.HealthCheck.Test, name)
		for other, how := range s.DependsOn {
			assert.Equal(t, types.ServiceConditionHealthy, how.Condition, "%s: %s", name, other)
		}
	}
	for name, n := range project.Networks {
		assert.Equal(t, name != "edge", n.Internal, name)
	}
	assert.ElementsMatch(t, []string{"kafka", "collector", "sink"}, on(project, "log"))
	assert.ElementsMatch(t, []string{"s3", "clickhouse"}, on(project, "objects"))
	assert.ElementsMatch(t, []string{"redis", "collector", "server"}, on(project, "cache"))
}

func on(project *types.Project, network string) []string {
	var services []string
	for name, s := range project.Services {
		if slices.Contains(slices.Collect(maps.Keys(s.Networks)), network) {
			services = append(services, name)
		}
	}
	return services
}
