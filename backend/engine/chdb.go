package engine

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
)

// A library is libchdb, loaded.
type library struct {
	// clickhouse-local as a function. It returns an object that holds the
	// output or the error, not an exit code.
	queryCmdline func(argc int32, argv unsafe.Pointer) uintptr
	resultError  func(result uintptr) string
}

func openLibrary(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load %s (delete it and fetch it again): %w", path, err)
	}
	var lib library
	for name, function := range map[string]any{
		"chdb_query_cmdline": &lib.queryCmdline,
		"chdb_result_error":  &lib.resultError,
	} {
		// RegisterLibFunc panics on what is missing.
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("load %s: it is no libchdb of version %s: %w", path, Version, err)
		}
		purego.RegisterFunc(function, symbol)
	}
	return &lib, nil
}

// run calls clickhouse-local and returns when it has ended.
func (l *library) run(args []string) error {
	argv := make([]*byte, 0, len(args)+1)
	for _, arg := range args {
		text, err := syscall.BytePtrFromString(arg)
		if err != nil {
			return fmt.Errorf("pass argument %q: %w", arg, err)
		}
		argv = append(argv, text)
	}
	argv = append(argv, nil)
	result := l.queryCmdline(int32(len(args)), unsafe.Pointer(&argv[0])) //nolint:gosec // C wants an argv.
	runtime.KeepAlive(argv)
	if result == 0 {
		return errors.New("clickhouse-local returned no result")
	}
	if message := l.resultError(result); message != "" {
		return fmt.Errorf("clickhouse-local: %s", message)
	}
	return nil
}
