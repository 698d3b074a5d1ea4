package command

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flowgauge/flowgauge/backend/access/certs"
	"github.com/flowgauge/flowgauge/backend/app"
	"github.com/flowgauge/flowgauge/collector/client"
)

// target is the collector that a command talks to, and with which key.
type target struct {
	url     string
	keyFile string
	tls     certs.Client
}

func (t *target) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.url, "url", "http://127.0.0.1:8080", "where Flowgauge serves HTTP")
	cmd.Flags().StringVar(&t.keyFile, "key-file", "", "file with the API key (default $FLOWGAUGE_API_KEY, else DATA-DIR/admin.key)")
	cmd.Flags().StringVar(&t.tls.CAFile, "ca-file", "", "authorities of the collector's certificate, in PEM (default the system's)")
	cmd.Flags().StringVar(&t.tls.CertFile, "cert", "", "client certificate that stands for an API key, in PEM; then no key is sent unless it is named")
	cmd.Flags().StringVar(&t.tls.KeyFile, "key", "", "private key of --cert, in PEM")
}

// key returns the API key. It is never taken from a flag, which others on the
// machine can read.
func (t *target) key(dataDir string) (string, error) {
	if t.keyFile != "" {
		b, err := os.ReadFile(t.keyFile)
		if err != nil {
			return "", fmt.Errorf("read the API key: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	if key := os.Getenv("FLOWGAUGE_API_KEY"); key != "" {
		return key, nil
	}
	if t.tls.CertFile != "" {
		return "", nil
	}
	key, err := app.ReadAdminKey(dataDir)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("no API key: %s is not there; give --data-dir as for 'flowgauge up', or --key-file, or set FLOWGAUGE_API_KEY", app.AdminKeyFile(dataDir))
	}
	return key, err
}

func (t *target) client(dataDir string) (*client.Client, error) {
	key, err := t.key(dataDir)
	if err != nil {
		return nil, err
	}
	config, err := t.tls.Config()
	if err != nil {
		return nil, usageError{err}
	}
	return client.New(client.Config{URL: t.url, Key: key, TLS: config})
}
