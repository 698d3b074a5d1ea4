package rollup

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestVerify(t *testing.T) {
	r, client := newRoller(t)
	ctx := t.Context()
	day := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	check := func() Checked {
		t.Helper()
		c, err := Verify(ctx, client, "", day, day.AddDate(0, 0, 2), func(time.Time, Checked) {})
		require.NoError(t, err)
		return c
	}
	mark := "INSERT INTO bucket_marks (tenant, kind, minute) SELECT DISTINCT tenant, 'execution', toStartOfMinute(time) FROM executions"
	run(t, client, insertExecution+`
('t', '2024-03-01 23:59:59.999', 'e1', 'terminal', 'w', 1, 'u', 'api', 'completed', 5, 3, '', 1, 0),
('t', '2024-03-02 10:00:00', 'e2', 'terminal', 'w', 1, 'u', 'api', 'failed', 5, 3, 'x', 2, 0)`)
	run(t, client, mark)
	require.Equal(t, Checked{}, check(), "what waits is left out")
	_, err := r.Settle(ctx)
	require.NoError(t, err)
	require.Equal(t, Checked{Groups: 30}, check(), "two groups at five levels, and in ten narrow ones")

	// A row that nobody has marked, which no part of Flowgauge writes.
	run(t, client, insertExecution+"('t', '2024-03-02 10:00:30', 'e3', 'terminal', 'w', 1, 'u', 'api', 'failed', 7, 3, 'x', 3, 0)")
	c := check()
	require.Len(t, c.Differences, 30, "the group as it is and as it should be")
	for _, d := range c.Differences {
		require.Equal(t, "execution", d.Kind)
		require.True(t, d.Rollup == "" || d.Recount == "")
	}
	run(t, client, mark)
	_, err = r.Settle(ctx)
	require.NoError(t, err)
	require.Equal(t, Checked{Groups: 30}, check())

	// A group that the raw events do not have any more.
	run(t, client, insertExecution+"('t', '2024-03-02 10:00:30', 'e3', 'terminal', 'w', 1, 'u', 'api', 'failed', 7, 3, 'x', 4, 1), ('t', '2024-03-02 10:00:00', 'e2', 'terminal', 'w', 1, 'u', 'api', 'failed', 5, 3, 'x', 4, 1)")
	require.Len(t, check().Differences, 15)
	run(t, client, mark)
	_, err = r.Settle(ctx)
	require.NoError(t, err)
	require.Equal(t, Checked{Groups: 15}, check())
}
