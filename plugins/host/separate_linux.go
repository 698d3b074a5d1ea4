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

// killAll kills what is left of a plugin: its process, and those that it has started itself.
func killAll(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}
