package engine

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
)

const (
	// The first argument that turns the binary into an engine child. It is
	// nothing that a user would type.
	childMarker = "__flowgauge-engine-child__"

	// Descriptors the parent passes, after the standard three.
	watchFD = 3
	lockFD  = 4

	exitOrphaned = 3
	exitBroken   = 4
)

// clickhouse-local opens its ports only when told to, and lives as long as its
// last statement. One that reads a pipe costs nothing while it waits, cannot
// run into a memory limit, and ends when the pipe is closed.
const childQuery = "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; " +
	"SELECT count() FROM file('/dev/fd/%d', 'LineAsString', 'line String') FORMAT Null"

// RunChildIfAsked becomes the engine and never returns if this process was
// started for that; else it does nothing. Call it first in main and in
// TestMain, before flags are parsed.
func RunChildIfAsked() {
	if len(os.Args) != 4 || os.Args[1] != childMarker {
		return
	}
	if err := runChild(os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitBroken)
	}
	os.Exit(0)
}

// childArgs are the arguments with which the parent starts the child.
func childArgs(library, config string) []string {
	return []string{"flowgauge-engine", childMarker, library, config}
}

func runChild(path, config string) error {
	// ClickHouse starts programs of its own, which must hold neither the lock
	// nor the pipe.
	syscall.CloseOnExec(watchFD)
	syscall.CloseOnExec(lockFD)
	orders := make(chan struct{})
	go obeyParent(os.NewFile(watchFD, "watch"), orders)

	// ClickHouse keeps state for the thread that called it.
	runtime.LockOSThread()
	lib, err := openLibrary(path)
	if err != nil {
		return err
	}
	alive, release, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	args := []string{
		"clickhouse-local", "--config-file", config,
		"--query", fmt.Sprintf(childQuery, alive.Fd()),
		"--progress=off", "--disable_suggestion", "--history_file=/dev/null",
	}
	terminal, err := newTerminal()
	if err != nil {
		// It works without, only less robustly: see terminal.go.
		fmt.Fprintf(os.Stderr, "no terminal, so a failed log-in over TCP will restart the engine: %v\n", err)
	} else {
		args = append(args, "--interactive")
	}
	go func() {
		<-orders
		_ = release.Close()
		terminal.typeEnd()
	}()
	err = lib.run(args)
	runtime.KeepAlive(alive) // Its descriptor is in the statement.
	return err
}

// obeyParent closes orders when the parent wants an orderly end, for which it
// writes a byte, and exits when the parent's end of the pipe is closed, which
// the kernel does if the parent dies.
func obeyParent(watch *os.File, orders chan<- struct{}) {
	var order [1]byte
	if n, _ := watch.Read(order[:]); n > 0 {
		close(orders)
		_, _ = io.Copy(io.Discard, watch)
	}
	os.Exit(exitOrphaned)
}
