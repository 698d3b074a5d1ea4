// Package schema creates and upgrades Flowgauge's tables. Migrations are
// embedded, numbered and forward-only. Each of their statements is idempotent
// (CREATE … IF NOT EXISTS, ALTER … ADD COLUMN IF NOT EXISTS), so several
// processes may migrate at once and one that dies halfway is repeated: there is
// no lock that a crash could leave behind.
//
// A migration is a template. table, view and engine render it for one node or,
// when the client names a cluster, for tables named NAME_local with a Distributed
// table NAME over them. Rows are sharded by tenant: all rows of a tenant are on one
// shard, so its IN clauses and FINAL stay local. tableBy shards a table that has no
// tenant by another column. ALTER TABLE {{table "NAME"}} … COLUMN alters both.
//
// The local tables of a cluster are Replicated, and DDL goes ON CLUSTER by way of
// Keeper. A cluster without replicas does without Keeper: its tables are plain, and
// Migrate runs DDL on every node itself.
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
	m := newMigrator(client)
	defer m.close()
	if err := m.connect(ctx); err != nil {
		return err
	}
	if err := m.run(ctx, migrationsTable); err != nil {
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
	for _, step := range migrations {
		if sum, done := applied[step.Version]; done {
			if sum != step.Checksum {
				return fmt.Errorf("migration %04d_%s was changed after it had been applied: migrations are never edited, add a new one", step.Version, step.Name)
			}
			continue
		}
		if err := m.apply(ctx, step); err != nil {
			return fmt.Errorf("migration %04d_%s: %w", step.Version, step.Name, err)
		}
	}
	return nil
}

// A migrator runs DDL where it has to be run.
type migrator struct {
	client *clickhouse.Client
	layout Layout
	nodes  []*clickhouse.Client // each has to be told; the client's server tells the others if there are none
}

func newMigrator(client *clickhouse.Client) *migrator {
	return &migrator{
		client: client,
		layout: Layout{Database: client.Database(), Cluster: client.Cluster(), Unreplicated: client.Unreplicated()},
	}
}

func (m *migrator) connect(ctx context.Context) error {
	if m.layout.Cluster == "" || !m.layout.Unreplicated {
		return nil
	}
	addresses, err := m.client.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, address := range addresses {
		node, err := m.client.At(address)
		if err != nil {
			return err
		}
		m.nodes = append(m.nodes, node)
	}
	return nil
}

func (m *migrator) close() {
	for _, node := range m.nodes {
		node.Close()
	}
}

// run runs a template's statements, each on all nodes before the next: one that
// reads through a Distributed table needs all local ones.
func (m *migrator) run(ctx context.Context, text string) error {
	statements, err := m.layout.render(text)
	if err != nil {
		return err
	}
	nodes := m.nodes
	if len(nodes) == 0 {
		nodes = []*clickhouse.Client{m.client}
	}
	for _, statement := range statements {
		for _, node := range nodes {
			if err := node.Exec(ctx, statement, nil); err != nil {
				return fmt.Errorf("run %q: %w", firstLine(statement), err)
			}
		}
	}
	return nil
}

func (m *migrator) apply(ctx context.Context, step Migration) error {
	if err := m.run(ctx, step.text); err != nil {
		return err
	}
	return m.client.Exec(ctx, "INSERT INTO schema_migrations (version, name, checksum) SELECT {version:UInt32}, {name:String}, {checksum:String}",
		map[string]any{"version": step.Version, "name": step.Name, "checksum": step.Checksum})
}

// Alter changes a table's own rows, such as by DROP PARTITION, wherever they are. The
// name and the change are the program's own.
func Alter(ctx context.Context, client *clickhouse.Client, table, change string) error {
	return Define(ctx, client, fmt.Sprintf("ALTER TABLE {{table %q}} %s", table, change))
}

// Define runs DDL that is no migration, in a migration's spelling: what depends on the
// configuration. Its statements must be idempotent too.
func Define(ctx context.Context, client *clickhouse.Client, text string) error {
	m := newMigrator(client)
	defer m.close()
	if err := m.connect(ctx); err != nil {
		return err
	}
	return m.run(ctx, text)
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

// Layout says where tables go.
type Layout struct {
	Database string
	Cluster  string // "" is one node
	// Unreplicated is a cluster of shards of one node each. There is no Keeper to
	// carry DDL to the other nodes: the statements are for each of them.
	Unreplicated bool
}

func (l Layout) onCluster() string {
	if l.Cluster == "" || l.Unreplicated {
		return ""
	}
	return " ON CLUSTER `" + l.Cluster + "`"
}

const localSuffix = "_local"

func (l Layout) local(name string) string {
	if l.Cluster == "" {
		return name
	}
	return name + localSuffix
}

func (l Layout) engine(name, args string) string {
	if l.Cluster == "" || l.Unreplicated {
		return name + "(" + args + ")"
	}
	if args != "" {
		args = ", " + args
	}
	return "Replicated" + name + "('/clickhouse/tables/{shard}/" + l.Database + "/{table}', '{replica}'" + args + ")"
}

// migrationsTable is there before any migration. Its rows are sharded like all
// others, so that every node sees what any of them noted.
const migrationsTable = `CREATE TABLE IF NOT EXISTS {{tableBy "schema_migrations" "name"}}
(version UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = {{engine "MergeTree" ""}} ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1`

// render returns the statements of a migration.
func (l Layout) render(text string) ([]string, error) {
	shardedBy := map[string]string{}
	tableBy := func(name, column string) string {
		shardedBy[name] = column
		return l.local(name) + l.onCluster()
	}
	t, err := template.New("migration").Option("missingkey=error").Funcs(template.FuncMap{
		"table":   func(name string) string { return tableBy(name, "tenant") },
		"tableBy": tableBy,
		"view":    func(name string) string { return name + l.onCluster() },
		"local":   l.local,
		"engine":  l.engine,
		// Of DDL about other things than tables.
		"onCluster": l.onCluster,
		"database":  func() string { return "`" + l.Database + "`" },
	}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse template: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, nil); err != nil {
		return nil, fmt.Errorf("render template: %w", err)
	}
	statements := split(b.String())
	if l.Cluster == "" {
		return statements, nil
	}
	var out []string
	for _, s := range statements {
		out = append(out, s)
		if more := l.distributed(s, shardedBy); more != "" {
			out = append(out, more)
		}
	}
	return out, nil
}

var (
	createsLocal = regexp.MustCompile(`^CREATE TABLE IF NOT EXISTS (\w+)` + localSuffix + `\b`)
	altersLocal  = regexp.MustCompile(`^ALTER TABLE (\w+)` + localSuffix + `\b(.*)$`)
	ofColumns    = regexp.MustCompile(`(?i)\b(ADD|DROP|MODIFY|RENAME|COMMENT) COLUMN\b`)
)

// distributed returns what a statement about a local table asks of the
// Distributed table over it: to be created, or to get the same columns.
func (l Layout) distributed(statement string, shardedBy map[string]string) string {
	if m := createsLocal.FindStringSubmatch(statement); m != nil {
		name := m[1]
		return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s%s AS %s ENGINE = Distributed(`%s`, `%s`, %s, cityHash64(%s))",
			name, l.onCluster(), l.local(name), l.Cluster, l.Database, l.local(name), shardedBy[name])
	}
	head, rest, _ := strings.Cut(statement, "\n")
	if m := altersLocal.FindStringSubmatch(head); m != nil && ofColumns.MatchString(statement) {
		return strings.TrimSpace("ALTER TABLE " + m[1] + m[2] + "\n" + rest)
	}
	return ""
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
	return Layout{Database: database, Cluster: cluster}.Statements()
}

// Statements is the same for any layout.
func (l Layout) Statements() ([]string, error) {
	migrations, err := Migrations()
	if err != nil {
		return nil, err
	}
	out, err := l.render(migrationsTable)
	if err != nil {
		return nil, err
	}
	for _, m := range migrations {
		statements, err := l.render(m.text)
		if err != nil {
			return nil, fmt.Errorf("migration %04d_%s: %w", m.Version, m.Name, err)
		}
		out = append(out, statements...)
	}
	return out, nil
}
