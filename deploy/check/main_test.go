// Package check tests what deploy/ ships: the compose file, the database's accounts and
// disks, the image's sources and the chart. It is a module of its own because loaders of
// compose files and charts bring more than Flowgauge itself.
package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/engine"
	"github.com/flowgauge/flowgauge/cmd/flowgauge/command"
)

const (
	repository = "../.."
	asProgram  = "FLOWGAUGE_TEST_AS_PROGRAM"
)

// TestMain lets this program be the embedded ClickHouse, and Flowgauge itself.
func TestMain(m *testing.M) {
	giveEnvironment()
	engine.RunChildIfAsked()
	if os.Getenv(asProgram) != "" {
		os.Exit(command.Execute())
	}
	os.Exit(m.Run())
}

// environmentFile lies beside an engine's configuration.
const environmentFile = "environment"

// giveEnvironment starts the embedded ClickHouse again with the variables that a file
// beside its configuration has: the engine passes none on, and in the compose file
// secrets come that way.
func giveEnvironment() {
	const given = "FLOWGAUGE_TEST_ENVIRONMENT_GIVEN"
	if len(os.Args) != 4 || os.Getenv(given) != "" {
		return
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(os.Args[3]), environmentFile))
	if err != nil {
		return // not the engine
	}
	program, err := os.Executable()
	if err == nil {
		environment := append(os.Environ(), strings.Split(strings.TrimSpace(string(text)), "\n")...)
		err = syscall.Exec(program, os.Args, append(environment, given+"=1"))
	}
	fmt.Fprintln(os.Stderr, "start ClickHouse with its environment:", err)
	os.Exit(1)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// configure loads a configuration as the program does, of a file and an environment, and
// wants nothing to be unknown.
func configure(t *testing.T, file string, environment map[string]string) config.Config {
	t.Helper()
	for _, pair := range os.Environ() { // nothing of the machine's own
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "FLOWGAUGE_") && !strings.HasPrefix(name, "FLOWGAUGE_TEST_") {
			t.Setenv(name, "")
			require.NoError(t, os.Unsetenv(name))
		}
	}
	for name, value := range environment {
		t.Setenv(name, value)
	}
	cfg, err := config.Load(file, nil)
	require.NoError(t, err)
	require.Empty(t, cfg.Warnings)
	return cfg
}

// names lists a folder's files with an ending.
func names(t *testing.T, dir, ending string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository, dir, "*"+ending))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for i, f := range files {
		files[i] = filepath.Base(f)
	}
	slices.Sort(files)
	return files
}
