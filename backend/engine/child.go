package engine

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
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

	// clickhouse-local opens its ports only when told to, and lives as long as
	// its last statement. Reading standard input costs nothing while it waits,
	// cannot run into a memory limit, and ends when the parent closes the pipe.
	childQuery = "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; " +
		"SELECT count() FROM file('stdin', 'LineAsString', 'line String') FORMAT Null"
)

// RunChildIfAsked becomes the engine and never returns if this process was
// started for that; else it does nothing. Call it first in main and in
// TestMain, before flags are parsed.
func RunChildIfAsked() {
	if len(os.Args) < 4 || os.Args[1] != childMarker {
		return
	}
	os.Exit(runChild(os.Args[2], os.Args[3]))
}

// childArgs are the arguments with which the parent starts the child.
func childArgs(library, config string) []string {
	return []string{"flowgauge-engine", childMarker, library, config}
}

func runChild(library, config string) int {
	// ClickHouse starts programs of its own, which must hold neither the lock
	// nor the pipe.
	syscall.CloseOnExec(watchFD)
	syscall.CloseOnExec(lockFD)
	go exitWithParent(os.NewFile(watchFD, "watch"))

	// ClickHouse keeps per-thread state for the thread that called it.
	runtime.LockOSThread()
	message, err := queryCmdline(library, []string{"clickhouse-local", "--config-file", config, "--query", childQuery})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitBroken
	}
	if message != "" {
		fmt.Fprintln(os.Stderr, message)
		return exitBroken
	}
	return 0
}

// exitWithParent blocks until the parent closes its end, which the kernel does
// for it if it dies. Nothing is ever written to the pipe.
func exitWithParent(watch *os.File) {
	_, _ = io.Copy(io.Discard, watch)
	os.Exit(exitOrphaned)
}

// queryCmdline calls the library's clickhouse-local and returns the message of
// the error it ended with, or "".
func queryCmdline(library string, args []string) (string, error) {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return "", fmt.Errorf("load %s (delete it and fetch it again): %w", library, err)
	}
	for _, name := range []string{"chdb_query_cmdline", "chdb_result_error"} {
		if _, err := purego.Dlsym(handle, name); err != nil {
			return "", fmt.Errorf("load %s: this is no libchdb of version %s: %w", library, Version, err)
		}
	}
	var query func(argc int32, argv unsafe.Pointer) uintptr
	purego.RegisterLibFunc(&query, handle, "chdb_query_cmdline")
	var resultError func(result uintptr) string
	purego.RegisterLibFunc(&resultError, handle, "chdb_result_error")

	argv := make([]*byte, 0, len(args)+1)
	for _, arg := range args {
		text, err := syscall.BytePtrFromString(arg)
		if err != nil {
			return "", fmt.Errorf("pass argument %q: %w", arg, err)
		}
		argv = append(argv, text)
	}
	argv = append(argv, nil)
	result := query(int32(len(args)), unsafe.Pointer(&argv[0])) //nolint:gosec // C wants an argv.
	runtime.KeepAlive(argv)
	if result == 0 {
		return "clickhouse-local returned no result", nil
	}
	return resultError(result), nil
}
