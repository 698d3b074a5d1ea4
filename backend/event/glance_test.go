package event

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A glance sees what the whole record says.
func TestGlance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		b := AppendBinary(nil, &e)
		var g Glance
		require.NoError(t, GlanceAt(b, &g))
		require.Equal(t, Glance{
			Kind: e.Kind, Status: e.Status, Tenant: e.Tenant, ID: e.ID, WorkflowID: e.WorkflowID, UserID: e.UserID,
			Time: e.Time, PreviousTime: e.PreviousTime, EndTime: e.EndTime,
		}, g)
		require.Equal(t, e.Phase(), g.Phase())
		cut := rapid.IntRange(0, len(b)).Draw(t, "cut")
		if err := GlanceAt(b[:cut:cut], &g); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	})
	var g Glance
	for name, b := range map[string][]byte{
		"empty": nil, "other type": {9, 1, 1, 0}, "no kind": {RecordEvent, 0, 1, 0}, "unknown status": {RecordEvent, 1, 5, 0},
		"unknown field": {RecordEvent, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, "forged length": {RecordEvent, 1, 1, 0x01, 0xff, 0xff, 0xff, 0xff, 0x7f},
	} {
		require.ErrorIs(t, GlanceAt(b, &g), ErrCorrupt, name)
	}
}

func BenchmarkGlanceAt(b *testing.B) {
	record := AppendBinary(nil, &sampleStep)
	var g Glance
	b.ReportAllocs()
	for b.Loop() {
		if err := GlanceAt(record, &g); err != nil {
			b.Fatal(err)
		}
	}
}
