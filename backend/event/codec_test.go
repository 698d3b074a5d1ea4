package event

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawEvent(t *rapid.T) Event {
	s := func(name string) string { return rapid.StringN(0, 20, -1).Draw(t, name) }
	i := func(name string) int64 {
		return rapid.OneOf(rapid.Just(int64(0)), rapid.Just(NoTime), rapid.Int64()).Draw(t, name)
	}
	u := func(name string) uint32 { return rapid.Uint32().Draw(t, name) }
	d := func(name string) Decimal {
		return rapid.OneOf(
			rapid.Just(Decimal{}), rapid.Just(MaxDecimal), rapid.Just(MinDecimal),
			rapid.Map(rapid.Int64(), func(v int64) Decimal { return Decimal{Lo: uint64(v), Hi: v >> 63} }),
			rapid.Custom(func(t *rapid.T) Decimal {
				return Decimal{Lo: rapid.Uint64().Draw(t, "lo"), Hi: rapid.Int64().Draw(t, "hi")}
			}),
		).Draw(t, name)
	}
	return Event{
		Kind:   rapid.SampledFrom(Kinds[:]).Draw(t, "kind"),
		Status: Status(rapid.IntRange(0, int(StatusSkipped)).Draw(t, "status")),
		Tenant: s("tenant"), Source: s("source"), ID: s("id"),
		Time: i("time"), PreviousTime: i("previous"), EndTime: i("end"), QueuedTime: i("queued"), Duration: i("duration"),
		WorkflowID: s("workflow"), WorkflowVersion: u("version"), UserID: s("user"), ExecutionID: s("execution"), Attempt: u("attempt"),
		TriggerID: s("trigger"), TriggerType: s("trigger type"), StepCount: u("steps"), ErrorType: s("error"), ErrorMessage: s("message"),
		StepID: s("step"), StepType: s("step type"), InputSize: i("in"), OutputSize: i("out"),
		DependsOn:  rapid.SliceOfN(rapid.StringN(0, 8, -1), 0, 5).Draw(t, "depends"),
		ActionType: s("action type"), Credits: d("credits"), Dollars: d("dollars"),
		SessionID: s("session"), Action: s("action"), Resource: s("resource"), ResourceID: s("resource id"),
		Metadata: s("metadata"),
	}
}

func TestCodecIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		if len(e.DependsOn) == 0 {
			e.DependsOn = nil // None and an empty list are the same.
		}
		b := AppendBinary([]byte("before"), &e)
		require.Equal(t, "before", string(b[:6]))
		b = b[6:]
		require.Equal(t, RecordEvent, RecordType(b))
		var got Event
		require.NoError(t, DecodeBinary(b, &got))
		require.Equal(t, e, got)

		// No prefix of a record is one.
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		require.ErrorIs(t, DecodeBinary(b[:cut:cut], &got), ErrCorrupt)
		require.ErrorIs(t, DecodeBinary(append(b, 0), &got), ErrCorrupt)
	})
}

func TestDecodeBinaryRejects(t *testing.T) {
	var e Event
	for name, b := range map[string][]byte{
		"empty":          nil,
		"other type":     {9, 1, 1, 0},
		"no kind":        {RecordEvent, 0, 1, 0},
		"unknown kind":   {RecordEvent, 5, 1, 0},
		"unknown status": {RecordEvent, 1, 5, 0},
		"unknown field":  {RecordEvent, 1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
		"forged length":  {RecordEvent, 1, 1, 0x01, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"forged count":   {RecordEvent, 2, 2, 0x80, 0x80, 0x80, 0x02, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"trailing":       {RecordEvent, 1, 1, 0, 0},
	} {
		require.ErrorIs(t, DecodeBinary(b, &e), ErrCorrupt, name)
	}
}

func TestDecodeBinaryReusesDependsOn(t *testing.T) {
	e := Event{Kind: KindStep, Status: StatusCompleted, DependsOn: []string{"a", "b"}}
	b := AppendBinary(nil, &e)
	var got Event
	require.NoError(t, DecodeBinary(b, &got))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := DecodeBinary(b, &got); err != nil {
			panic(err)
		}
	}))
}

func FuzzDecodeBinary(f *testing.F) {
	f.Add(AppendBinary(nil, &sampleStep))
	f.Add(AppendBinary(nil, &Event{Kind: KindCost, Credits: MinDecimal, PreviousTime: NoTime, Time: math.MinInt64}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again Event
		if DecodeBinary(b, &e) != nil {
			return
		}
		require.LessOrEqual(t, cap(e.DependsOn), len(b))
		require.NoError(t, DecodeBinary(AppendBinary(nil, &e), &again))
		if len(e.DependsOn) == 0 {
			e.DependsOn = nil
		}
		require.Equal(t, e, again)
	})
}

var sampleStep = Event{
	Kind: KindStep, Status: StatusCompleted, Tenant: "acme", Source: "engine", ID: "step-0001",
	Time: 1700000000000, PreviousTime: NoTime, EndTime: 1700000001000, QueuedTime: NoTime, Duration: 1000,
	WorkflowID: "orders", WorkflowVersion: 3, UserID: "u1", ExecutionID: "run-1", Attempt: 1,
	StepID: "charge", StepType: "http", InputSize: 512, OutputSize: 1 << 33,
	DependsOn: []string{"validate"}, Credits: Decimal{Lo: 15e14},
	Metadata: strings.Repeat(" ", 0),
}

func BenchmarkAppendBinary(b *testing.B) {
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = AppendBinary(buf[:0], &sampleStep)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecodeBinary(b *testing.B) {
	b.ReportAllocs()
	buf := AppendBinary(nil, &sampleStep)
	var e Event
	for b.Loop() {
		if err := DecodeBinary(buf, &e); err != nil {
			b.Fatal(err)
		}
	}
}
