package engine

import (
	"fmt"
	"net"
	"strconv"
)

const loopback = "127.0.0.1"

// choosePorts replaces zeroes by free ports. They are free only at this moment,
// so Start chooses again if another process was faster.
func choosePorts(tcpPort, httpPort int) (int, int, error) {
	tcp, err := reserve(tcpPort)
	if err != nil {
		return 0, 0, err
	}
	defer tcp.Close()
	http, err := reserve(httpPort)
	if err != nil {
		return 0, 0, err
	}
	defer http.Close()
	return portOf(tcp), portOf(http), nil
}

func reserve(port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen on port %d (choose another one, or 0 for any): %w", port, err)
	}
	return listener, nil
}

func portOf(listener net.Listener) int {
	return listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // It was asked to listen on "tcp".
}
