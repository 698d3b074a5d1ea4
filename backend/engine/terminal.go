package engine

import (
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/ebitengine/purego"
)

// A terminal is what ClickHouse takes for a person's.
//
// Without one clickhouse-local runs in batch mode, in which it ends the whole
// process by abort() on any exception that leaves a connection's thread. A
// wrong password over TCP is such an exception, and so is a port scanner's
// garbage: anybody on this machine could take the database down with one
// packet. In interactive mode those threads only end themselves, and
// interactive mode takes standard input to be a terminal.
type terminal struct {
	master *os.File
}

const typeEvery = 100 * time.Millisecond

// newTerminal puts a new pseudo-terminal in place of standard input. It calls
// the C library, which the child has loaded anyway, because the system calls
// behind these functions differ between Linux and macOS.
func newTerminal() (*terminal, error) {
	var (
		openPT, grantPT, unlockPT func(int32) int32
		ptsName                   func(int32) string
		dup2                      func(int32, int32) int32
	)
	for name, function := range map[string]any{
		"posix_openpt": &openPT, "grantpt": &grantPT, "unlockpt": &unlockPT, "ptsname": &ptsName, "dup2": &dup2,
	} {
		symbol, err := purego.Dlsym(purego.RTLD_DEFAULT, name)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
		purego.RegisterFunc(function, symbol)
	}
	// Not the controlling terminal: its end must not send signals.
	fd := openPT(int32(os.O_RDWR | syscall.O_NOCTTY))
	if fd < 0 {
		return nil, fmt.Errorf("open pseudo-terminal: %d", fd)
	}
	master := os.NewFile(uintptr(fd), "terminal")
	syscall.CloseOnExec(int(fd))
	if grantPT(fd) != 0 || unlockPT(fd) != 0 {
		return nil, fmt.Errorf("unlock pseudo-terminal %d", fd)
	}
	name := ptsName(fd)
	slave, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open pseudo-terminal: %w", err)
	}
	defer slave.Close()
	if dup2(int32(slave.Fd()), 0) != 0 {
		return nil, fmt.Errorf("make %s standard input", name)
	}
	go io.Copy(io.Discard, master) //nolint:errcheck // Echoes nobody reads would fill it up.
	return &terminal{master: master}, nil
}

// typeEnd presses Ctrl-D until the process ends: when the last statement is
// done clickhouse-local asks for the next. It repeats because it cannot know
// when that is, and what is typed earlier gets lost. Without a terminal there
// is nobody who asks.
func (t *terminal) typeEnd() {
	for t != nil {
		_, _ = t.master.Write([]byte{4})
		time.Sleep(typeEvery)
	}
}
