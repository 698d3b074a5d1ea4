package clickhouse_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/engine"
)

// After the server was started again every connection of the pool is dead. No
// question fails for that.
func TestQuestionsSurviveARestartOfTheServer(t *testing.T) {
	_, err := engine.Fetch(t.Context(), "", nil)
	require.NoError(t, err)
	e, err := engine.New(engine.Config{Dir: t.TempDir(), MemoryLimit: 1 << 30})
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Stop(context.Background()) })
	require.NoError(t, e.Start(t.Context()))
	client, err := clickhouse.New(clickhouse.Config{
		Addr: e.Endpoint().TCPAddr(), Database: "default", User: e.Endpoint().Writer.Name, Password: e.Endpoint().Writer.Password,
	})
	require.NoError(t, err)
	defer client.Close()

	ask := func(sql string) error {
		var one proto.ColUInt8
		return client.Do(t.Context(), clickhouse.Query{SQL: sql, Result: proto.Results{{Name: "one", Data: &one}}})
	}
	fill := func() error {
		var group errgroup.Group
		for range 8 {
			group.Go(func() error { return ask("SELECT toUInt8(1 + sleep(0.2)) AS one") })
		}
		return group.Wait()
	}
	require.NoError(t, fill())

	require.NoError(t, syscall.Kill(e.PID(), syscall.SIGKILL))
	for e.Restarts() == 0 || e.Endpoint().Exec(t.Context(), "SELECT 1") != nil {
		time.Sleep(10 * time.Millisecond)
	}
	require.NoError(t, ask("SELECT toUInt8(1) AS one"))
	require.NoError(t, fill())
}
