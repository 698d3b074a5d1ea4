package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/dashboards"
	"github.com/flowgauge/flowgauge/provisioning"
)

// PluginID is the datasource plugin's.
const PluginID = "flowgauge-analytics-datasource"

// ErrNoGrafana says that no Grafana is installed here.
var ErrNoGrafana = errors.New("no Grafana is installed: set GRAFANA_HOME to its folder, or put grafana on the PATH")

// Grafana runs an installed Grafana beside Flowgauge, with the datasource and
// the dashboards provisioned. Its state is under the data folder, nothing of the
// installation is changed.
type Grafana struct {
	Home      string // where Grafana is installed
	Binary    string
	Listen    string // HOST:PORT
	PluginDir string // folder that holds the built plugin's folder
	DataDir   string
	SQL       bool // administrators may write statements
	Logger    *slog.Logger
}

// FindGrafana looks at GRAFANA_HOME and then on the PATH.
func FindGrafana() (home, binary string, err error) {
	if home = os.Getenv("GRAFANA_HOME"); home != "" {
		binary = filepath.Join(home, "bin", "grafana")
		if _, err := os.Stat(binary); err != nil {
			return "", "", fmt.Errorf("GRAFANA_HOME is %s, but %s is not there: it must be the folder with bin, conf and public", home, binary)
		}
		return home, binary, nil
	}
	binary, err = exec.LookPath("grafana")
	if err != nil {
		return "", "", ErrNoGrafana
	}
	for _, home := range []string{"/usr/share/grafana", filepath.Dir(filepath.Dir(binary)), "/opt/homebrew/share/grafana", "/usr/local/share/grafana"} {
		if _, err := os.Stat(filepath.Join(home, "public")); err == nil {
			return home, binary, nil
		}
	}
	return "", "", fmt.Errorf("%s is on the PATH, but its folder is not known: set GRAFANA_HOME to the one with conf and public", binary)
}

// Run starts Grafana and waits until ctx ends, then stops it.
func (g Grafana) Run(ctx context.Context, a *App, ready func(url string)) error {
	if _, err := os.Stat(filepath.Join(g.PluginDir, PluginID, "module.js")); err != nil {
		return fmt.Errorf("the datasource plugin is not built in %s: run 'go tool mage build'", g.PluginDir)
	}
	plugins, err := filepath.Abs(g.PluginDir) // Grafana works in another folder
	if err != nil {
		return fmt.Errorf("plugin folder %q: %w", g.PluginDir, err)
	}
	dir := filepath.Join(g.DataDir, "grafana")
	if err := g.writeProvisioning(dir); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(g.Listen)
	if err != nil {
		return fmt.Errorf("grafana address %q: give HOST:PORT", g.Listen)
	}
	sql, err := g.sqlUser(ctx, a)
	if err != nil {
		return err
	}
	panels, err := g.pluginServer(ctx, a)
	if err != nil {
		return err
	}
	logs, err := os.Create(filepath.Join(dir, "grafana.log"))
	if err != nil {
		return fmt.Errorf("create Grafana's log: %w", err)
	}
	defer func() { _ = logs.Close() }()

	cmd := exec.CommandContext(ctx, g.Binary, "server", "--homepath", g.Home) //nolint:gosec // the program that the user installed
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = logs, logs
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	dieWithParent(cmd)
	endpoint := a.database.reading()
	dbHost, dbPort, _ := net.SplitHostPort(endpoint.Addr) // validated with the configuration
	cmd.Env = append(os.Environ(),
		"GF_SERVER_HTTP_ADDR="+host, "GF_SERVER_HTTP_PORT="+port,
		"GF_PATHS_DATA="+filepath.Join(dir, "data"), "GF_PATHS_LOGS="+filepath.Join(dir, "logs"),
		"GF_PATHS_PLUGINS="+plugins, "GF_PATHS_PROVISIONING="+filepath.Join(dir, "provisioning"),
		"GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS="+PluginID,
		"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH="+filepath.Join(dir, "dashboards", "overview.json"),
		"GF_DATABASE_WAL=true", // its writers otherwise lock each other out at the first start
		"GF_ANALYTICS_REPORTING_ENABLED=false", "GF_ANALYTICS_CHECK_FOR_UPDATES=false", "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES=false",
		"GF_SECURITY_DISABLE_GRAVATAR=true", "GF_NEWS_NEWS_FEED_ENABLED=false",
		// No login where only this machine's users can come in; elsewhere Grafana's
		// own accounts.
		"GF_AUTH_ANONYMOUS_ENABLED="+strconv.FormatBool(isLoopback(host)), "GF_AUTH_ANONYMOUS_ORG_ROLE=Admin",
		"FLOWGAUGE_DASHBOARDS="+filepath.Join(dir, "dashboards"),
		"FLOWGAUGE_CLICKHOUSE_HOST="+dbHost, "FLOWGAUGE_CLICKHOUSE_PORT="+dbPort,
		"FLOWGAUGE_CLICKHOUSE_USER="+endpoint.User, "FLOWGAUGE_CLICKHOUSE_PASSWORD="+endpoint.Password,
		"FLOWGAUGE_CLICKHOUSE_DATABASE="+endpoint.Database, "FLOWGAUGE_CLICKHOUSE_SECURE="+strconv.FormatBool(endpoint.TLS != nil),
		"FLOWGAUGE_TENANT="+a.cfg.Tenant, "FLOWGAUGE_PSEUDONYM_KEY="+a.cfg.Privacy.Key,
	)
	cmd.Env = append(append(cmd.Env, sql...), panels...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start Grafana: %w", err)
	}
	url := "http://" + g.Listen
	go func() {
		if awaitHTTP(ctx, url+"/api/health") == nil {
			ready(url)
		}
	}()
	err = cmd.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("grafana ended (%w): see %s", err, logs.Name())
}

// sqlUser returns the variables that allow SQL. The embedded engine has a user for it; on
// another server an administrator makes one and sets the variables.
func (g Grafana) sqlUser(ctx context.Context, a *App) ([]string, error) {
	switch {
	case !g.SQL:
		return nil, nil
	case a.database.engine == nil:
		return nil, errors.New("SQL in Grafana: the ClickHouse server is not this program's: make a user with 'flowgauge sql-user create', and set FLOWGAUGE_SQL_USER and FLOWGAUGE_SQL_PASSWORD")
	}
	if err := schema.Migrate(ctx, a.database.writer); err != nil { // whoever comes first
		return nil, err
	}
	user := a.database.engine.Endpoint().SQL
	if err := schema.MakeSQLViews(ctx, a.database.writer, user.Name, a.cfg.Tenant); err != nil {
		return nil, fmt.Errorf("make the views for SQL: %w", err)
	}
	return []string{"FLOWGAUGE_SQL_USER=" + user.Name, "FLOWGAUGE_SQL_PASSWORD=" + user.Password}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// writeProvisioning unpacks the files that this program carries.
func (g Grafana) writeProvisioning(dir string) error {
	for name, files := range map[string]fs.FS{"provisioning": provisioning.Files, "dashboards": dashboards.Files} {
		to := filepath.Join(dir, name)
		if err := os.RemoveAll(to); err != nil {
			return fmt.Errorf("clear %s: %w", to, err)
		}
		if err := os.CopyFS(to, files); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
	}
	// Grafana reports an error for each folder that it looks for in vain.
	if err := os.MkdirAll(filepath.Join(dir, "provisioning", "notifiers"), 0o750); err != nil {
		return fmt.Errorf("create notifiers: %w", err)
	}
	return chooseNotifications(filepath.Join(dir, "provisioning"))
}

// chooseNotifications keeps the contact points whose variables are set. Grafana does not
// start with one that has no address.
func chooseNotifications(dir string) error {
	from := filepath.Join(dir, "notifications")
	var chosen []string
	for name, variable := range provisioning.Notifications {
		if os.Getenv(variable) != "" {
			chosen = append(chosen, name)
		}
	}
	if len(chosen) > 0 {
		chosen = append(chosen, provisioning.Policies)
	} else {
		chosen = append(chosen, provisioning.Nobody)
	}
	for _, name := range chosen {
		if err := os.Rename(filepath.Join(from, name), filepath.Join(dir, "alerting", name)); err != nil {
			return fmt.Errorf("provision notifications: %w", err)
		}
	}
	return os.RemoveAll(from)
}

// awaitHTTP waits until an address answers 200.
func awaitHTTP(ctx context.Context, url string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
