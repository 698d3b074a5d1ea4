package wal

import (
	"os"
	"syscall"
)

// datasync makes what was written to f durable, and of its metadata what is
// needed to read it.
func datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd())) //nolint:gosec // a descriptor is a small number
		if err != syscall.EINTR {             //nolint:errorlint // an Errno is never wrapped here
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
