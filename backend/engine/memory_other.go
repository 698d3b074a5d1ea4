//go:build !linux

package engine

import (
	"encoding/binary"
	"syscall"
)

// totalMemory is the machine's memory in bytes, 0 if it cannot be told.
func totalMemory() int64 {
	// Sysctl takes the answer for a string and drops a trailing NUL; the
	// value is a little-endian integer of eight bytes.
	text, err := syscall.Sysctl("hw.memsize")
	if err != nil || len(text) > 8 {
		return 0
	}
	var raw [8]byte
	copy(raw[:], text)
	return int64(binary.LittleEndian.Uint64(raw[:])) //nolint:gosec // No machine has 2^63 bytes.
}
