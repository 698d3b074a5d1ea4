package event

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Fragment is what one message says about a run. Some sources tell a run in several
// messages of which none is a whole event: the one that says how it ended does not
// say when it began, and they come in any order, days apart, more than once. Each
// is kept as it came; package gather makes events of all that are known.
//
// Absent are the empty text, 0, and NoDuration.
type Fragment struct {
	Tenant string
	Source string
	Run    string // names the run, and becomes the ID of its execution or step
	Status Status // what happened to the run; 0: the message describes it only
	Time   int64  // when that happened, in Unix ms

	// Start and Duration are for messages about an end that say more than that.
	Start    int64
	Duration int64

	Execution string // the run that this one is a step of
	Workflow  string // of the execution
	StepID    string
	StepType  string

	UserID       string
	TriggerID    string
	TriggerType  string
	ErrorType    string
	ErrorMessage string
	QueuedTime   int64
	Attempt      uint32
	InputSize    int64
	OutputSize   int64
	DependsOn    []string
	Facts        []Fact // become the members of an execution's metadata
}

// Fact is a member of metadata.
type Fact struct{ Name, Value string }

// NoDuration is the Duration of a message that does not say it.
const NoDuration int64 = -1

// The limits of a fragment's facts, together with their names.
const (
	MaxFacts      = 64
	MaxFactsBytes = 16 << 10
)

// Step says whether the message knows that the run is a step of another.
func (f *Fragment) Step() bool { return f.Execution != "" && f.Execution != f.Run }

// Digest tells fragments apart that say different things about one run at one
// moment. It is a function of the content alone.
func (f *Fragment) Digest() uint64 {
	sum := sha256.Sum256(AppendFragment(nil, f))
	return binary.BigEndian.Uint64(sum[:])
}

// SortFacts puts the facts in order and keeps the last of those with one name.
func (f *Fragment) SortFacts() {
	slices.SortStableFunc(f.Facts, func(a, b Fact) int { return cmp.Compare(a.Name, b.Name) })
	kept := f.Facts[:0]
	for i, fact := range f.Facts {
		if i+1 == len(f.Facts) || f.Facts[i+1].Name != fact.Name {
			kept = append(kept, fact)
		}
	}
	f.Facts = kept
}

// ValidateFragment checks a fragment: whatever becomes known about its run, the
// events made of it pass Validate. It returns nil or the first fault, with the
// field of the event that would have it.
func ValidateFragment(f *Fragment) *Error {
	for _, required := range [...]struct {
		f     field
		value string
	}{
		{fieldTenantID, f.Tenant},
		{fieldID, f.Run},
		{fieldWorkflowID, f.Workflow},
		{fieldStepID, f.StepID},
	} {
		if required.value == "" && (required.f != fieldStepID || f.Step()) {
			name := fieldNames[required.f]
			return &Error{CodeMissingField, name, "a run needs the field " + quote(name)}
		}
	}
	for _, t := range [...]struct {
		f     field
		value string
		limit int
	}{
		{fieldTenantID, f.Tenant, MaxNameBytes},
		{fieldSource, f.Source, MaxNameBytes},
		{fieldID, f.Run, MaxNameBytes},
		{fieldExecutionID, f.Execution, MaxNameBytes},
		{fieldWorkflowID, f.Workflow, MaxNameBytes},
		{fieldStepID, f.StepID, MaxNameBytes},
		{fieldStepType, f.StepType, MaxNameBytes},
		{fieldUserID, f.UserID, MaxNameBytes},
		{fieldTriggerID, f.TriggerID, MaxNameBytes},
		{fieldTriggerType, f.TriggerType, MaxNameBytes},
		{fieldErrorType, f.ErrorType, MaxNameBytes},
		{fieldErrorMessage, f.ErrorMessage, MaxMessageBytes},
	} {
		if err := checkText(t.f, t.value, t.limit); err != nil {
			return err
		}
	}
	for _, t := range [...]struct {
		f  field
		ms int64
	}{{fieldTimestamp, f.Time}, {fieldStartTime, f.Start}, {fieldQueuedTime, f.QueuedTime}} {
		if t.ms < minTime || t.ms >= maxTime {
			return &Error{CodeTimeOutOfRange, fieldNames[t.f], fieldNames[t.f] + " must lie from 1970 to 2099, not at " + itoa(int(t.ms)) + " ms"}
		}
	}
	for _, n := range [...]struct {
		f           field
		value, most int64
	}{
		{fieldDuration, f.Duration, MaxDuration},
		{fieldInputSize, f.InputSize, MaxSize},
		{fieldOutputSize, f.OutputSize, MaxSize},
	} {
		if n.value > n.most || n.value < 0 && (n.f != fieldDuration || n.value != NoDuration) {
			return &Error{CodeOutOfRange, fieldNames[n.f], fieldNames[n.f] + " must be from 0 to " + itoa(int(n.most)) + ", not " + itoa(int(n.value))}
		}
	}
	if f.Status > StatusSkipped {
		return &Error{CodeInvalidStatus, "status", "a run has no status " + itoa(int(f.Status))}
	}
	if err := checkDependsOn(&Event{DependsOn: f.DependsOn}); err != nil {
		return err
	}
	return f.checkFacts()
}

func (f *Fragment) checkFacts() *Error {
	if len(f.Facts) > MaxFacts {
		return &Error{CodeTooMany, "metadata", "a run may have " + itoa(MaxFacts) + " facts, not " + itoa(len(f.Facts))}
	}
	bytes := 0
	for i, fact := range f.Facts {
		bytes += len(fact.Name) + len(fact.Value)
		for _, s := range [...]string{fact.Name, fact.Value} {
			if err := checkText(fieldMetadata, s, MaxFactsBytes); err != nil {
				return err
			}
		}
		if fact.Name == "" || i > 0 && fact.Name <= f.Facts[i-1].Name {
			return &Error{CodeDuplicateField, "metadata", "a run's facts have a name each, in order, not " + quote(fact.Name)}
		}
	}
	if bytes > MaxFactsBytes {
		return &Error{CodeTooLong, "metadata", "a run's facts have " + itoa(bytes) + " bytes, " + itoa(MaxFactsBytes) + " are allowed"}
	}
	return nil
}
