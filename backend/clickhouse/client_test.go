package clickhouse_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/clickhouse"
	"github.com/flowgauge/flowgauge/backend/clickhouse/schema/schematest"
	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// Whatever a caller writes comes back as it was: nothing of it is read as SQL, or
// as a part of a list.
func TestBoundValuesStayValues(t *testing.T) {
	client := schematest.Client(t)
	hostile := rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{`'`, `\`, `\'`, `''`, "\n", "\t", "\x00", `\N`, `NULL`, `{p:String}`, `'); DROP TABLE executions; --`, `a','b`, `]`, `\0`, "'\\", "é日本😀"}),
		rapid.StringMatching(`['\\\[\](),{}\n\x00a]{0,12}`),
	)
	rapid.Check(t, func(rt *rapid.T) {
		one := hostile.Draw(rt, "one")
		many := rapid.SliceOfN(hostile, 0, 5).Draw(rt, "many")
		number := rapid.Int64().Draw(rt, "number")
		var text proto.ColStr
		var whole proto.ColInt64
		var pairText proto.ColStr
		list := new(proto.ColStr).Array()
		require.NoError(rt, client.Do(t.Context(), clickhouse.Query{
			SQL: "SELECT {one:String} AS one, {many:Array(String)} AS many, {number:Int64} AS number, ({pairs:Array(Tuple(String, Int64))}[1]).1 AS pair",
			Params: map[string]any{
				"one": one, "many": many, "number": number,
				"pairs": []clickhouse.Pair{{Text: one, Number: number}},
			},
			Result: proto.Results{{Name: "one", Data: &text}, {Name: "many", Data: list}, {Name: "number", Data: &whole}, {Name: "pair", Data: &pairText}},
		}))
		require.Equal(rt, one, text.Row(0))
		require.Equal(rt, one, pairText.Row(0))
		require.Equal(rt, number, whole.Row(0))
		require.ElementsMatch(rt, many, list.Row(0))
	})
}

func TestErrorsSayWhatToDo(t *testing.T) {
	client := schematest.Client(t)
	for sql, class := range map[string]clickhouse.Class{
		"SELECT nonsense FROM executions":                                                   clickhouse.ClassPermanent,
		"SELECT count() FROM numbers(1000000000000) SETTINGS max_execution_time = 0.01":     clickhouse.ClassLimit,
		"SELECT groupArray(number) FROM numbers(100000000) SETTINGS max_memory_usage = 1e6": clickhouse.ClassLimit,
		"SELECT count() FROM numbers(100) SETTINGS max_rows_to_read = 1":                    clickhouse.ClassLimit,
	} {
		err := client.Exec(t.Context(), sql, nil)
		require.Error(t, err, sql)
		assert.Equal(t, class, clickhouse.ClassOf(err), "%s: %v", sql, err)
		assert.False(t, clickhouse.Retryable(err), sql)
	}
	require.NoError(t, client.Ping(t.Context()), "a failed statement leaves the client usable")

	cfg := schematest.Config(t)
	cfg.Password = "wrong"
	stranger, err := clickhouse.New(cfg)
	require.NoError(t, err)
	defer stranger.Close()
	err = stranger.Ping(t.Context())
	assert.Equal(t, clickhouse.ClassAuth, clickhouse.ClassOf(err), "%v", err)
	assert.NotContains(t, err.Error(), "wrong\"")

	cfg.Addr = "127.0.0.1:1"
	nobody, err := clickhouse.New(cfg)
	require.NoError(t, err)
	defer nobody.Close()
	err = nobody.Ping(t.Context())
	assert.True(t, clickhouse.Retryable(err), "%v", err)
	assert.ErrorContains(t, err, "check that the server runs")

	client.Close()
	require.ErrorContains(t, client.Ping(t.Context()), "closed")
}

func TestConfigSaysWhatIsMissing(t *testing.T) {
	_, err := clickhouse.New(clickhouse.Config{Database: "d"})
	require.ErrorContains(t, err, "HOST:PORT")
	_, err = clickhouse.New(clickhouse.Config{Addr: "h:1"})
	require.ErrorContains(t, err, "database")
	_, err = clickhouse.New(clickhouse.Config{Addr: "h:1", Database: "d", MaxConns: -1})
	require.ErrorContains(t, err, "-1")
}

// What is left of an answer that was not read to its end is not the next one.
func TestAnswerNotReadToItsEnd(t *testing.T) {
	client := schematest.Client(t)
	stop := errors.New("enough")
	for i := range 200 {
		var numbers proto.ColUInt64
		err := client.Do(t.Context(), clickhouse.Query{
			SQL:      "SELECT number AS n FROM numbers(200000) SETTINGS max_block_size = 1000",
			Result:   proto.Results{{Name: "n", Data: &numbers}},
			OnResult: func(context.Context, proto.Block) error { return stop },
		})
		require.ErrorIs(t, err, stop)
		var n proto.ColUInt64
		require.NoError(t, client.Do(t.Context(), clickhouse.Query{
			SQL: "SELECT {n:UInt64} AS n", Params: map[string]any{"n": uint64(1_000_000 + i)}, Result: proto.Results{{Name: "n", Data: &n}},
		}))
		require.Equal(t, uint64(1_000_000+i), n.Row(0))
	}
}
