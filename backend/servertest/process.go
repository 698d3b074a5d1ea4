package servertest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// Generous: machines that run tests are busy.
	startTimeout = 5 * time.Minute
	stopTimeout  = time.Minute
	pollEvery    = 50 * time.Millisecond

	// Above what daemons use and below what Linux gives to outgoing
	// connections: nobody takes the port of a server that is down for a moment.
	lowestPort, highestPort = 15000, 32000
)

// watch runs a program whose life hangs on a pipe that only the test process
// holds. A line in it names a signal; its end means that the test process is
// gone, by kill -9 too, and takes the program and its folder along.
const watch = `
dir=$1; shift
"$@" 3<&- & program=$!
(
	while read -r signal <&3; do
		kill -s "$signal" $program
	done
	trap '' TERM
	kill -s KILL $program
	sleep 1
	rm -rf "$dir"
) & watcher=$!
exec 3<&-
wait $program; code=$?
kill -s TERM $watcher 2>/dev/null
exit $code
`

// A server is a program with a folder and ports, which it keeps when it is
// started again.
type server struct {
	name    string
	dir     string
	ports   []int
	command func(s *server) []string        // what to run
	ready   func(ctx context.Context) error // nil when it answers

	mu     sync.Mutex
	pipe   *os.File // to the running watch, nil when it is stopped
	exited chan struct{}
	err    error // why it exited; read after exited is closed
}

// start returns when the server answers.
func (s *server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pipe != nil {
		return fmt.Errorf("%s is already running", s.name)
	}
	if err := s.spawn(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			s.pipe = nil
			return fmt.Errorf("%s ended at once: %w: %s", s.name, s.err, s.output())
		case <-ctx.Done():
			s.end("KILL")
			return fmt.Errorf("%s does not answer: %w: %s", s.name, err, s.output())
		case <-time.After(pollEvery):
		}
	}
}

func (s *server) spawn() error {
	output, err := os.OpenFile(filepath.Join(s.dir, "output"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer output.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", watch, s.name, s.dir}, s.command(s)...)...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{read}
	// A group of its own: Ctrl-C in a terminal reaches the tests alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		_ = write.Close()
		return err
	}
	exited := make(chan struct{})
	s.pipe, s.exited = write, exited
	go func() {
		s.err = cmd.Wait()
		_ = write.Close()
		close(exited)
	}()
	return nil
}

// stop ends the server with a signal and returns when it is gone.
func (s *server) stop(signal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pipe != nil {
		s.end(signal)
	}
}

func (s *server) end(signal string) {
	_, _ = s.pipe.WriteString(signal + "\n") // Fails if it is gone, which is as well.
	select {
	case <-s.exited:
	case <-time.After(stopTimeout):
		_, _ = s.pipe.WriteString("KILL\n")
		<-s.exited
	}
	s.pipe = nil
}

func (s *server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pipe != nil
}

// output is what the server printed last.
func (s *server) output() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "output"))
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-4096):]))
}

// Stop ends the server the orderly way. If the test does not start it again,
// a shared one is when the test ends.
func (s *server) Stop(t testing.TB) { s.endFor(t, "TERM") }

// Kill ends the server as kill -9 does.
func (s *server) Kill(t testing.TB) { s.endFor(t, "KILL") }

func (s *server) endFor(t testing.TB, signal string) {
	t.Helper()
	if !s.running() {
		t.Fatalf("%s is not running", s.name)
	}
	s.stop(signal)
	t.Cleanup(func() {
		if _, err := os.Stat(s.dir); err == nil && !s.running() {
			s.Start(t)
		}
	})
}

// Start starts the server again, with the data and on the ports that it had.
func (s *server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Restart stops the server the orderly way and starts it again.
func (s *server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.Start(t)
}

// Addr is where the server listens: host:port.
func (s *server) Addr() string { return loopback(s.ports[0]) }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts returns ports that nobody listens on at this moment.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range 1000 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		listener, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		defer listener.Close() // At the end: no port is chosen twice.
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("found no %d free ports from %d to %d", n, lowestPort, highestPort)
}

// newServer starts a server in a folder of its own. Another process may take
// a port between the choice and the start, so it tries again.
func newServer(name string, ports int, prepare func(*server) error) (*server, error) {
	var err error
	for range 3 {
		s := &server{name: name}
		if s.ports, err = freePorts(ports); err != nil {
			return nil, err
		}
		if s.dir, err = os.MkdirTemp("", "flowgauge-"+name+"-*"); err != nil {
			return nil, fmt.Errorf("create directory: %w", err)
		}
		if err = prepare(s); err == nil {
			err = s.start()
		}
		if err == nil {
			return s, nil
		}
		_ = os.RemoveAll(s.dir)
	}
	return nil, err
}

// private starts a server that ends with the test.
func private(t testing.TB, name string, ports int, prepare func(*server) error) *server {
	t.Helper()
	s, err := newServer(name, ports, prepare)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop("KILL") // Data in a temporary directory needs no orderly end.
		if err := os.RemoveAll(s.dir); err != nil {
			t.Errorf("remove the directory of %s: %v", name, err)
		}
	})
	return s
}

// exchange sends a line to a server and returns the first bytes it answers.
func exchange(ctx context.Context, address, line string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, line); err != nil {
		return "", err
	}
	buffer := make([]byte, 256)
	n, err := conn.Read(buffer)
	return string(buffer[:n]), err
}

func dial(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
