//go:build mage

// The build of Flowgauge. Run 'go tool mage -l' for the targets.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

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
	mg.CtxDeps(ctx, Build)
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
	return goBuild(runtime.GOOS, runtime.GOARCH, binary, "./cmd/flowgauge")
}

// Frontend builds the plugin's front end into dist.
func Frontend() error {
	mg.Deps(Packages)
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
	step("Building the plugin's backend for linux and darwin, amd64 and arm64")
	var group errgroup.Group
	group.SetLimit(2)
	for _, goos := range []string{"linux", "darwin"} {
		for _, arch := range []string{"amd64", "arm64"} {
			group.Go(func() error { return backend(goos, arch) })
		}
	}
	return group.Wait()
}

// Packages installs the front end's packages when they are not those of the lock file.
func Packages() error {
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
	mg.SerialCtxDeps(ctx, needs, Build, Lint, Unit, TestFrontend)
	return nil
}

// Unit runs Go's tests.
func Unit() error {
	step("Testing the Go code")
	return run("go", "test", "-timeout", "20m", "./...")
}

// Race runs Go's tests with the race detector. It needs a C compiler.
func Race() error {
	step("Testing the Go code with the race detector")
	return sh.RunWithV(map[string]string{"CGO_ENABLED": "1"}, "go", "test", "-race", "-timeout", "40m", "./...")
}

// TestFrontend checks and tests the plugin's front end.
func TestFrontend() error {
	mg.Deps(Packages)
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

// Bench measures ingest, beside a raw insert of the same rows, and questions about 30 days. docs/performance.md says what the figures mean.
func Bench() error {
	step("Benchmarks: ingest")
	if err := run("go", "test", "-run", "^$", "-bench", "Ingest|RawInsert", "-benchtime", "1000000x", "-count", "3", "-timeout", "60m", "./collector/sink", "./backend/app"); err != nil {
		return err
	}
	step("Benchmarks: questions about 30 days")
	if err := run("go", "test", "-run", "^$", "-bench", "ThirtyDays", "-benchtime", "100x", "-timeout", "60m", "./backend/app"); err != nil {
		return err
	}
	step("Benchmarks: parts")
	return run("go", "test", "-run", "^$", "-bench", ".", "-benchmem", "-timeout", "60m", "./backend/event", "./backend/queue/wal", "./collector/receive")
}

// Clean removes what was built; data and packages stay.
func Clean() error {
	return errors.Join(sh.Rm("bin"), sh.Rm("dist"), sh.Rm(filepath.Join(frontEnd, "dist")))
}

func backend(goos, arch string) error {
	return goBuild(goos, arch, fmt.Sprintf("%s/gpx_flowgauge_%s_%s", dist, goos, arch), "./datasource/pkg")
}

func goBuild(goos, arch, out, pkg string) error {
	env := map[string]string{"CGO_ENABLED": "0", "GOOS": goos, "GOARCH": arch}
	return sh.RunWithV(env, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
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

// needs says what is missing before a long build does.
func needs() error {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not on the PATH: install Node.js 20 or newer", program)
		}
	}
	if os.Getenv("GRAFANA_HOME") == "" {
		fmt.Println("GRAFANA_HOME is not set: the tests that open Grafana in a browser are left out.")
	}
	return nil
}
