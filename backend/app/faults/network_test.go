package faults_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

var (
	cuts   = flag.Int("faults.cuts", 16, "how often the network to ClickHouse is disturbed")
	outage = flag.Duration("faults.outage", 6*time.Second, "how long ClickHouse is away while events come in")
)

// through puts a network between the collectors and ClickHouse that can be broken.
func (p *platform) through() *toxiproxy.Proxy {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(p.t, err)
	listen := l.Addr().String()
	require.NoError(p.t, l.Close())
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "clickhouse", listen, p.addr)
	require.NoError(p.t, proxy.Start())
	p.t.Cleanup(proxy.Stop)
	p.addr = listen
	return proxy
}

// Connections are cut after any number of bytes in either direction: in the middle
// of an insert, and after it was carried out but before its answer came.
func TestConnectionsAreCut(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	key := p.key()
	proxy := p.through()
	collector := p.start("collector")
	collector.ready()
	l := startLoad(t, func() []string { return []string{collector.url} }, key, 4, between)
	random := rand.New(rand.NewPCG(*seed, 2))
	for range *cuts {
		stream := []string{"upstream", "downstream", "downstream"}[random.IntN(3)]
		toxic := []string{
			fmt.Sprintf(`{"name":"x","type":"limit_data","stream":%q,"attributes":{"bytes":%d}}`, stream, random.IntN(30_000)),
			fmt.Sprintf(`{"name":"x","type":"limit_data","stream":"downstream","attributes":{"bytes":%d}}`, random.IntN(400)),
			fmt.Sprintf(`{"name":"x","type":"reset_peer","stream":%q,"attributes":{"timeout":%d}}`, stream, random.IntN(60)),
			fmt.Sprintf(`{"name":"x","type":"slicer","stream":%q,"attributes":{"average_size":64,"size_variation":32,"delay":10}}`, stream),
		}[random.IntN(4)]
		_, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic))
		require.NoError(t, err)
		time.Sleep(time.Duration(50+random.IntN(400)) * time.Millisecond)
		require.NoError(t, proxy.Toxics.RemoveToxic(context.Background(), "x"))
		time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
	}
	l.stop()
	collector.ready()
	p.check(l, collector.empty)
}

// ClickHouse is away while events come in, and the collector is killed meanwhile:
// what waits in its log is stored when ClickHouse is back. As many requests come in
// an hour as in a few seconds, so that the model fits into memory.
func TestClickHouseIsAway(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	key := p.key()
	proxy := p.through()
	collector := p.start("collector")
	collector.ready()
	l := startLoad(t, func() []string { return []string{collector.url} }, key, 4, *outage/6_000)
	proxy.Stop()
	time.Sleep(*outage / 2)
	collector.kill()
	collector.run()
	time.Sleep(*outage / 2)
	waiting := metric(collector.url, "flowgauge_wal_pending_records")
	require.NotContains(t, []string{"", "0"}, waiting, "events were accepted, and wait")
	require.NoError(t, proxy.Start())
	l.stop()
	began := time.Now()
	for !collector.empty() {
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("%s records waited, and were stored within %s", waiting, time.Since(began).Round(time.Millisecond))
	p.check(l, collector.empty)
}

// ClickHouse refuses inserts because merges do not keep up.
func TestTooManyParts(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	key := p.key()
	collector := p.start("collector")
	collector.ready()
	l := startLoad(t, func() []string { return []string{collector.url} }, key, 4, between)
	for _, table := range []string{"executions", "steps", "costs", "activity", "bucket_marks"} {
		require.NoError(t, p.client.Exec(t.Context(), "ALTER TABLE "+table+" MODIFY SETTING parts_to_delay_insert = 1, parts_to_throw_insert = 1", nil))
		require.NoError(t, p.client.Exec(t.Context(), "SYSTEM STOP MERGES "+table, nil))
		for { // until the collector has met it
			if _, err := httpGet(collector.url + "/readyz"); err != nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		require.NoError(t, p.client.Exec(t.Context(), "ALTER TABLE "+table+" RESET SETTING parts_to_delay_insert, parts_to_throw_insert", nil))
		require.NoError(t, p.client.Exec(t.Context(), "SYSTEM START MERGES "+table, nil))
		collector.ready()
	}
	l.stop()
	p.check(l, collector.empty)
}
