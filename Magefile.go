//go:build mage

// The build of Flowgauge. Run 'go tool mage -l' for the targets.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/magefile/mage/mg"
	"github.com/magefile/mage/sh"
	"golang.org/x/sync/errgroup"
)

const (
	binary   = "bin/flowgauge"
	plugin   = "flowgauge-analytics-datasource"
	frontEnd = "datasource"
	dist     = "dist/" + plugin
)

// Default is what 'go tool mage' runs.
var Default = Build

// Up builds everything and runs it on this machine; Ctrl-C ends it. Arguments for 'flowgauge up' come from the variable UP_ARGS.
func Up(ctx context.Context) error {
	mg.SerialCtxDeps(ctx, needsNode, Build)
	step("Starting Flowgauge")
	args := append([]string{"up", "--plugin-dir", "dist"}, strings.Fields(os.Getenv("UP_ARGS"))...)
	cmd := exec.Command(binary, args...) // no context: Ctrl-C reaches it by the terminal, and it stops in its own order
	cmd.Stdout, cmd.Stderr, cmd.Stdin = os.Stdout, os.Stderr, os.Stdin
	return cmd.Run()
}

// Build builds the program and the Grafana plugin for this machine.
func Build(ctx context.Context) error {
	mg.CtxDeps(ctx, Binary, Frontend, Backend)
	return nil
}

// Binary builds bin/flowgauge.
func Binary() error {
	step("Building " + binary)
	return goBuild(runtime.GOOS, runtime.GOARCH, binary, "./cmd/flowgauge", "")
}

// Frontend builds the plugin's front end into dist.
func Frontend() error {
	mg.Deps(NodeModules)
	step("Building the plugin's front end")
	if err := npm("run", "build"); err != nil {
		return err
	}
	return sh.Run("cp", "-R", filepath.Join(frontEnd, "dist")+"/.", dist)
}

// Backend builds the plugin's backend for this machine into dist.
func Backend() error {
	step("Building the plugin's backend")
	return backend(runtime.GOOS, runtime.GOARCH)
}

// BackendAll builds the plugin's backend for every platform it ships for.
func BackendAll() error {
	step("Building the plugin's backend for linux, darwin and windows, amd64 and arm64")
	var group errgroup.Group
	group.SetLimit(2)
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			group.Go(func() error { return backend(goos, arch) })
		}
	}
	return group.Wait()
}

// NodeModules installs the front end's packages when they are not those of the lock file.
func NodeModules() error {
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	lock, err := os.Stat(filepath.Join(frontEnd, "package-lock.json"))
	if err != nil {
		return err
	}
	if have, err := os.Stat(filepath.Join(frontEnd, "node_modules", ".package-lock.json")); err == nil && have.ModTime().After(lock.ModTime()) {
		return nil
	}
	step("Installing the front end's packages")
	return npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
}

// Test passes all tests, bringing what they need.
func Test(ctx context.Context) error {
	mg.CtxDeps(ctx, needs)
	mg.CtxDeps(ctx, Build, Lint) // packages come over the network meanwhile
	mg.SerialCtxDeps(ctx, Unit, TestDeploy, TestFrontend)
	return nil
}

// Unit runs Go's tests.
func Unit() error {
	step("Testing the Go code")
	// As what is shipped, without cgo. Lint has vetted it.
	return goTest(map[string]string{"CGO_ENABLED": "0"}, "-vet=off")
}

// TestDeploy tests what deploy/ ships. It is a module of its own.
func TestDeploy() error {
	step("Testing deploy/")
	return sh.RunWithV(map[string]string{"CGO_ENABLED": "0"}, "go", "-C", "deploy/check", "test", "-timeout", "10m", "-vet=off", "./...")
}

// Race runs Go's tests with the race detector. It needs a C compiler.
func Race() error {
	step("Testing the Go code with the race detector")
	return goTest(map[string]string{"CGO_ENABLED": "1"}, "-race")
}

// long are the packages whose tests take minutes. They begin first, so that none of them is
// under way alone at the end.
var long = []string{"./backend/app/...", "./backend/query", "./backend/rollup", "./backend/clickhouse/clustertest"}

// goTest runs one package more at once than there are processors: the long ones wait for
// servers that they have ended.
func goTest(env map[string]string, flags ...string) error {
	memory, err := inMemory()
	if err != nil {
		return err
	}
	if memory != "" {
		defer os.RemoveAll(memory)
		env = maps.Clone(env)
		env["FLOWGAUGE_TEST_DISK"], env["TMPDIR"] = os.TempDir(), memory
	}
	args := append([]string{"test", "-timeout", "40m", "-p", strconv.Itoa(runtime.NumCPU() + 1)}, flags...)
	return sh.RunWithV(env, "go", slices.Concat(args, long, []string{"./..."})...)
}

// inMemory returns a folder for what tests store, where there is memory enough: servers
// write thousands of small files, and the disk is a fifth of the work. Tests of what
// happens to a disk go to FLOWGAUGE_TEST_DISK.
func inMemory() (string, error) {
	const shared, room = "/dev/shm", 12 << 30
	var fs syscall.Statfs_t
	if syscall.Statfs(shared, &fs) != nil || fs.Bavail*uint64(fs.Bsize) < room || available() < room {
		return "", nil
	}
	return os.MkdirTemp(shared, "flowgauge-test-*") // of its own: two runs may be under way
}

// available is how much memory Linux could give out.
func available() uint64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kilobytes uint64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	return 0
}

// TestFrontend checks and tests the plugin's front end.
func TestFrontend() error {
	mg.Deps(NodeModules)
	step("Testing the plugin's front end")
	for _, script := range []string{"typecheck", "lint", "test"} {
		if err := npm("run", script); err != nil {
			return err
		}
	}
	return nil
}

// Lint checks the Go code's style and that imports point downward only.
func Lint() error {
	step("Linting")
	return run("go", "tool", "-modfile=.ci/lint.mod", "golangci-lint", "run", "--build-tags=mage", "./...")
}

// Bench measures: 'bench ingest' beside peers that it starts, 'bench query' questions from rollups beside raw rows and from the cache, 'bench datasource' Grafana's plugin beside its peers, 'bench questions' over HTTP, 'bench parts' of the program alone. docs/performance.md says what the figures mean.
func Bench(what string) error {
	switch what {
	case "ingest":
		mg.Deps(Binary)
		step("Benchmark: ingest beside its peers, about half an hour; BENCH_ARGS narrows it, see 'go run ./cmd/bench ingest --help'")
		return run("go", append([]string{"run", "./cmd/bench", "ingest"}, strings.Fields(os.Getenv("BENCH_ARGS"))...)...)
	case "query":
		mg.Deps(Binary)
		step("Benchmark: questions, about an hour and 15 GB of disk; BENCH_ARGS narrows it, see 'go run ./cmd/bench query --help'")
		return run("go", append([]string{"run", "./cmd/bench", "query"}, strings.Fields(os.Getenv("BENCH_ARGS"))...)...)
	case "datasource":
		step("Benchmark: Grafana's plugin beside its peers, some minutes; BENCH_ARGS narrows it, see 'go run ./cmd/bench datasource --help'")
		return run("go", append([]string{"run", "./cmd/bench", "datasource"}, strings.Fields(os.Getenv("BENCH_ARGS"))...)...)
	case "questions":
		step("Benchmark: questions about 30 days")
		return run("go", "test", "-run", "^$", "-bench", "ThirtyDays", "-benchtime", "100x", "-timeout", "60m", "./backend/app")
	case "parts":
		step("Benchmarks: parts")
		return run("go", "test", "-run", "^$", "-bench", ".", "-benchmem", "-timeout", "60m", "./backend/event", "./backend/queue/wal", "./collector/receive", "./collector/sink")
	}
	return fmt.Errorf("bench %s: there are 'bench ingest', 'bench query', 'bench datasource', 'bench questions' and 'bench parts'", what)
}

// Clean removes what was built; data and packages stay.
func Clean() error {
	return errors.Join(sh.Rm("bin"), sh.Rm("dist"), sh.Rm(filepath.Join(frontEnd, "dist")))
}

func backend(goos, arch string) error {
	out := fmt.Sprintf("%s/gpx_flowgauge_%s_%s", dist, goos, arch)
	if goos == "windows" {
		out += ".exe"
	}
	version, err := pluginVersion()
	if err != nil {
		return err
	}
	// What Grafana's SDK says with -version, and in traces; no time, so that one tree makes one binary.
	about := fmt.Sprintf(`{"pluginID":%q,"version":%q}`, plugin, version)
	return goBuild(goos, arch, out, "./datasource/pkg", " -X github.com/grafana/grafana-plugin-sdk-go/build/buildinfo.buildInfoJSON="+about)
}

func goBuild(goos, arch, out, pkg, ldflags string) error {
	env := map[string]string{"CGO_ENABLED": "0", "GOOS": goos, "GOARCH": arch}
	return sh.RunWithV(env, "go", "build", "-trimpath", "-ldflags=-s -w"+ldflags, "-o", out, pkg)
}

func npm(args ...string) error {
	cmd := exec.Command("npm", args...)
	cmd.Dir = frontEnd
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm %s in %s: %w", strings.Join(args, " "), frontEnd, err)
	}
	return nil
}

func run(name string, args ...string) error { return sh.RunV(name, args...) }

func step(what string) { fmt.Println("==>", what) }

// A need is a program that tests or builds run.
type need struct{ program, debian, without string }

var nodeNeeds = []need{
	{"node", "nodejs", ""},
	{"npm", "npm", ""},
}

var serverNeeds = []need{
	{"java", "default-jre-headless", "the tests with Kafka and with a cluster"},
	{"mvn", "maven", "the tests with Kafka and with a cluster, unless their jars are here already"},
	{"redis-server", "redis-server", "the tests with Redis"},
	{pythonVenv, "python3-venv", "the tests with OpenLineage's client and of the API's description"},
}

// pythonVenv is Python with the means to make an environment, which Debian has in a
// package of its own.
const pythonVenv = "python3 -m venv"

// needs brings what tests run, and says what is missing before a long build does.
func needs() error {
	if err := bring(slices.Concat(serverNeeds, nodeNeeds)); err != nil {
		return err
	}
	for _, n := range missing(serverNeeds) {
		fmt.Printf("%s is missing (Debian: %s): %s are left out.\n", n.program, n.debian, n.without)
	}
	if os.Getenv("GRAFANA_HOME") == "" {
		fmt.Println("GRAFANA_HOME is not set: the tests that open Grafana in a browser are left out.")
	}
	return needsNode()
}

// needsNode is the part of it that a build and the embedded ClickHouse need.
func needsNode() error {
	if err := bring(nodeNeeds); err != nil {
		return err
	}
	for _, n := range missing(nodeNeeds) {
		return fmt.Errorf("%s is not on the PATH: install Node.js 20 or newer", n.program)
	}
	version, err := sh.Output("node", "--version")
	if err != nil {
		return err
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < 20 {
		return fmt.Errorf("node is %s: install Node.js 20 or newer", version)
	}
	return nil
}

func missing(of []need) []need {
	return slices.DeleteFunc(slices.Clone(of), func(n need) bool {
		if n.program == pythonVenv {
			return exec.Command("python3", "-c", "import ensurepip, venv").Run() == nil
		}
		_, err := exec.LookPath(n.program)
		return err == nil
	})
}

// bring installs what is missing where it may: as root on Debian. It starts no services.
func bring(of []need) error {
	var names []string
	for _, n := range missing(of) {
		names = append(names, n.debian)
	}
	if _, err := exec.LookPath("apt-get"); len(names) == 0 || err != nil || os.Geteuid() != 0 {
		return nil
	}
	step("Installing " + strings.Join(names, ", "))
	// Where this file is, packages do not start their services.
	const policy = "/usr/sbin/policy-rc.d"
	if file, err := os.OpenFile(policy, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755); err == nil {
		defer os.Remove(policy)
		if _, err := file.WriteString("#!/bin/sh\nexit 101\n"); err != nil {
			return errors.Join(err, file.Close())
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	if err := apt("update"); err != nil {
		return err
	}
	return apt(append([]string{"install", "--yes", "--no-install-recommends"}, names...)...)
}

func apt(args ...string) error {
	return sh.RunWith(map[string]string{"DEBIAN_FRONTEND": "noninteractive"}, "apt-get", append([]string{"--quiet"}, args...)...)
}
