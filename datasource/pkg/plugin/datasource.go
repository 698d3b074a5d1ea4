// Package plugin is the backend of Flowgauge's Grafana datasource: it turns
// Grafana's calls into query.Requests and query.Results into frames.
//
//	QueryData     model.go -> granularity.go -> backend/query -> frames.go
//	              panels.go -> the same, with a server's plugins
//	              model.go -> promql.go -> backend/promql
//	              model.go -> sql.go -> ClickHouse, as a user of its own -> arrow.go
//	CheckHealth   health.go
//	CallResource  resources.go
//	streams       live.go
//
// One Datasource serves one configured datasource. Grafana makes a new one when
// the settings change and disposes of the old one once its calls have ended.
// Whatever goes wrong becomes a problem (problem.go), which says what happened,
// what to do and whose fault it is, the same on all three ways.
//
// Nothing here reads files or the environment: everything comes with the
// settings, as Grafana asks of plugins.
package plugin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/audit"
	"github.com/flowgauge/flowgauge/backend/access/directory"
	"github.com/flowgauge/flowgauge/backend/access/policy"
	"github.com/flowgauge/flowgauge/backend/budget"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/promql"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/query/guards"
)

// ID is the plugin's id, as plugin.json has it.
const ID = "flowgauge-analytics-datasource"

// analytics is what the datasource needs of query.Engine.
type analytics interface {
	Do(ctx context.Context, p access.Principal, r query.Request) (*query.Result, error)
	Values(ctx context.Context, p access.Principal, r query.ValuesRequest) ([]string, error)
	Unrestricted(ctx context.Context, p access.Principal) error
	LiveScope(ctx context.Context, p access.Principal, r query.Request) (query.LiveScope, error)
	RecordLive(ctx context.Context, p access.Principal, r query.Request, rows int, err error) error
	RecordAs(ctx context.Context, p access.Principal, r query.AuditRecord, err error) error
}

// Datasource serves one configured datasource. It is safe for concurrent use.
type Datasource struct {
	backend.CallResourceHandler

	settings   Settings
	client     *clickhouse.Client
	engine     analytics
	promql     *promql.API
	promqlHTTP http.Handler
	statements *statements
	plugins    extensions
	people     people
	identities *identities // nil wants no token
	records    *records
	slots      chan struct{} // one for each query that may run at once
	broken     error         // why the settings cannot be used, or nil
}

var (
	_ backend.QueryDataHandler      = (*Datasource)(nil)
	_ backend.CheckHealthHandler    = (*Datasource)(nil)
	_ backend.StreamHandler         = (*Datasource)(nil)
	_ instancemgmt.InstanceDisposer = (*Datasource)(nil)
)

// New makes a datasource of its settings; it does not connect. Settings that
// cannot be used do not fail here, where Grafana would hide the reason: the
// datasource is made and answers every call with it.
func New(_ context.Context, s backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	ds := &Datasource{}
	ds.CallResourceHandler = httpadapter.New(ds.routes())
	ds.broken = ds.open(s)
	return ds, nil
}

func (d *Datasource) open(s backend.DataSourceInstanceSettings) error {
	settings, err := ParseSettings(s)
	if err != nil {
		return err
	}
	tlsConfig, err := settings.tlsConfig()
	if err != nil {
		return err
	}
	server := clickhouse.Config{
		Addr:     settings.addr(),
		Database: settings.Database,
		User:     settings.Username,
		Password: settings.password,
		TLS:      tlsConfig,
		MaxConns: settings.MaxConns,
	}
	client, err := clickhouse.New(server)
	if err != nil {
		return err
	}
	statements, err := newStatements(settings, server)
	if err != nil {
		return err
	}
	users := directory.NewStore(client, 0)
	d.plugins = newPlugins(settings)
	engine, records, err := guarded(client, settings, users, d.plugins)
	if err != nil {
		client.Close()
		return err
	}
	if d.promql, err = d.newPromQL(engine, settings); err != nil {
		records.stop()
		client.Close()
		return err
	}
	d.promqlHTTP = d.promql.Handler()
	d.settings, d.client, d.engine, d.people, d.records, d.statements = settings, client, engine, users, records, statements
	d.identities = newIdentities(settings)
	d.slots = make(chan struct{}, settings.MaxConns)
	return nil
}

// guarded is the engine with what the tenant has decided about access, and whatever is
// asked of it is recorded.
func guarded(client *clickhouse.Client, s Settings, users *directory.Store, with extensions) (*query.Engine, *records, error) {
	teams := guards.Teams{Directory: users}
	budgets, err := budget.NewService(budget.Config{Store: budget.NewStore(client), Members: teams.Members, Forecasters: with.forecasters})
	if err != nil {
		return nil, nil, fmt.Errorf("open budgets: %w", err)
	}
	log, err := audit.New(audit.Config{Client: client, Required: s.AuditRequired, Logger: slog.New(pluginLog{})})
	if err != nil {
		return nil, nil, fmt.Errorf("open the audit log: %w", err)
	}
	cfg := query.Config{
		Client: client, Budgets: budgets, Forecasters: with.forecasters, Detectors: with.detectors, Limits: query.Limits{Timeout: s.timeout()},
		Teams: teams, Policies: guards.Policies{Store: policy.NewStore(client), Secret: []byte(s.pseudonymKey)}, Auditor: guards.Auditor{Log: log},
	}
	if with.panels != nil { // a nil pointer would be an Extra that is there
		cfg.Extra = with.panels
	}
	engine, err := query.New(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("open query engine: %w", err)
	}
	return engine, keep(log), nil
}

// Dispose writes the records that wait, and closes the connections.
func (d *Datasource) Dispose() {
	if d.records != nil {
		d.records.stop()
	}
	d.statements.close()
	if d.client != nil {
		d.client.Close()
	}
}
