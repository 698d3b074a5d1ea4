//go:build !linux

package host

import "os/exec"

func separate(*exec.Cmd) {}

// killAll kills the plugin's process.
func killAll(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = cmd.Process.Kill()
	}
}
