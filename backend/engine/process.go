package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Between the milder ways of ending the child and the next harsher one.
const (
	orderlyGrace = 10 * time.Second
	exitGrace    = 2 * time.Second
)

// A process is one run of the child.
type process struct {
	cmd    *exec.Cmd
	watch  *os.File // a byte asks for an orderly end, closing it for one at once
	exited chan struct{}
	err    error // why it exited; read after exited is closed
}

// spawn starts a child. It holds copies of lock and output.
func spawn(library string, p paths, lock *os.File, output io.Writer) (*process, error) {
	executable, err := selfExecutable()
	if err != nil {
		return nil, fmt.Errorf("find own executable: %w", err)
	}
	watchRead, watchWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make watch pipe: %w", err)
	}
	defer watchRead.Close()

	cmd := exec.Command(executable) //nolint:gosec // It is this very program.
	cmd.Args = childArgs(library, p.Config)
	cmd.Env = childEnv()
	cmd.Dir = p.Data
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{watchRead, lock}
	// A group of its own: Ctrl-C in a terminal reaches the parent alone, which
	// then stops things in order, and SYSTEM SHUTDOWN, which signals its whole
	// group, does not reach the parent.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Do not wait for ever on a grandchild that holds the output.
	cmd.WaitDelay = exitGrace

	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start engine process: %w", err), watchWrite.Close())
	}
	run := &process{cmd: cmd, watch: watchWrite, exited: make(chan struct{})}
	go func() {
		run.err = cmd.Wait()
		_ = watchWrite.Close()
		close(run.exited)
	}()
	return run, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the child, the orderly way if there is time for it. When cancel
// is closed it turns to force. The child has exited when stop returns.
func (p *process) stop(cancel <-chan struct{}) {
	_, _ = p.watch.Write([]byte{1}) // Fails if it is gone, which is as well.
	if p.wait(orderlyGrace, cancel) {
		return
	}
	_ = p.watch.Close()
	if p.wait(exitGrace, nil) {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
}

func (p *process) wait(limit time.Duration, cancel <-chan struct{}) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.exited:
		return true
	case <-cancel:
		return false
	case <-timer.C:
		return false
	}
}

// selfExecutable names the running program itself, which on Linux works even
// after the file was replaced by an upgrade or removed by "go test".
func selfExecutable() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// childEnv passes on little: the parent's environment holds secrets that
// ClickHouse has no business with, and preemption signals interrupt C++ code
// that has not been written for them.
func childEnv() []string {
	env := []string{"GODEBUG=asyncpreemptoff=1", "TZ=UTC", "LC_ALL=C"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
