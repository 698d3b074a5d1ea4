package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	readyPoll    = 20 * time.Millisecond
	probeTimeout = 5 * time.Second
)

// awaitReady returns when clients can work: HTTP answers, the generated
// password opens it (so it is this engine and no stranger on the same port),
// and the native port accepts. It fails when the child exits or ctx ends.
func awaitReady(ctx context.Context, run *process, e Endpoint) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	var last error
	for {
		if last = probe(ctx, e); last == nil {
			return nil
		}
		select {
		case <-run.exited:
			return fmt.Errorf("engine process ended before it was ready: %w", exitError(run.err))
		case <-ctx.Done():
			return fmt.Errorf("await engine: %w (last attempt: %w)", context.Cause(ctx), last)
		case <-ticker.C:
		}
	}
}

func probe(ctx context.Context, e Endpoint) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if _, err := httpDo(ctx, http.MethodGet, "http://"+e.HTTPAddr()+"/ping", User{}, ""); err != nil {
		return err
	}
	if err := e.Exec(ctx, "SELECT 1"); err != nil {
		return err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", e.TCPAddr())
	if err != nil {
		return err
	}
	return conn.Close()
}

// Exec runs a statement as the writer, over HTTP. It is for administration
// such as creating a database, where a client's pool would be too much.
func (e Endpoint) Exec(ctx context.Context, statement string) error {
	_, err := e.QueryAs(ctx, e.Writer, statement)
	return err
}

// QueryAs runs a statement as a user, over HTTP, and returns the answer as
// ClickHouse formats it: TabSeparated unless the statement says otherwise.
func (e Endpoint) QueryAs(ctx context.Context, user User, statement string) (string, error) {
	return httpDo(ctx, http.MethodPost, "http://"+e.HTTPAddr()+"/", user, statement)
}

// A client of its own: the default one could go through a proxy, and idle
// connections would keep a stopping server waiting.
var httpClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func httpDo(ctx context.Context, method, url string, user User, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("build request: %w", err)
	}
	if user.Name != "" {
		request.Header.Set("X-ClickHouse-User", user.Name)
		request.Header.Set("X-ClickHouse-Key", user.Password)
	}
	response, err := httpClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("clickhouse: %s", strings.TrimSpace(string(text)))
	}
	return string(text), nil
}

// exitError gives an exit without an error a name.
func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}
