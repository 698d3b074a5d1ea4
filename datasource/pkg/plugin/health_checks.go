package plugin

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
)

// oldest is the first ClickHouse that is tested against.
const oldestMajor, oldestMinor = 24, 8

func (d *Datasource) checkServer(ctx context.Context, h *health) error {
	var version proto.ColStr
	err := d.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT version() AS version",
		Result: proto.Results{{Name: "version", Data: &version}},
	})
	if err != nil {
		return err
	}
	if version.Rows() > 0 {
		h.Version = version.First()
	}
	if older(h.Version) {
		h.Warnings = append(h.Warnings, fmt.Sprintf("ClickHouse %s is older than %d.%d, the oldest that Flowgauge is tested with.", h.Version, oldestMajor, oldestMinor))
	}
	return nil
}

func older(version string) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return false
	}
	return major < oldestMajor || (major == oldestMajor && minor < oldestMinor)
}

// checkSchema finds tables of another version before a panel fails on one of
// their columns.
func (d *Datasource) checkSchema(ctx context.Context, h *health) error {
	var version proto.ColUInt32
	err := d.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT toUInt32(max(version)) AS version FROM schema_migrations",
		Result: proto.Results{{Name: "version", Data: &version}},
	})
	if err != nil {
		return err
	}
	if version.Rows() > 0 {
		h.SchemaVersion = version[0]
	}
	migrations, err := schema.Migrations()
	if err != nil {
		return err
	}
	newest := uint32(len(migrations)) // #nosec G115 -- a few; they are numbered from 1
	switch {
	case h.SchemaVersion < newest:
		return &schemaError{fmt.Sprintf("The database's tables are of version %d; this plugin needs version %d.", h.SchemaVersion, newest), "Run flowgauge migrate."}
	case h.SchemaVersion > newest:
		h.Warnings = append(h.Warnings, fmt.Sprintf("The database's tables are of version %d, newer than this plugin's %d: update the plugin.", h.SchemaVersion, newest))
	}
	return nil
}

// schemaError says that the tables are older than the plugin.
type schemaError struct{ title, hint string }

func (e *schemaError) Error() string { return e.title }

func (e *schemaError) problem() problem {
	return problem{Title: e.title, Hint: e.hint, Status: backend.StatusNotFound, Source: backend.ErrorSourceDownstream}
}

// checkRights warns of a user who may change data. The plugin never does, so
// the right would serve only somebody who got hold of the password. Servers
// that do not know CHECK GRANT are not asked.
func (d *Datasource) checkRights(ctx context.Context, h *health) error {
	for _, table := range []string{"executions", "rollup_executions", "access_policies"} {
		var may proto.ColUInt8
		err := d.client.Do(ctx, clickhouse.Query{
			SQL:    fmt.Sprintf("CHECK GRANT INSERT ON %s.%s", identifier(d.settings.Database), table),
			Result: proto.Results{{Name: "result", Data: &may}},
		})
		if err != nil {
			return nil //nolint:nilerr // an older server; the check is a courtesy
		}
		if may.Rows() > 0 && may[0] == 1 {
			h.Warnings = append(h.Warnings, fmt.Sprintf("The user %q may change data: use one that may only select.", d.settings.Username))
			return nil
		}
	}
	return d.checkRecords(ctx, h)
}

// checkRecords warns of a user who may not write audit records: nobody would know who
// has read what here.
func (d *Datasource) checkRecords(ctx context.Context, h *health) error {
	var may proto.ColUInt8
	database := identifier(d.settings.Database)
	err := d.client.Do(ctx, clickhouse.Query{
		SQL:    fmt.Sprintf("CHECK GRANT INSERT ON %s.audit_log", database),
		Result: proto.Results{{Name: "result", Data: &may}},
	})
	if err == nil && may.Rows() > 0 && may[0] == 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("The user %q may not write audit records, so readings are not recorded: run GRANT INSERT ON %s.audit_log TO %s.",
			d.settings.Username, database, identifier(d.settings.Username)))
	}
	return nil
}

func identifier(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}
