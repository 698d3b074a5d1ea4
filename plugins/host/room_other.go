//go:build !linux

package host

import (
	"log/slog"
	"os"
)

func lock(*os.File) (done, taken bool) { return false, false }

// sweep removes what is left over where it is known to be: on Linux only.
func sweep(*slog.Logger) {}
