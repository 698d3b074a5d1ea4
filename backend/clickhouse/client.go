// Package clickhouse is the one way to the database: a pool of native
// connections, bound parameters, columnar reads and inserts, and errors sorted
// into what a caller can do about them.
package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/chpool"
	"github.com/ClickHouse/ch-go/proto"
)

// Config says which server to talk to, and as whom.
type Config struct {
	Addr     string // HOST:PORT of the native protocol
	Database string
	User     string
	Password string
	TLS      *tls.Config // nil is plain text
	MaxConns int         // 0 is 8
	Cluster  string      // name of the cluster for DDL; empty is a single node
	// Unreplicated says that each of the cluster's shards is a single node: tables
	// need no Keeper, and this program creates them on every node by itself.
	Unreplicated bool
	Dialer       ch.Dialer // nil is a plain net.Dialer; Grafana's plugin brings its own
	// Plain sends no settings: statements mean what the user's profile on the server
	// makes of them, and a profile that is read-only takes them. It is for statements
	// that people wrote.
	Plain  bool
	Logger *slog.Logger
}

// Validate reports what is missing.
func (c Config) Validate() error {
	switch {
	case c.Addr == "":
		return errors.New("clickhouse: no server address: set it to HOST:PORT of the native protocol (usually port 9000, or 9440 with TLS)")
	case c.Database == "":
		return errors.New("clickhouse: no database name")
	case c.MaxConns < 0:
		return fmt.Errorf("clickhouse: the number of connections is %d; it must be 0 (the default) or more", c.MaxConns)
	}
	return nil
}

// Client is safe for concurrent use. It connects when it is first used, so that
// a server that is away does not keep anything from starting.
type Client struct {
	cfg Config

	mu     sync.Mutex
	pool   *chpool.Pool
	closed bool
}

// New returns a client; it does not connect.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 8
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Client{cfg: cfg}, nil
}

// Database returns the name of the database.
func (c *Client) Database() string { return c.cfg.Database }

// Cluster returns the name of the cluster, or "" for a single node.
func (c *Client) Cluster() string { return c.cfg.Cluster }

// Unreplicated reports whether the cluster's tables are to do without Keeper.
func (c *Client) Unreplicated() bool { return c.cfg.Unreplicated }

// Nodes returns the addresses of the cluster's nodes as the server knows them.
func (c *Client) Nodes(ctx context.Context) ([]string, error) {
	var address proto.ColStr
	var out []string
	err := c.Do(ctx, Query{
		SQL:    "SELECT DISTINCT concat(host_name, ':', toString(port)) AS address FROM system.clusters WHERE cluster = {cluster:String} ORDER BY address",
		Params: map[string]any{"cluster": c.cfg.Cluster},
		Result: proto.Results{{Name: "address", Data: &address}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range address.Rows() {
				out = append(out, address.Row(i))
			}
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("read the nodes of cluster %s: %w", c.cfg.Cluster, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("clickhouse: the server knows no cluster %q: its name is that of an entry of remote_servers", c.cfg.Cluster)
	}
	return out, nil
}

// Quorum returns how many replicas have to have a row so that no majority of a
// shard's replicas is without it; 0 where shards are single nodes.
func (c *Client) Quorum(ctx context.Context) (int, error) {
	if c.cfg.Cluster == "" || c.cfg.Unreplicated {
		return 0, nil
	}
	var most proto.ColUInt64
	err := c.Do(ctx, Query{
		SQL:    "SELECT toUInt64(max(replicas)) AS most FROM (SELECT count() AS replicas FROM system.clusters WHERE cluster = {cluster:String} GROUP BY shard_num)",
		Params: map[string]any{"cluster": c.cfg.Cluster},
		Result: proto.Results{{Name: "most", Data: &most}},
	})
	if err != nil {
		return 0, fmt.Errorf("read the replicas of cluster %s: %w", c.cfg.Cluster, err)
	}
	if most.Row(0) < 2 {
		return 0, nil
	}
	return int(most.Row(0)/2 + 1), nil
}

// At returns a client of another server, as the same user.
func (c *Client) At(addr string) (*Client, error) {
	cfg := c.cfg
	cfg.Addr = addr
	if cfg.TLS != nil && cfg.TLS.ServerName != "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("clickhouse: address %q: %w", addr, err)
		}
		cfg.TLS = cfg.TLS.Clone()
		cfg.TLS.ServerName = host
	}
	return New(cfg)
}

// Query is one statement with its bound values and where its rows go.
type Query struct {
	SQL string
	// Params are bound on the server as {name:Type}. Values are strings,
	// integers, booleans, and slices of strings, integers and Pairs. Times are
	// passed as numbers.
	Params map[string]any
	// Settings apply to this statement alone.
	Settings map[string]string
	// Result receives blocks; OnResult is called after each of them.
	Result   proto.Result
	OnResult func(ctx context.Context, block proto.Block) error
	// Input is what an INSERT … VALUES statement sends.
	Input proto.Input
	// OnInput refills Input until it returns io.EOF; nil sends Input once.
	OnInput func(ctx context.Context) error
	// OnProgress is called with the increments of rows and bytes read.
	OnProgress func(ctx context.Context, p proto.Progress) error
}

// pinned are settings that change what a statement means. A server's profile may
// have set them otherwise; figures must not depend on it.
var pinned = []ch.Setting{
	{Key: "join_use_nulls", Value: "0", Important: true},
	{Key: "aggregate_functions_null_for_empty", Value: "0", Important: true},
	{Key: "transform_null_in", Value: "0", Important: true},
	{Key: "timeout_overflow_mode", Value: "throw", Important: true},
	{Key: "read_overflow_mode", Value: "throw", Important: true},
	{Key: "group_by_overflow_mode", Value: "throw", Important: true},
	{Key: "join_overflow_mode", Value: "throw", Important: true},
	{Key: "set_overflow_mode", Value: "throw", Important: true},
	// On a cluster all rows of a tenant are on one shard, so a subquery about the
	// same tenants is asked there as well, and shards without the tenant are not.
	{Key: "distributed_product_mode", Value: "local", Important: true},
	{Key: "optimize_skip_unused_shards", Value: "1", Important: true},
	// A shard that is away is an error, not a smaller figure.
	{Key: "skip_unavailable_shards", Value: "0", Important: true},
	// What was written is read again at once: writers and readers, whichever node
	// they ask, go to the same replica of a shard while it lives.
	{Key: "load_balancing", Value: "in_order", Important: true},
	{Key: "prefer_localhost_replica", Value: "0", Important: true},
}

// writing are those of statements that store something: a backfill may touch any
// number of months, and an answer must mean that the rows are there.
var writing = []ch.Setting{
	{Key: "async_insert", Value: "0", Important: true},
	{Key: "max_partitions_per_insert_block", Value: "0", Important: true},
	// A Distributed table answers when its shards have, not when it has put the
	// rows aside; and one node computes what an INSERT … SELECT writes, by its clock.
	{Key: "distributed_foreground_insert", Value: "1", Important: true},
	{Key: "parallel_distributed_insert_select", Value: "0", Important: true},
	// Storing a row again changes nothing. A replicated table that recognises a
	// block would not pass it on to its views, which a crash may have left without it.
	{Key: "insert_deduplicate", Value: "0", Important: true},
	// Rows of one key within a block are left to merges and to FINAL, as those of
	// different blocks are.
	{Key: "optimize_on_insert", Value: "0", Important: true},
}

// Do runs a statement. Its error is an *Error, or the context's error.
//
// A question that met a dead connection, as all of the pool's are after the
// server was started again, is asked once more on another one. A statement that
// changes something never is: it may have been carried out.
func (c *Client) Do(ctx context.Context, q Query) error {
	params, err := parameters(q.Params)
	if err != nil {
		return err
	}
	answered := false
	if inner := q.OnResult; inner != nil {
		q.OnResult = func(ctx context.Context, block proto.Block) error {
			answered = true
			return inner(ctx, block)
		}
	}
	question := q.Result != nil && q.Input == nil
	for attempt := 0; ; attempt++ {
		err := c.do(ctx, q, params)
		if err == nil || !question || answered || attempt >= c.cfg.MaxConns || !errors.Is(err, io.EOF) || ctx.Err() != nil {
			return classify(err)
		}
	}
}

func (c *Client) do(ctx context.Context, q Query, params []proto.Parameter) error {
	pool, err := c.connect(ctx)
	if err != nil {
		return err
	}
	cq := ch.Query{
		Body:       q.SQL,
		Parameters: params,
		Input:      q.Input,
		OnInput:    q.OnInput,
		Result:     q.Result,
		OnResult:   q.OnResult,
		OnProgress: q.OnProgress,
	}
	if !c.cfg.Plain {
		cq.Settings = append(cq.Settings, pinned...)
		if q.Result == nil {
			cq.Settings = append(cq.Settings, writing...)
		}
	}
	for k, v := range q.Settings {
		cq.Settings = append(cq.Settings, ch.Setting{Key: k, Value: v, Important: true})
	}
	if q.Result == nil && q.Input == nil {
		cq.Result = (&proto.Results{}).Auto()
		cq.OnResult = func(context.Context, proto.Block) error { return nil }
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	err = conn.Do(ctx, cq)
	if err == nil || ch.IsException(err) {
		conn.Release()
		return err
	}
	// Something of the answer may not have been read, and would be taken for the answer to
	// the next statement on this connection: ch-go closes it in most cases, not in all.
	_ = conn.Close()
	return err
}

// Exec runs a statement that returns nothing of interest.
func (c *Client) Exec(ctx context.Context, sql string, params map[string]any) error {
	return c.Do(ctx, Query{SQL: sql, Params: params})
}

// Insert stores rows in a table, in one statement. Many rows are given as blocks of
// the same columns, which are sent one after another: a connection keeps memory for
// the largest block that it has sent. The server joins them to parts of its own size.
func (c *Client) Insert(ctx context.Context, table string, blocks ...proto.Input) error {
	input := slices.Clone(blocks[0])
	q := Query{SQL: input.Into(table), Input: input}
	if rest := blocks[1:]; len(rest) > 0 {
		q.OnInput = func(context.Context) error {
			copy(input, rest[0])
			if rest = rest[1:]; len(rest) == 0 {
				return io.EOF // This block is still sent.
			}
			return nil
		}
	}
	return c.Do(ctx, q)
}

// Ping reports whether the server answers.
func (c *Client) Ping(ctx context.Context) error {
	return c.Exec(ctx, "SELECT 1", nil)
}

// Close ends all connections. The client cannot be used afterwards.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.pool != nil {
		c.pool.Close()
		c.pool = nil
	}
}

func (c *Client) connect(ctx context.Context) (*chpool.Pool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.New("clickhouse: the client is closed")
	}
	if c.pool != nil {
		return c.pool, nil
	}
	pool, err := chpool.New(ctx, chpool.Options{
		ClientOptions: ch.Options{
			Address:     c.cfg.Addr,
			Database:    c.cfg.Database,
			User:        c.cfg.User,
			Password:    c.cfg.Password,
			TLS:         c.cfg.TLS,
			Dialer:      c.cfg.Dialer,
			Compression: ch.CompressionLZ4,
			ClientName:  "flowgauge",
			DialTimeout: 5 * time.Second,
		},
		MaxConns:          int32(c.cfg.MaxConns),
		MaxConnIdleTime:   time.Minute,
		HealthCheckPeriod: 10 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	c.pool = pool
	return pool, nil
}
