package enginetest

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/engine"
)

// envAddress names a server that tests use instead of the embedded engine:
//
//	host:tcpPort
//	clickhouse://user:password@host:tcpPort?http_port=8123&reader=name:password
//
// The user must be allowed to create databases. Without a reader the user
// stands in for it, and tests of the reader's rights fail.
const envAddress = "FLOWGAUGE_TEST_CLICKHOUSE"

const defaultHTTPPort = 8123

func parseAddress(address string) (engine.Endpoint, error) {
	endpoint, err := parseURL(address)
	if err != nil {
		return endpoint, fmt.Errorf("%s %q: %w", envAddress, address, err)
	}
	return endpoint, nil
}

func parseURL(address string) (engine.Endpoint, error) {
	var endpoint engine.Endpoint
	if !strings.Contains(address, "://") {
		address = "clickhouse://" + address
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return endpoint, err
	}
	host, port, err := net.SplitHostPort(parsed.Host)
	if err != nil {
		return endpoint, err
	}
	endpoint = engine.Endpoint{Host: host, HTTPPort: defaultHTTPPort, Database: engine.DefaultDatabase}
	if endpoint.TCPPort, err = strconv.Atoi(port); err != nil {
		return endpoint, fmt.Errorf("parse port: %w", err)
	}
	query := parsed.Query()
	if text := query.Get("http_port"); text != "" {
		if endpoint.HTTPPort, err = strconv.Atoi(text); err != nil {
			return endpoint, fmt.Errorf("parse http_port: %w", err)
		}
	}
	endpoint.Writer = engine.User{Name: "default"}
	if parsed.User != nil {
		endpoint.Writer.Name = parsed.User.Username()
		endpoint.Writer.Password, _ = parsed.User.Password()
	}
	endpoint.Reader = endpoint.Writer
	if reader := query.Get("reader"); reader != "" {
		endpoint.Reader.Name, endpoint.Reader.Password, _ = strings.Cut(reader, ":")
	}
	return endpoint, nil
}
