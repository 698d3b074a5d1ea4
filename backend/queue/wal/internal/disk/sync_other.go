//go:build !linux

package disk

import "os"

// datasync makes what was written to f durable. On macOS, File.Sync asks the
// drive itself (F_FULLFSYNC).
func datasync(f *os.File) error {
	return f.Sync()
}
