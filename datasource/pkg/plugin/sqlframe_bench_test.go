package plugin

import (
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"
)

// What an answer of 100,000 rows costs from its columns to Arrow.
func BenchmarkSQLAnswer(b *testing.B) {
	const rows = 100_000
	var times proto.ColDateTime64
	times.WithPrecision(3).WithLocation(time.UTC)
	var numbers proto.ColUInt64
	names := new(proto.ColStr).LowCardinality()
	for i := range rows {
		times.Append(time.Unix(1_700_000_000+int64(i/50)*60, 0))
		numbers.Append(uint64(i))
		names.Append(fmt.Sprintf("workflow-%d", i%50))
	}
	answer := func(b *testing.B, columns ...proto.Column) *sqlAnswer {
		b.Helper()
		a := &sqlAnswer{}
		for i, c := range columns {
			values, err := sqlColumnOf("c", c.Type(), c)
			require.NoError(b, err)
			a.columns = append(a.columns, answerColumn{fmt.Sprint("c", i), c.Type(), c, values})
		}
		require.NoError(b, a.add(rows))
		return a
	}
	for name, columns := range map[string][]proto.Column{"one series": {&times, &numbers}, "series by workflow": {&times, names, &numbers}} {
		for _, format := range []string{formatTimeSeries, formatTable} {
			b.Run(name+" "+format, func(b *testing.B) {
				for range b.N {
					frames, err := answer(b, columns...).frames(model{Format: format})
					require.NoError(b, err)
					_, err = marshal(frames)
					require.NoError(b, err)
				}
			})
			b.Run(name+" "+format+" without Arrow", func(b *testing.B) {
				for range b.N {
					_, err := answer(b, columns...).frames(model{Format: format})
					require.NoError(b, err)
				}
			})
		}
	}
}
