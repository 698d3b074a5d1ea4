package event

// field is a field of the wire format. It is below 64, so that a set of fields
// is a uint64.
type field uint8

const (
	fieldUnknown field = iota
	fieldKind
	fieldSource
	fieldTenantID
	fieldID
	fieldTimestamp
	fieldPreviousTimestamp
	fieldQueuedTime
	fieldStartTime
	fieldEndTime
	fieldDuration
	fieldStatus
	fieldAttempt
	fieldWorkflowID
	fieldWorkflowVersion
	fieldUserID
	fieldExecutionID
	fieldTriggerID
	fieldTriggerType
	fieldStepCount
	fieldErrorType
	fieldErrorMessage
	fieldStepID
	fieldStepType
	fieldInputSize
	fieldOutputSize
	fieldCreditsUsed
	fieldDependsOn
	fieldActionType
	fieldCredits
	fieldDollarAmount
	fieldSessionID
	fieldAction
	fieldResource
	fieldResourceID
	fieldMetadata
	fieldCount
)

var fieldNames = [fieldCount]string{
	fieldKind: "kind", fieldSource: "source", fieldTenantID: "tenantId", fieldID: "id",
	fieldTimestamp: "timestamp", fieldPreviousTimestamp: "previousTimestamp", fieldQueuedTime: "queuedTime",
	fieldStartTime: "startTime", fieldEndTime: "endTime", fieldDuration: "duration",
	fieldStatus: "status", fieldAttempt: "attempt",
	fieldWorkflowID: "workflowId", fieldWorkflowVersion: "workflowVersion",
	fieldUserID: "userId", fieldExecutionID: "executionId",
	fieldTriggerID: "triggerId", fieldTriggerType: "triggerType", fieldStepCount: "stepCount",
	fieldErrorType: "errorType", fieldErrorMessage: "errorMessage",
	fieldStepID: "stepId", fieldStepType: "stepType",
	fieldInputSize: "inputSize", fieldOutputSize: "outputSize",
	fieldCreditsUsed: "creditsUsed", fieldDependsOn: "dependsOn",
	fieldActionType: "actionType", fieldCredits: "credits", fieldDollarAmount: "dollarAmount",
	fieldSessionID: "sessionId", fieldAction: "action", fieldResource: "resource",
	fieldResourceID: "resourceId", fieldMetadata: "metadata",
}

// fieldOf returns the field of a name, in the wire format's spelling.
func fieldOf(name []byte) field {
	switch string(name) {
	case "kind":
		return fieldKind
	case "source":
		return fieldSource
	case "tenantId":
		return fieldTenantID
	case "id":
		return fieldID
	case "timestamp":
		return fieldTimestamp
	case "previousTimestamp":
		return fieldPreviousTimestamp
	case "queuedTime":
		return fieldQueuedTime
	case "startTime":
		return fieldStartTime
	case "endTime":
		return fieldEndTime
	case "duration":
		return fieldDuration
	case "status":
		return fieldStatus
	case "attempt":
		return fieldAttempt
	case "workflowId":
		return fieldWorkflowID
	case "workflowVersion":
		return fieldWorkflowVersion
	case "userId":
		return fieldUserID
	case "executionId":
		return fieldExecutionID
	case "triggerId":
		return fieldTriggerID
	case "triggerType":
		return fieldTriggerType
	case "stepCount":
		return fieldStepCount
	case "errorType":
		return fieldErrorType
	case "errorMessage":
		return fieldErrorMessage
	case "stepId":
		return fieldStepID
	case "stepType":
		return fieldStepType
	case "inputSize":
		return fieldInputSize
	case "outputSize":
		return fieldOutputSize
	case "creditsUsed":
		return fieldCreditsUsed
	case "dependsOn":
		return fieldDependsOn
	case "actionType":
		return fieldActionType
	case "credits":
		return fieldCredits
	case "dollarAmount":
		return fieldDollarAmount
	case "sessionId":
		return fieldSessionID
	case "action":
		return fieldAction
	case "resource":
		return fieldResource
	case "resourceId":
		return fieldResourceID
	case "metadata":
		return fieldMetadata
	}
	return fieldUnknown
}

// fieldSet is a set of fields.
type fieldSet uint64

func setOf(fields ...field) fieldSet {
	var s fieldSet
	for _, f := range fields {
		s |= 1 << f
	}
	return s
}

func (s fieldSet) has(f field) bool { return s&(1<<f) != 0 }

// textFields are those whose value is any text.
var textFields = setOf(fieldSource, fieldTenantID, fieldID, fieldWorkflowID, fieldUserID, fieldExecutionID,
	fieldTriggerID, fieldTriggerType, fieldErrorType, fieldErrorMessage, fieldStepID, fieldStepType,
	fieldActionType, fieldSessionID, fieldAction, fieldResource, fieldResourceID)

// commonFields belong to every kind.
var commonFields = setOf(fieldKind, fieldSource, fieldTenantID, fieldID, fieldPreviousTimestamp, fieldUserID)

// kindFields are the fields that a kind has. A field of another kind with a
// value is a mistake of the sender's that would lose the value.
var kindFields = [...]fieldSet{
	KindExecution: commonFields | setOf(
		fieldTimestamp, fieldWorkflowID, fieldWorkflowVersion, fieldTriggerID, fieldTriggerType, fieldStatus,
		fieldDuration, fieldStepCount, fieldErrorType, fieldErrorMessage, fieldMetadata, fieldQueuedTime, fieldAttempt),
	KindStep: commonFields | setOf(
		fieldExecutionID, fieldStepID, fieldStepType, fieldStartTime, fieldEndTime, fieldDuration, fieldStatus,
		fieldInputSize, fieldOutputSize, fieldCreditsUsed, fieldWorkflowID, fieldWorkflowVersion, fieldDependsOn,
		fieldQueuedTime, fieldAttempt),
	KindCost: commonFields | setOf(
		fieldTimestamp, fieldWorkflowID, fieldExecutionID, fieldActionType, fieldCredits, fieldDollarAmount, fieldMetadata),
	KindActivity: commonFields | setOf(
		fieldTimestamp, fieldSessionID, fieldAction, fieldResource, fieldResourceID, fieldDuration, fieldMetadata),
}

// requiredFields must have a value, in the order in which one that is absent
// is reported.
var requiredFields = [...][]field{
	KindExecution: {fieldID, fieldTimestamp, fieldWorkflowID, fieldStatus},
	KindStep:      {fieldID, fieldExecutionID, fieldStepID, fieldStartTime, fieldStatus},
	KindCost:      {fieldID, fieldTimestamp},
	KindActivity:  {fieldID, fieldTimestamp, fieldAction},
}
