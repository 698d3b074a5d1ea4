//go:build !linux

package app

import (
	"os/exec"
	"syscall"
)

// dieWithParent puts the child into a group of its own, so that Ctrl-C reaches
// it through its parent only. Elsewhere than on Linux a killed parent leaves it
// behind.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
