// Package schema creates and upgrades Flowgauge's tables. Migrations are
// embedded, numbered and forward-only. Each of their statements is idempotent
// (CREATE … IF NOT EXISTS, ALTER … ADD COLUMN IF NOT EXISTS), so several
// processes may migrate at once and one that dies halfway is repeated: there is
// no lock that a crash could leave behind.
//
// A migration is a template. table, view and engine render it for one node or,
// when the client names a cluster, for Replicated tables named NAME_local with a
// Distributed table NAME over them. Rows are sharded by tenant: all rows of a
// tenant are on one shard, so its joins, IN clauses and FINAL stay local.
package schema

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
)

//go:embed migrations/*.sql.tmpl
var files embed.FS

// Migration is one numbered step of the schema.
type Migration struct {
	Version  int
	Name     string
	Checksum string // SHA-256 of the template, so that an edited one is noticed
	text     string
}

// Migrations returns all embedded migrations in order.
func Migrations() ([]Migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql.tmpl")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	out := make([]Migration, 0, len(names))
	for i, name := range names { // Glob sorts
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		base := strings.TrimSuffix(path.Base(name), ".sql.tmpl")
		number, title, _ := strings.Cut(base, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s: its number must be %04d", name, i+1)
		}
		sum := sha256.Sum256(text)
		out = append(out, Migration{Version: version, Name: title, Checksum: hex.EncodeToString(sum[:]), text: string(text)})
	}
	return out, nil
}

// Migrate brings the client's database to the newest version. It is safe to
// call from several processes at the same time and does nothing when nothing is
// missing. It refuses a database that a newer Flowgauge has upgraded.
func Migrate(ctx context.Context, client *clickhouse.Client) error {
	migrations, err := Migrations()
	if err != nil {
		return err
	}
	r := renderer{cluster: client.Cluster(), database: client.Database()}
	if err := client.Exec(ctx, r.migrationsTable(), nil); err != nil {
		return fmt.Errorf("create schema_migrations: %w", err)
	}
	applied, err := Applied(ctx, client)
	if err != nil {
		return err
	}
	if newest := migrations[len(migrations)-1].Version; len(applied) > 0 {
		for v := range applied {
			if v > newest {
				return fmt.Errorf("database %s has schema version %d, this program knows up to %d: run a newer flowgauge", client.Database(), v, newest)
			}
		}
	}
	for _, m := range migrations {
		if sum, done := applied[m.Version]; done {
			if sum != m.Checksum {
				return fmt.Errorf("migration %04d_%s was changed after it had been applied: migrations are never edited, add a new one", m.Version, m.Name)
			}
			continue
		}
		if err := apply(ctx, client, r, m); err != nil {
			return fmt.Errorf("migration %04d_%s: %w", m.Version, m.Name, err)
		}
	}
	return nil
}

func apply(ctx context.Context, client *clickhouse.Client, r renderer, m Migration) error {
	statements, err := r.render(m.text)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if err := client.Exec(ctx, statement, nil); err != nil {
			return fmt.Errorf("run %q: %w", firstLine(statement), err)
		}
	}
	return client.Exec(ctx, "INSERT INTO schema_migrations (version, name, checksum) SELECT {version:UInt32}, {name:String}, {checksum:String}",
		map[string]any{"version": m.Version, "name": m.Name, "checksum": m.Checksum})
}

// Applied returns the checksums of the applied migrations by version.
func Applied(ctx context.Context, client *clickhouse.Client) (map[int]string, error) {
	var version proto.ColUInt32
	var checksum proto.ColStr
	out := map[int]string{}
	err := client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT version, any(checksum) AS checksum FROM schema_migrations GROUP BY version",
		Result: proto.Results{{Name: "version", Data: &version}, {Name: "checksum", Data: &checksum}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range version.Rows() {
				out[int(version.Row(i))] = checksum.Row(i)
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", err)
	}
	return out, nil
}

type renderer struct {
	cluster  string
	database string
}

func (r renderer) onCluster() string {
	if r.cluster == "" {
		return ""
	}
	return " ON CLUSTER `" + r.cluster + "`"
}

func (r renderer) local(name string) string {
	if r.cluster == "" {
		return name
	}
	return name + "_local"
}

func (r renderer) engine(name, args string) string {
	if r.cluster == "" {
		return name + "(" + args + ")"
	}
	return "Replicated" + name + "('/clickhouse/tables/{shard}/" + r.database + "/{table}', '{replica}', " + args + ")"
}

// migrationsTable is not a template's: it has to be there before any of them.
func (r renderer) migrationsTable() string {
	const columns = "(version UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))"
	if r.cluster == "" {
		return "CREATE TABLE IF NOT EXISTS schema_migrations " + columns + " ENGINE = MergeTree ORDER BY version"
	}
	return "CREATE TABLE IF NOT EXISTS schema_migrations" + r.onCluster() + " " + columns +
		" ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/" + r.database + "/schema_migrations', '{shard}-{replica}') ORDER BY version"
}

// render returns the statements of a migration, each Distributed table behind
// the table that it covers.
func (r renderer) render(text string) ([]string, error) {
	var tables []string
	t, err := template.New("migration").Option("missingkey=error").Funcs(template.FuncMap{
		"table": func(name string) string {
			tables = append(tables, name)
			return r.local(name) + r.onCluster()
		},
		"view":   func(name string) string { return name + r.onCluster() },
		"local":  r.local,
		"engine": r.engine,
	}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse template: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, nil); err != nil {
		return nil, fmt.Errorf("render template: %w", err)
	}
	statements := split(b.String())
	if r.cluster == "" {
		return statements, nil
	}
	for _, name := range tables {
		statements = append(statements, fmt.Sprintf(
			"CREATE TABLE IF NOT EXISTS %s%s AS %s ENGINE = Distributed(`%s`, `%s`, %s, cityHash64(tenant))",
			name, r.onCluster(), r.local(name), r.cluster, r.database, r.local(name)))
	}
	return statements, nil
}

var commentLine = regexp.MustCompile(`(?m)^\s*--.*$`)

// split cuts a rendered migration at its semicolons; string literals of the
// schema contain none.
func split(text string) []string {
	var out []string
	for statement := range strings.SplitSeq(commentLine.ReplaceAllString(text, ""), ";") {
		if s := strings.TrimSpace(statement); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// Statements returns everything that Migrate would run on a new database, for
// those who apply DDL themselves.
func Statements(cluster, database string) ([]string, error) {
	migrations, err := Migrations()
	if err != nil {
		return nil, err
	}
	r := renderer{cluster: cluster, database: database}
	out := []string{r.migrationsTable()}
	for _, m := range migrations {
		statements, err := r.render(m.text)
		if err != nil {
			return nil, fmt.Errorf("migration %04d_%s: %w", m.Version, m.Name, err)
		}
		out = append(out, statements...)
	}
	return out, nil
}
