package host

import (
	"os/exec"
	"syscall"
)

// separate gives a plugin a process group of its own, so that an interrupt at a terminal reaches
// Flowgauge alone, which then ends the plugin in an orderly way.
func separate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
