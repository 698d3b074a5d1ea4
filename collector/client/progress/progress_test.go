package progress

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		m := New(&out, "import f", 0, 1000)
		m.Set(10, 1)
		require.Empty(t, out.String(), "nothing before its time")
		time.Sleep(Every)
		m.Set(500, 49_999)
		m.Set(501, 1)
		m.Note("note %d", 1)
		m.Close()
		require.Equal(t, "import f: 50.0 %, 50 000 events, 10 000/s\nnote 1\n", out.String())
	})
}

func TestUnknownTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		m := New(&out, "stdin", 0, Unknown)
		time.Sleep(2 * Every)
		m.Set(500, 10)
		require.Equal(t, "stdin: 10 events, 1/s\n", out.String())
	})
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567", -1234: "-1 234", -999: "-999"} {
		require.Equal(t, want, Count(n))
	}
	require.Equal(t, "5 events", Rate(5, 0))
	New(nil, "nothing", 0, 0).Note("unseen")
}
