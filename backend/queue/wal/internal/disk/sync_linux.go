package disk

import (
	"os"
	"syscall"
)

// datasync makes what was written to f durable, and of its metadata what is
// needed to read it.
func datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
