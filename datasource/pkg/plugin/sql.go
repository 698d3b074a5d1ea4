package plugin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema"
	"github.com/flowgauge/flowgauge/backend/query"
)

// kindSQL is a statement of somebody's own.
const kindSQL query.Kind = "sql"

var sqlKind = Kind{
	KindInfo: query.KindInfo{
		Kind: kindSQL, Title: "SQL",
		Description: "A statement of your own, for what nothing else here asks. It must be allowed in the datasource's settings, and whoever asks must see all data of the tenant. Macros such as $__timeFilter(time) stand for what depends on the panel.",
		Uses:        []string{}, Params: []query.ParamInfo{}, Fields: []query.FieldInfo{},
	},
	Formats: []string{formatTimeSeries, formatTable},
}

// statements runs people's own SQL, as a user of ClickHouse who may do nothing but read
// the tenant's rows. That user's rights are the only thing that keeps a statement within
// its bounds: nothing here reads what it says.
type statements struct {
	client *clickhouse.Client
	user   string
	tenant string

	mu  sync.Mutex
	fit bool // the user has been looked at
}

// newStatements returns nil where SQL is not allowed.
func newStatements(s Settings, cfg clickhouse.Config) (*statements, error) {
	if s.SQLUsername == "" {
		return nil, nil //nolint:nilnil // nil is SQL that is switched off
	}
	// What the user may read is in a database of the same name.
	cfg.User, cfg.Password, cfg.Database, cfg.Plain = s.SQLUsername, s.sqlPassword, s.SQLUsername, true
	client, err := clickhouse.New(cfg)
	if err != nil {
		return nil, err
	}
	return &statements{client: client, user: s.SQLUsername, tenant: s.Tenant}, nil
}

func (s *statements) close() {
	if s != nil {
		s.client.Close()
	}
}

// check wants a user who can neither write nor read another tenant's rows: one that
// schema.MakeSQLUser has made. It is asked before the first statement, and again until it has passed.
func (s *statements) check(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fit {
		return nil
	}
	for _, q := range []struct {
		sql, wanted, message string
	}{
		{"SELECT toString(getSetting('readonly')) AS text", "1", "The user %q is not read-only."},
		{"SELECT toString(count()) AS text FROM system.columns WHERE name = 'tenant'", "0", "The user %q may read Flowgauge's own tables, which have all tenants' rows."},
		{"SELECT comment AS text FROM system.tables WHERE database = currentDatabase() AND name = 'executions'", schema.SQLViewComment(s.tenant), "The user %q does not read the rows of the tenant " + strconv.Quote(s.tenant) + "."},
	} {
		got, err := s.text(ctx, q.sql)
		if err != nil {
			return err
		}
		if got != q.wanted {
			return &SettingsError{"sqlUsername", fmt.Sprintf(q.message, s.user), "Name a user that 'flowgauge sql-user create' has made for this tenant."}
		}
	}
	s.fit = true
	return nil
}

// text is the only value of an answer, or empty.
func (s *statements) text(ctx context.Context, sql string) (string, error) {
	var column proto.ColStr
	out := ""
	err := s.client.Do(ctx, clickhouse.Query{
		SQL: sql, Result: proto.Results{{Name: "text", Data: &column}},
		OnResult: func(context.Context, proto.Block) error {
			if column.Rows() > 0 {
				out = column.Row(0)
			}
			return nil
		},
	})
	return out, err
}

// mostSQLRows is how many rows of an answer are shown.
const mostSQLRows = 200_000

// errEnough ends the reading of an answer.
var errEnough = errors.New("enough rows")

// read runs a statement.
func (s *statements) read(ctx context.Context, sql string) (*sqlAnswer, error) {
	answer := &sqlAnswer{statement: sql}
	err := s.client.Do(ctx, clickhouse.Query{
		SQL: sql, Result: answer,
		OnResult: func(_ context.Context, b proto.Block) error { return answer.add(b.Rows) },
		OnProgress: func(_ context.Context, p proto.Progress) error {
			answer.read += p.Rows
			return nil
		},
	})
	if errors.Is(err, errEnough) {
		answer.truncated, err = true, nil
	}
	return answer, err
}

// ask answers a statement in SQL in Arrow. It is recorded as all readings are.
func (d *Datasource) ask(ctx context.Context, who access.Principal, q backend.DataQuery, m model) ([][]byte, error) {
	answer, err := d.readSQL(ctx, who, q, m)
	record := query.AuditRecord{Kind: kindSQL, From: q.TimeRange.From.UTC(), To: q.TimeRange.To.UTC(), Params: map[string]string{"statement": m.Expr}}
	if answer != nil {
		record.Rows = answer.rows
	}
	if failed := d.engine.RecordAs(ctx, who, record, err); failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	frames, err := answer.frames(m)
	if err != nil {
		return nil, err
	}
	for _, f := range frames {
		f.head.RefID = q.RefID
	}
	out, err := marshal(frames)
	answer.spare()
	return out, err
}

func (d *Datasource) readSQL(ctx context.Context, who access.Principal, q backend.DataQuery, m model) (*sqlAnswer, error) {
	if d.statements == nil {
		return nil, &query.AccessError{Message: "statements in SQL are not allowed here: an administrator of Grafana names a user of ClickHouse for them in the datasource's settings"}
	}
	if err := d.engine.Unrestricted(ctx, who); err != nil {
		return nil, err
	}
	statement, err := m.statement(q)
	if err != nil {
		return nil, err
	}
	if err := d.statements.check(ctx); err != nil {
		return nil, d.statements.problem(err)
	}
	answer, err := d.statements.read(ctx, statement)
	return answer, d.statements.problem(err)
}

// problem makes what the server minds about a statement its author's to mend.
func (s *statements) problem(err error) error {
	exception, said := ch.AsException(err)
	if !said {
		return err
	}
	switch clickhouse.ClassOf(err) {
	case clickhouse.ClassAuth:
		return &SettingsError{"sqlUsername", fmt.Sprintf("The server refused the user %q.", s.user), "Check the name and the password of the user for SQL."}
	case clickhouse.ClassPermanent, clickhouse.ClassData:
		return &query.RequestError{Param: "expr", Message: "the server refused the statement: " + strings.TrimSuffix(strings.TrimPrefix(exception.Message, "DB::Exception: "), ".")}
	}
	return err
}

// Table is what statements may read.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
}

// Column is one of a table.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// tables lists those that the user for SQL may read.
func (d *Datasource) tables(ctx context.Context, pc backend.PluginContext) ([]Table, error) {
	out := []Table{}
	if d.broken != nil || d.statements == nil {
		return out, d.broken
	}
	who, err := d.principal(ctx, pc)
	if err == nil {
		err = d.engine.Unrestricted(ctx, who)
	}
	if err != nil {
		return nil, err
	}
	var table, name, kind proto.ColStr
	err = d.statements.client.Do(ctx, clickhouse.Query{
		SQL:    "SELECT table, name, type FROM system.columns WHERE database = currentDatabase() ORDER BY table, position",
		Result: proto.Results{{Name: "table", Data: &table}, {Name: "name", Data: &name}, {Name: "type", Data: &kind}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range table.Rows() {
				if len(out) == 0 || out[len(out)-1].Name != table.Row(i) {
					out = append(out, Table{Name: table.Row(i)})
				}
				last := &out[len(out)-1]
				last.Columns = append(last.Columns, Column{name.Row(i), kind.Row(i)})
			}
			return nil
		},
	})
	return out, d.statements.problem(err)
}
