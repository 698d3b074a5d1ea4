// Package clustertest runs Flowgauge's parts on a real cluster: two nodes that
// are a shard each.
package clustertest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/engine"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const (
	clusterName = "pair"
	database    = "flowgauge"
)

// cluster is two engines that know of each other.
type cluster struct {
	engines []*engine.Engine
	nodes   []engine.Endpoint
}

// startCluster starts both with the same passwords. extra is XML for the
// configuration of a node.
func startCluster(t *testing.T, extra func(node int) string) *cluster {
	t.Helper()
	library, err := engine.Fetch(t.Context(), "", nil)
	require.NoError(t, err)
	configs := make([]engine.Config, 2)
	var shards strings.Builder
	for i := range configs {
		configs[i] = engine.Config{
			Library: library, Dir: t.TempDir(), TCPPort: freePort(t), HTTPPort: freePort(t), MemoryLimit: 2 << 30,
			Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		}
		if i > 0 { // Flowgauge knows one user for all nodes.
			passwords, err := os.ReadFile(filepath.Join(configs[0].Dir, "config", "credentials.json"))
			require.NoError(t, err)
			require.NoError(t, os.MkdirAll(filepath.Join(configs[i].Dir, "config"), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(configs[i].Dir, "config", "credentials.json"), passwords, 0o600))
		}
		e, err := engine.New(configs[i])
		require.NoError(t, err)
		writer := e.Endpoint().Writer
		require.NoError(t, e.Stop(t.Context()))
		fmt.Fprintf(&shards, "<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>%d</port><user>%s</user><password>%s</password></replica></shard>",
			configs[i].TCPPort, writer.Name, writer.Password)
	}
	c := &cluster{}
	const replica = "<replica><host>127.0.0.1</host><port>1</port></replica>"
	shards.WriteString("</" + clusterName + ">" + // for a look at their definition
		"<of_two><shard>" + strings.Repeat(replica, 2) + "</shard><shard>" + strings.Repeat(replica, 2) + "</shard></of_two>" +
		"<of_three><shard>" + replica + "</shard><shard>" + strings.Repeat(replica, 3) + "</shard></of_three>")
	for i := range configs {
		configs[i].ExtraConfig = "<remote_servers><" + clusterName + ">" + shards.String() + "</remote_servers>" + extra(i)
		e, err := engine.New(configs[i])
		require.NoError(t, err)
		t.Cleanup(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel() // Data in a temporary directory needs no orderly end.
			require.NoError(t, e.Stop(ctx))
		})
		require.NoError(t, e.Start(t.Context()))
		require.NoError(t, e.Endpoint().Exec(t.Context(), "CREATE DATABASE "+database))
		c.engines, c.nodes = append(c.engines, e), append(c.nodes, e.Endpoint())
	}
	return c
}

func nothing(int) string { return "" }

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// config is how Flowgauge reaches the cluster by way of one node.
func (c *cluster) config(node int) clickhouse.Config {
	e := c.nodes[node]
	return clickhouse.Config{
		Addr: e.TCPAddr(), Database: database, User: e.Writer.Name, Password: e.Writer.Password,
		Cluster: clusterName, Unreplicated: true,
	}
}

func (c *cluster) client(t *testing.T, node int) *clickhouse.Client {
	t.Helper()
	return open(t, c.config(node))
}

func open(t *testing.T, cfg clickhouse.Config) *clickhouse.Client {
	t.Helper()
	client, err := clickhouse.New(cfg)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

// lines returns a query's only column.
func lines(t *testing.T, client *clickhouse.Client, sql string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var col proto.ColStr
	var out []string
	require.NoError(t, client.Do(ctx, clickhouse.Query{
		SQL: sql, Result: proto.Results{{Name: "line", Data: &col}},
		OnResult: func(context.Context, proto.Block) error {
			for i := range col.Rows() {
				out = append(out, col.Row(i))
			}
			return nil
		},
	}))
	return out
}

// kill ends a node's process; the engine starts it again.
func kill(t *testing.T, c *cluster, node int) {
	t.Helper()
	process, err := os.FindProcess(c.engines[node].PID())
	require.NoError(t, err)
	require.NoError(t, process.Kill())
}
