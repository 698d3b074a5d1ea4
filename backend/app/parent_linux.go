package app

import (
	"os/exec"
	"syscall"
)

// dieWithParent keeps a killed Flowgauge from leaving its child behind.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}
