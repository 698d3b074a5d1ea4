package event

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawValid draws an event of any kind, in which what may be absent often is, and values are
// often at their bounds. A wild one may break any rule.
func drawValid(t *rapid.T, wild bool) Event {
	odd := func(name string) bool { return wild && rapid.IntRange(0, 30).Draw(t, name+" is odd") == 0 }
	text := func(name string, least, most int) string {
		switch {
		case odd(name):
			return rapid.SampledFrom([]string{"", "\xff", strings.Repeat("x", most+1)}).Draw(t, name)
		case rapid.Bool().Draw(t, name+" is plain"):
			return strings.Repeat("x", rapid.SampledFrom([]int{least, 1, most}).Draw(t, name))
		}
		return strings.ToValidUTF8(rapid.StringN(least, 20, most).Draw(t, name), "") + strings.Repeat("<", least)
	}
	number := func(name string, most int64) int64 {
		if odd(name) {
			return rapid.SampledFrom([]int64{-1, most + 1, math.MaxInt64, math.MinInt64}).Draw(t, name)
		}
		return rapid.SampledFrom([]int64{0, 0, 1, 1500, most}).Draw(t, name)
	}
	count := func(name string) uint32 { return rapid.SampledFrom([]uint32{0, 1, math.MaxUint32}).Draw(t, name) }
	at := func(name string, least int64) int64 {
		if odd(name) {
			return rapid.SampledFrom([]int64{-2, maxTime, math.MinInt64, least - 1}).Draw(t, name)
		}
		return rapid.SampledFrom([]int64{least, min(least+1500, maxTime-1), maxTime - 1}).Draw(t, name)
	}
	maybe := func(name string, least int64) int64 {
		if rapid.Bool().Draw(t, name+" is absent") {
			return NoTime
		}
		return at(name, least)
	}
	amount := func(name string) Decimal {
		return rapid.SampledFrom([]Decimal{{}, {Lo: 1}, Decimal{Lo: 1}.Neg(), MaxDecimal, MinDecimal}).Draw(t, name)
	}

	e := Event{
		Kind: rapid.SampledFrom(Kinds[:]).Draw(t, "kind"), Tenant: text("tenant", 1, MaxNameBytes), Source: text("source", 0, MaxNameBytes),
		ID: text("id", 1, MaxNameBytes), UserID: text("user", 0, MaxNameBytes),
		Time: at("time", 0), EndTime: NoTime, QueuedTime: NoTime,
	}
	e.PreviousTime = maybe("previous time", 0)
	kind := e.Kind
	if odd("kind") {
		kind = rapid.SampledFrom(Kinds[:]).Draw(t, "has fields of")
	}
	if kind != KindStep {
		e.Metadata = rapid.SampledFrom([]string{"", "{}", "{ \"b\":[1, {\"a\":\"<&>\u2028\\ud83d\\ude00\"}],\n\t\"a\":1e400, \"b\":null }", `{"a":"` + strings.Repeat("x", MaxMetadataBytes-8) + `"}`}).Draw(t, "metadata")
		if odd("metadata") {
			e.Metadata = rapid.SampledFrom([]string{`""`, "null", "[]", "{", "{} ", " {}", `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", strings.Repeat(`{"a":`, MaxMetadataDepth) + "{}" + strings.Repeat("}", MaxMetadataDepth)}).Draw(t, "metadata")
		}
	}
	if kind == KindExecution || kind == KindStep {
		e.QueuedTime, e.Attempt, e.WorkflowVersion = maybe("queued time", 0), count("attempt"), count("workflow version")
		e.Status = rapid.SampledFrom([]Status{StatusCompleted, StatusFailed}).Draw(t, "status")
	}
	switch kind {
	case KindExecution:
		if rapid.Bool().Draw(t, "started") {
			e.Status = StatusStarted
		}
		e.WorkflowID, e.Duration, e.StepCount = text("workflow", 1, MaxNameBytes), number("duration", MaxDuration), count("step count")
		e.TriggerID, e.TriggerType = text("trigger", 0, MaxNameBytes), text("trigger type", 0, MaxNameBytes)
		e.ErrorType, e.ErrorMessage = text("error type", 0, MaxNameBytes), text("error message", 0, MaxMessageBytes)
	case KindStep:
		e.WorkflowID, e.ExecutionID = text("workflow", 0, MaxNameBytes), text("execution", 1, MaxNameBytes)
		e.StepID, e.StepType = text("step", 1, MaxNameBytes), text("step type", 0, MaxNameBytes)
		e.EndTime, e.Duration = at("end time", max(0, e.Time)), number("duration", MaxDuration)
		if rapid.Bool().Draw(t, "skipped") {
			e.Status = StatusSkipped
			if rapid.Bool().Draw(t, "has no end") {
				e.EndTime = NoTime
				if !odd("duration without end") {
					e.Duration = 0
				}
			}
		}
		e.InputSize, e.OutputSize, e.Credits = number("input size", MaxSize), number("output size", MaxSize), amount("credits used")
		for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "depends on") {
			e.DependsOn = append(e.DependsOn, text("dependency", 1, MaxNameBytes))
		}
		if odd("depends on") {
			e.DependsOn = slices.Repeat([]string{"a"}, MaxDependsOn+1)
		}
	case KindCost:
		e.WorkflowID, e.ExecutionID, e.ActionType = text("workflow", 0, MaxNameBytes), text("execution", 0, MaxNameBytes), text("action type", 0, MaxNameBytes)
		e.Credits, e.Pricing = amount("credits"), rapid.SampledFrom([]Pricing{PricingSent, PricingUnpriced}).Draw(t, "pricing")
		if e.Pricing == PricingSent {
			e.Dollars = amount("dollars")
		}
	case KindActivity:
		e.SessionID, e.Action, e.Duration = text("session", 0, MaxNameBytes), text("action", 1, MaxNameBytes), number("duration", MaxDuration)
		e.Resource, e.ResourceID = text("resource", 0, MaxNameBytes), text("resource id", 0, MaxNameBytes)
	}
	if odd("status") {
		e.Status = Status(rapid.Uint8Range(0, 5).Draw(t, "status"))
	}
	return e
}

// fromLetter is what becomes of the payload of an event's dead letter when it is replayed.
func fromLetter(t *rapid.T, e *Event) (again Event, fault *Error) {
	l := LetterOf(e, CodePluginFailed, "it is down")
	require.Equal(t, "application/json", l.ContentType)
	require.Equal(t, e.Tenant, l.Tenant)
	require.Nil(t, Decode(l.Payload, FormatJSON, Options{Tenant: l.Tenant}, func(_ int, _ []byte, e *Event, err *Error) bool {
		again, fault = *e, err
		again.DependsOn = slices.Clone(e.DependsOn)
		return true
	}), "%q", l.Payload)
	if len(again.DependsOn) == 0 {
		again.DependsOn = nil
	}
	return again, fault
}

// An accepted event that is not stored can be sent again, and is what it was.
func TestADeadLetterIsItsEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawValid(t, false)
		require.Nil(t, Validate(&e))
		again, fault := fromLetter(t, &e)
		require.Nil(t, fault)
		if e.PreviousTime == e.Time {
			e.PreviousTime = NoTime // It moves nothing.
		}
		require.Equal(t, e, again)
	})
}

// What Validate passes is taken when it is sent, and is the same event.
func TestValidateRefusesWhatTheWireRefuses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawValid(t, true)
		if Validate(&e) != nil {
			return
		}
		again, fault := fromLetter(t, &e)
		require.Nil(t, fault)
		if e.PreviousTime == e.Time {
			e.PreviousTime = NoTime
		}
		require.Equal(t, e, again)
	})
}

// An event that is no longer, or not yet, what somebody sent.
func TestWhatValidateRefuses(t *testing.T) {
	cost := Event{Kind: KindCost, Tenant: "t", ID: "c", PreviousTime: NoTime, EndTime: NoTime, QueuedTime: NoTime, Pricing: PricingUnpriced}
	activity := Event{Kind: KindActivity, Tenant: "t", ID: "a", Action: "b", PreviousTime: NoTime, EndTime: NoTime, QueuedTime: NoTime}
	step := Event{Kind: KindStep, Status: StatusSkipped, Tenant: "t", ID: "s", ExecutionID: "e", StepID: "s", PreviousTime: NoTime, EndTime: NoTime, QueuedTime: NoTime}
	for _, e := range []*Event{&activity, &step, &cost} {
		require.Nil(t, Validate(e))
	}
	for name, c := range map[string]struct {
		e      Event
		change func(*Event)
		code   Code
		field  string
	}{
		"no tenant":                 {activity, func(e *Event) { e.Tenant = "" }, CodeMissingField, "tenantId"},
		"too long":                  {activity, func(e *Event) { e.Duration = MaxDuration + 1 }, CodeOutOfRange, "duration"},
		"negative":                  {activity, func(e *Event) { e.Duration = -1 }, CodeNegativeLength, "duration"},
		"too large":                 {step, func(e *Event) { e.InputSize = MaxSize + 1 }, CodeOutOfRange, "inputSize"},
		"less than nothing":         {step, func(e *Event) { e.OutputSize = -1 }, CodeNegativeNumber, "outputSize"},
		"depends on nobody":         {step, func(e *Event) { e.DependsOn = []string{"a", ""} }, CodeWrongType, "dependsOn"},
		"a text as metadata":        {activity, func(e *Event) { e.Metadata = `""` }, CodeWrongType, "metadata"},
		"time, and it does not end": {step, func(e *Event) { e.Duration = 1 }, CodeMissingField, "endTime"},
	} {
		t.Run(name, func(t *testing.T) {
			c.change(&c.e)
			fault := Validate(&c.e)
			require.NotNil(t, fault)
			require.Equal(t, []string{string(c.code), c.field}, []string{string(fault.Code), fault.Field})
		})
	}

	fault := ValidateNew(&cost)
	require.NotNil(t, fault)
	require.Equal(t, "credits", fault.Field)
	cost.Metadata = "{}"
	require.Nil(t, ValidateNew(&cost))
	cost.Metadata, cost.Pricing = "", PricingSent
	require.Nil(t, ValidateNew(&cost), "nothing, and it is said that it costs nothing")
}
