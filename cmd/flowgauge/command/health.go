package command

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/config"
)

func newHealth() *cobra.Command {
	var ready bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the collector or server with the same configuration whether it is there",
		Long: `Asks the collector or server that runs on this machine with the same configuration whether it is alive and,
with --ready, whether everything works that it is there for. It ends with 1 when not. For containers, whose
image has no other program to ask with; where there is one, ask for /healthz and /readyz.`,
		Example: `  FLOWGAUGE_HTTP__LISTEN=:8080 flowgauge health --ready`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := read(cmd)
			if err != nil {
				return err
			}
			url, err := healthURL(cfg, ready)
			if err != nil {
				return usageError{err}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return askHealth(ctx, url)
		},
	}
	addHTTPFlag(cmd)
	cmd.Flags().BoolVar(&ready, "ready", false, "also whether everything works that it is there for")
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long an answer may take")
	return cmd
}

// healthURL is where the process answers. Its own certificate is for the name that its
// callers know, which this machine's address is not, so TLS needs the other listener.
func healthURL(cfg config.Config, ready bool) (string, error) {
	key, addr := "http.listen", cfg.HTTP.Listen
	if cfg.Telemetry.Listen != "" {
		key, addr = "telemetry.listen", cfg.Telemetry.Listen
	} else if cfg.HTTP.TLS.CertFile != "" {
		return "", fmt.Errorf("http.listen %s speaks TLS for a name that is not this machine's address: set telemetry.listen, e.g. to 127.0.0.1:6060, where health is served too", addr)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "0" {
		return "", fmt.Errorf("%s is %q: give HOST:PORT with the port that the process listens on", key, addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	path := "/healthz"
	if ready {
		path = "/readyz"
	}
	return "http://" + net.JoinHostPort(host, port) + path, nil
}

func askHealth(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// Not by a proxy that the environment names: the process is on this machine.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	why, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, resp.Status, strings.TrimSpace(string(why)))
	}
	return nil
}
