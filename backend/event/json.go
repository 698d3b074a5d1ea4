package event

import (
	"bytes"
	"encoding/json"
	"time"
)

// ContentTypeRecord is that of a payload in the log's encoding: what was accepted in
// a form that is no event.
const ContentTypeRecord = "application/vnd.flowgauge.record"

// wire is an event as it is sent.
type wire struct {
	Kind              string   `json:"kind"`
	TenantID          string   `json:"tenantId,omitempty"`
	Source            string   `json:"source,omitempty"`
	ID                string   `json:"id"`
	Timestamp         string   `json:"timestamp,omitempty"`
	StartTime         string   `json:"startTime,omitempty"`
	EndTime           string   `json:"endTime,omitempty"`
	PreviousTimestamp string   `json:"previousTimestamp,omitempty"`
	QueuedTime        string   `json:"queuedTime,omitempty"`
	Duration          *int64   `json:"duration,omitempty"`
	Status            string   `json:"status,omitempty"`
	Attempt           uint32   `json:"attempt,omitempty"`
	WorkflowID        string   `json:"workflowId,omitempty"`
	WorkflowVersion   uint32   `json:"workflowVersion,omitempty"`
	UserID            string   `json:"userId,omitempty"`
	ExecutionID       string   `json:"executionId,omitempty"`
	TriggerID         string   `json:"triggerId,omitempty"`
	TriggerType       string   `json:"triggerType,omitempty"`
	StepCount         uint32   `json:"stepCount,omitempty"`
	ErrorType         string   `json:"errorType,omitempty"`
	ErrorMessage      string   `json:"errorMessage,omitempty"`
	StepID            string   `json:"stepId,omitempty"`
	StepType          string   `json:"stepType,omitempty"`
	InputSize         int64    `json:"inputSize,omitempty"`
	OutputSize        int64    `json:"outputSize,omitempty"`
	CreditsUsed       *Decimal `json:"creditsUsed,omitempty"`
	DependsOn         []string `json:"dependsOn,omitempty"`
	ActionType        string   `json:"actionType,omitempty"`
	Credits           *Decimal `json:"credits,omitempty"`
	DollarAmount      *Decimal `json:"dollarAmount,omitempty"`
	SessionID         string   `json:"sessionId,omitempty"`
	Action            string   `json:"action,omitempty"`
	Resource          string   `json:"resource,omitempty"`
	ResourceID        string   `json:"resourceId,omitempty"`
}

// MarshalJSON returns an event as it is sent: one that Validate passes is the same event
// when it is decoded again. A value of 0 is written where it is another thing than none.
func MarshalJSON(e *Event) ([]byte, error) {
	w := wire{
		Kind: e.Kind.String(), TenantID: e.Tenant, Source: e.Source, ID: e.ID,
		PreviousTimestamp: instant(e.PreviousTime), EndTime: instant(e.EndTime), QueuedTime: instant(e.QueuedTime),
		Status: e.Status.String(), Attempt: e.Attempt,
		WorkflowID: e.WorkflowID, WorkflowVersion: e.WorkflowVersion, UserID: e.UserID, ExecutionID: e.ExecutionID,
		TriggerID: e.TriggerID, TriggerType: e.TriggerType, StepCount: e.StepCount, ErrorType: e.ErrorType, ErrorMessage: e.ErrorMessage,
		StepID: e.StepID, StepType: e.StepType, InputSize: e.InputSize, OutputSize: e.OutputSize, DependsOn: e.DependsOn,
		ActionType: e.ActionType, SessionID: e.SessionID, Action: e.Action, Resource: e.Resource, ResourceID: e.ResourceID,
	}
	if e.Duration != 0 || needsDuration(e) {
		w.Duration = &e.Duration
	}
	if e.Kind == KindStep {
		w.StartTime = instant(e.Time)
	} else {
		w.Timestamp = instant(e.Time)
	}
	switch e.Kind {
	case KindStep:
		w.CreditsUsed = &e.Credits
	case KindCost:
		w.Credits = &e.Credits
		if e.Pricing == PricingSent {
			w.DollarAmount = &e.Dollars
		}
	}
	if fault := checkMetadata(e); fault != nil {
		return nil, fault
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(w); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(out.Bytes(), []byte("\n"))
	if e.Metadata != "" { // stays as it was sent, to the last space
		text = append(text[:len(text)-1], `,"metadata":`...)
		text = append(append(text, e.Metadata...), '}')
	}
	return text, nil
}

// needsDuration says whether an event without a duration is another one, or none. A step
// would have taken the time from its start to its end.
func needsDuration(e *Event) bool {
	switch e.Kind {
	case KindExecution:
		return e.Status == StatusCompleted || e.Status == StatusFailed
	case KindStep:
		return e.EndTime != NoTime
	}
	return false
}

func instant(ms int64) string {
	if ms == NoTime {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
