package schema

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

// A SQLUser is a user of ClickHouse as whom people's own statements run. It reads the
// views of a database of its own name, in which the rows of one tenant stand that stand,
// and nothing else.
type SQLUser struct {
	Name     string
	Password string
	Tenant   string
	Seconds  int   // that a statement may take
	Memory   int64 // that it may use
}

// sqlName keeps a name from being another's database.
var sqlName = regexp.MustCompile(`^flowgauge_sql(_[a-z0-9_]{1,48})?$`)

// Validate reports what cannot be used.
func (u SQLUser) Validate() error {
	switch {
	case !sqlName.MatchString(u.Name):
		return fmt.Errorf("user %q: its name is flowgauge_sql, or flowgauge_sql_ with lower-case letters, digits and underscores behind it, 48 at most", u.Name)
	case len(u.Password) < 16:
		return fmt.Errorf("user %s: the password has %d characters, and needs 16", u.Name, len(u.Password))
	case u.Tenant == "":
		return fmt.Errorf("user %s: there is no tenant", u.Name)
	case u.Seconds < 1 || u.Memory < 1<<20:
		return fmt.Errorf("user %s: a statement may take %d seconds and %d bytes: want a second and a mebibyte at least", u.Name, u.Seconds, u.Memory)
	}
	return nil
}

// sqlViews are what statements read: the events that stand, without what is the
// storage's own. Their definer reads the tables, so that their reader needs no right on
// them. An execution's begin and its end are events of their own, with times of their
// own; in one view an execution that sent both would be counted twice.
const sqlViews = `
CREATE DATABASE IF NOT EXISTS %[1]s{{onCluster}};

CREATE OR REPLACE VIEW %[1]s.executions{{onCluster}} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT time, id, status, workflow_id, workflow_version, user_id, trigger_id, trigger_type, duration_ms, step_count,
    error_type, error_message, error_fingerprint, queued_time, attempt, metadata, source, received_at
FROM {{database}}.executions FINAL WHERE tenant = unhex('%[2]x') AND phase = 'terminal'
COMMENT '%[3]s';

CREATE OR REPLACE VIEW %[1]s.execution_starts{{onCluster}} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT time, id, workflow_id, workflow_version, user_id, trigger_id, trigger_type, queued_time, attempt, metadata, source, received_at
FROM {{database}}.executions FINAL WHERE tenant = unhex('%[2]x') AND phase = 'started';

CREATE OR REPLACE VIEW %[1]s.steps{{onCluster}} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT time, id, execution_id, step_id, step_type, status, end_time, queued_time, duration_ms, input_bytes, output_bytes,
    credits, workflow_id, workflow_version, user_id, depends_on, attempt, source, received_at
FROM {{database}}.steps FINAL WHERE tenant = unhex('%[2]x');

CREATE OR REPLACE VIEW %[1]s.costs{{onCluster}} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT time, id, workflow_id, user_id, execution_id, action_type, credits, dollars, pricing, metadata, source, received_at
FROM {{database}}.costs FINAL WHERE tenant = unhex('%[2]x');

CREATE OR REPLACE VIEW %[1]s.activity{{onCluster}} DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT time, id, user_id, session_id, action, resource, resource_id, duration_ms, metadata, source, received_at
FROM {{database}}.activity FINAL WHERE tenant = unhex('%[2]x');
`

const sqlUser = `
CREATE USER OR REPLACE %[1]s{{onCluster}} IDENTIFIED WITH sha256_hash BY '%[2]s' DEFAULT DATABASE %[1]s
SETTINGS readonly = 1, allow_ddl = 0, allow_introspection_functions = 0, max_execution_time = %[3]d, max_memory_usage = %[4]d;

GRANT{{onCluster}} SELECT ON %[1]s.* TO %[1]s;
`

// MakeSQLUser makes a user of SQL and what it reads, or gives one a new password.
func MakeSQLUser(ctx context.Context, client *clickhouse.Client, u SQLUser) error {
	if err := u.Validate(); err != nil {
		return err
	}
	if err := MakeSQLViews(ctx, client, u.Name, u.Tenant); err != nil {
		return err
	}
	hash := sha256.Sum256([]byte(u.Password))
	return Define(ctx, client, fmt.Sprintf(sqlUser, u.Name, hex.EncodeToString(hash[:]), u.Seconds, u.Memory))
}

// MakeSQLViews makes what a user of SQL reads, where the user is there already: the
// embedded engine has one.
func MakeSQLViews(ctx context.Context, client *clickhouse.Client, name, tenant string) error {
	return Define(ctx, client, fmt.Sprintf(sqlViews, name, tenant, SQLViewComment(tenant)))
}

// DropSQLUser takes a user of SQL away, and its views.
func DropSQLUser(ctx context.Context, client *clickhouse.Client, name string) error {
	if !sqlName.MatchString(name) {
		return SQLUser{Name: name}.Validate()
	}
	return Define(ctx, client, fmt.Sprintf("DROP USER IF EXISTS %[1]s{{onCluster}};\nDROP DATABASE IF EXISTS %[1]s{{onCluster}};", name))
}

// SQLViewComment is what the view executions says of the tenant whose rows it has.
func SQLViewComment(tenant string) string { return fmt.Sprintf("tenant %x", tenant) }
