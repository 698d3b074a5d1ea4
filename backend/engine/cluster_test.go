package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two engines make a cluster: the first start of each settles its passwords,
// the second tells both about each other.
func TestClusterOfTwo(t *testing.T) {
	configs := make([]Config, 2)
	var shards strings.Builder
	for i := range configs {
		tcp, http, err := choosePorts(0, 0)
		require.NoError(t, err)
		configs[i] = testConfig(t, t.TempDir())
		configs[i].TCPPort, configs[i].HTTPPort = tcp, http
		e, err := New(configs[i])
		require.NoError(t, err)
		writer := e.Endpoint().Writer
		stopEngine(t, e)
		fmt.Fprintf(&shards, "<shard><replica><host>127.0.0.1</host><port>%d</port><user>%s</user><password>%s</password></replica></shard>",
			tcp, writer.Name, writer.Password)
	}
	engines := make([]*Engine, 2)
	for i := range configs {
		configs[i].ExtraConfig = "<remote_servers><pair>" + shards.String() + "</pair></remote_servers>"
		engines[i] = startEngine(t, configs[i])
		query(t, engines[i], "CREATE DATABASE flowgauge")
		query(t, engines[i], "CREATE TABLE flowgauge.local (n Int64) ENGINE = MergeTree ORDER BY n")
		query(t, engines[i], "CREATE TABLE flowgauge.every (n Int64) ENGINE = Distributed(pair, flowgauge, local, n)")
	}
	query(t, engines[0], "INSERT INTO flowgauge.every SELECT number FROM numbers(100) SETTINGS distributed_foreground_insert = 1")
	for _, e := range engines {
		require.Equal(t, "50\n", query(t, e, "SELECT count() FROM flowgauge.local"))
		require.Equal(t, "100\t4950\n", query(t, e, "SELECT count(), sum(n) FROM flowgauge.every"))
	}
}
