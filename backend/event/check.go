package event

import (
	"math/bits"
	"unicode/utf8"
)

// Validate checks an event that was not read by Decode but made by another
// receiver, such as one for OTLP. The rules are the same, as far as a value of
// Event can break them: a duration or an amount of 0 may be meant or absent, and
// passes. A step's end is never derived. It returns nil or the first fault.
func Validate(e *Event) *Error {
	if e.Kind < KindExecution || e.Kind > KindActivity {
		return &Error{Code: CodeUnknownKind, Field: "kind", Message: "the event has no kind"}
	}
	if e.Tenant == "" {
		return &Error{Code: CodeMissingField, Field: fieldNames[fieldTenantID], Message: "the event has no tenant"}
	}
	values := present(e)
	if foreign := values &^ kindFields[e.Kind]; foreign != 0 {
		f := field(bits.TrailingZeros64(uint64(foreign)))
		return &Error{CodeUnknownField, fieldNames[f], e.Kind.article() + " has no field " + quote(fieldNames[f])}
	}
	for _, f := range requiredFields[e.Kind] {
		if !values.has(f) {
			return &Error{CodeMissingField, fieldNames[f], e.Kind.article() + " needs the field " + quote(fieldNames[f])}
		}
	}
	for _, check := range [...]func(*Event) *Error{checkTexts, checkDependsOn, checkMetadata, checkTimes, checkNumbers, checkStatus} {
		if err := check(e); err != nil {
			return err
		}
	}
	return nil
}

// ValidateNew checks an event of which nothing is known but what stands in it: it is
// Validate, and a cost has to say something. Of one that was sent, an amount of 0 may have
// been meant.
func ValidateNew(e *Event) *Error {
	if e.Kind == KindCost && e.Pricing == PricingUnpriced && e.Credits.IsZero() && e.Metadata == "" {
		return &Error{CodeMissingField, fieldNames[fieldCredits], costSaysNothing}
	}
	return Validate(e)
}

const costSaysNothing = "a cost needs credits, dollarAmount, or metadata with units that a price book has prices for"

func (s *fieldSet) put(f field, given bool) {
	if given {
		*s |= 1 << f
	}
}

// present returns the fields of e that have a value.
func present(e *Event) fieldSet {
	var s fieldSet
	for rest := textFields; rest != 0; rest &= rest - 1 {
		f := field(bits.TrailingZeros64(uint64(rest)))
		s.put(f, *textOf(e, f) != "")
	}
	step := e.Kind == KindStep
	s.put(fieldKind, true)
	s.put(fieldStatus, e.Status != 0)
	s.put(fieldTimestamp, !step)
	s.put(fieldStartTime, step)
	s.put(fieldPreviousTimestamp, e.PreviousTime != NoTime)
	s.put(fieldQueuedTime, e.QueuedTime != NoTime)
	s.put(fieldEndTime, e.EndTime != NoTime)
	s.put(fieldDuration, e.Duration != 0)
	s.put(fieldAttempt, e.Attempt != 0)
	s.put(fieldWorkflowVersion, e.WorkflowVersion != 0)
	s.put(fieldStepCount, e.StepCount != 0)
	s.put(fieldInputSize, e.InputSize != 0)
	s.put(fieldOutputSize, e.OutputSize != 0)
	s.put(fieldDependsOn, len(e.DependsOn) > 0)
	s.put(fieldCreditsUsed, step && !e.Credits.IsZero())
	s.put(fieldCredits, !step && !e.Credits.IsZero())
	s.put(fieldDollarAmount, !e.Dollars.IsZero())
	s.put(fieldMetadata, e.Metadata != "")
	return s
}

func checkTexts(e *Event) *Error {
	for rest := textFields; rest != 0; rest &= rest - 1 {
		f := field(bits.TrailingZeros64(uint64(rest)))
		limit := MaxNameBytes
		if f == fieldErrorMessage {
			limit = MaxMessageBytes
		}
		if err := checkText(f, *textOf(e, f), limit); err != nil {
			return err
		}
	}
	return nil
}

func checkText(f field, s string, limit int) *Error {
	switch {
	case len(s) > limit:
		return &Error{CodeTooLong, fieldNames[f], fieldNames[f] + " has " + itoa(len(s)) + " bytes, " + itoa(limit) + " are allowed"}
	case !utf8.ValidString(s):
		return &Error{CodeInvalidString, fieldNames[f], fieldNames[f] + " must be valid Unicode, not " + quote(s)}
	}
	return nil
}

func checkDependsOn(e *Event) *Error {
	if len(e.DependsOn) > MaxDependsOn {
		return &Error{CodeTooMany, "dependsOn", "dependsOn has more than " + itoa(MaxDependsOn) + " elements"}
	}
	for i, s := range e.DependsOn {
		if s == "" {
			return &Error{CodeWrongType, "dependsOn", "dependsOn must be an array of step ids, element " + itoa(i) + " is none"}
		}
		if err := checkText(fieldDependsOn, s, MaxNameBytes); err != nil {
			return err
		}
	}
	return nil
}

func checkMetadata(e *Event) *Error {
	if e.Metadata == "" {
		return nil
	}
	d := decoder{scanner: scanner{b: []byte(e.Metadata)}}
	if !d.metadata() || d.i != len(d.b) || d.err == nil && !d.values.has(fieldMetadata) {
		return &Error{CodeWrongType, "metadata", "metadata must be a JSON object, not " + quote(e.Metadata)}
	}
	return d.err
}

func checkTimes(e *Event) *Error {
	own := fieldTimestamp
	if e.Kind == KindStep {
		own = fieldStartTime
	}
	for _, t := range [...]struct {
		f        field
		ms       int64
		optional bool
	}{
		{own, e.Time, false},
		{fieldPreviousTimestamp, e.PreviousTime, true},
		{fieldQueuedTime, e.QueuedTime, true},
		{fieldEndTime, e.EndTime, true},
	} {
		if (t.ms < minTime || t.ms >= maxTime) && (!t.optional || t.ms != NoTime) {
			return &Error{CodeTimeOutOfRange, fieldNames[t.f], fieldNames[t.f] + " must lie from 1970 to 2099, not at " + itoa(int(t.ms)) + " ms"}
		}
	}
	if e.EndTime != NoTime && e.EndTime < e.Time {
		return &Error{CodeEndBeforeStart, "endTime", "endTime is " + itoa(int(e.Time-e.EndTime)) + " ms before startTime"}
	}
	return nil
}

func checkNumbers(e *Event) *Error {
	for _, n := range [...]struct {
		f           field
		value, most int64
		negative    Code
	}{
		{fieldDuration, e.Duration, MaxDuration, CodeNegativeLength},
		{fieldInputSize, e.InputSize, MaxSize, CodeNegativeNumber},
		{fieldOutputSize, e.OutputSize, MaxSize, CodeNegativeNumber},
	} {
		code := CodeOutOfRange
		if n.value < 0 {
			code = n.negative
		}
		if n.value < 0 || n.value > n.most {
			return &Error{code, fieldNames[n.f], fieldNames[n.f] + " must be from 0 to " + itoa(int(n.most)) + ", not " + itoa(int(n.value))}
		}
	}
	return nil
}

func checkStatus(e *Event) *Error {
	wrong := e.Status > StatusSkipped ||
		(e.Kind == KindExecution && e.Status == StatusSkipped) ||
		(e.Kind == KindStep && e.Status == StatusStarted)
	if wrong {
		return &Error{CodeInvalidStatus, "status", e.Kind.article() + " cannot have the status " + quote(e.Status.String())}
	}
	if e.Kind == KindStep && e.EndTime == NoTime {
		switch {
		case e.Status != StatusSkipped:
			return &Error{CodeMissingField, "endTime", `a step that is "` + e.Status.String() + `" needs an end`}
		case e.Duration != 0:
			return &Error{CodeMissingField, "endTime", "a step that took time needs an end"}
		}
	}
	return nil
}
