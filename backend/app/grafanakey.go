package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/plugins/contract"
)

// pluginServer returns the variables by which the datasource finds the panels of this process's
// plugins; none where it has none.
func (g Grafana) pluginServer(ctx context.Context, a *App) ([]string, error) {
	if len(a.host.Plugins(contract.ExtensionPanel)) == 0 {
		return nil, nil
	}
	secret, err := a.grafanaKey(ctx, filepath.Join(g.DataDir, "grafana.key"))
	if err != nil {
		return nil, fmt.Errorf("make a key for Grafana: %w", err)
	}
	return []string{"FLOWGAUGE_SERVER_URL=" + a.URL(), "FLOWGAUGE_SERVER_KEY=" + secret}, nil
}

// grafanaKey is one with which plugins can be asked, and nothing be seen: it is a viewer's who
// is nobody. It is kept in a file, so that not every start leaves one behind.
func (a *App) grafanaKey(ctx context.Context, path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	secret := strings.TrimSpace(string(b))
	if id, ok := keystore.ID(secret); ok {
		if _, known := a.keys.Get(id); known {
			return secret, nil
		}
	}
	secret, key, err := keystore.Generate(a.cfg.Tenant, "Grafana, to ask plugins", access.ScopeRead)
	if err != nil {
		return "", err
	}
	key.Role = access.RoleViewer
	if err := writeSecret(path, secret); err != nil {
		return "", err
	}
	return secret, a.keys.Put(ctx, key)
}
