package event

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendKey(t *testing.T) {
	e := Event{Kind: KindCost, Tenant: "acme", Source: "n8n", ID: "c1", Time: 1, PreviousTime: NoTime, EndTime: NoTime, QueuedTime: NoTime}
	key, ok := AppendKey(nil, AppendBinary(nil, &e))
	require.True(t, ok)
	require.Equal(t, "\x04acmec1", string(key))

	e.Source, e.Time, e.Kind, e.Status = "", 99, KindExecution, StatusFailed
	same, ok := AppendKey(nil, AppendBinary(nil, &e))
	require.True(t, ok)
	require.Equal(t, key, same, "all of an id's events are in one partition")

	f := Fragment{Tenant: "acme", Source: "marquez", Run: "r1", Execution: "r0", Duration: NoDuration}
	key, ok = AppendKey([]byte("x"), AppendFragment(nil, &f))
	require.True(t, ok)
	require.Equal(t, "x\x04acmer1", string(key))

	for _, other := range [][]byte{
		nil,
		{RecordEvent},
		{RecordFragment},
		{RecordEvent, 1, 1, 0xff},
		{RecordFragment, 0, 9},
		AppendDeadLetter(nil, &DeadLetter{Tenant: "acme"}), AppendDuplicates(nil, &Duplicates{Tenant: "acme", Kind: KindCost}),
	} {
		_, ok := AppendKey(nil, other)
		require.False(t, ok, other)
	}
}
