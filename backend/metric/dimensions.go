package metric

import "strings"

// The dimensions' names.
const (
	Workflow    = "workflow"
	Version     = "version"
	TriggerType = "trigger_type"
	ErrorType   = "error_type"
	User        = "user"
	Team        = "team"
	Step        = "step"
	StepType    = "step_type"
	ActionType  = "action_type"
	Action      = "action"
	Resource    = "resource"
	EventSource = "source"
	EventKind   = "event_kind"
	RejectCode  = "reject_code"
	Execution   = "execution"
	HourOfDay   = "hour_of_day"
	Weekday     = "weekday"

	DeadLetterState = "dead_letter_state"
)

// MetadataPrefix begins the name of a dimension that is a member of the events'
// metadata, e.g. metadata.region. It is read from the events themselves, so it
// is slower than the others, and the period is limited.
const MetadataPrefix = "metadata."

const maxMetadataKey = 128

// MetadataKey returns the member that a dimension is, if it is one.
func MetadataKey(name string) (key string, ok bool) {
	key, ok = strings.CutPrefix(name, MetadataPrefix)
	return key, ok && key != "" && len(key) <= maxMetadataKey
}

var dimensions = []Dimension{
	{Workflow, "Workflow", "The workflow's id (workflowId). A step sent without one takes its execution's."},
	{Version, "Workflow version", "The workflow's version as decimal text; 0 is an event without one. A step sent without one takes its execution's."},
	{TriggerType, "Trigger type", "What kind of trigger started the execution (triggerType): schedule, webhook, manual and the like."},
	{ErrorType, "Error type", "The category of a failed execution's error (errorType); empty for the others and for failures without a category."},
	{User, "User", "The id of the user on whose behalf it ran or who acted (userId); empty is nobody. A step sent without one takes its execution's."},
	{Team, "Team", "A team that the user is a member of now, by the directory; empty is a user without one, or nobody. Who is in two teams counts in both, so figures by team do not add up to the whole."},
	{Step, "Step", "The step's id within its workflow (stepId)."},
	{StepType, "Step type", "What kind of step it is (stepType)."},
	{ActionType, "Action type", "What the cost was charged for (actionType)."},
	{Action, "Action", "What the user did (action): login, view, edit and the like."},
	{Resource, "Resource", "The kind of thing on which the user acted (resource)."},
	{EventSource, "Source", "Which system sent the events (source); empty is an unnamed one."},
	{EventKind, "Event kind", "execution, step, cost or activity; fragment is a message about a run of which events are made; empty is a refused event whose kind could not be read."},
	{RejectCode, "Reject code", "Why events were refused, such as missing_field; empty for events that were stored."},
	{Execution, "Execution", "The id of an execution. Figures by it are read from the events themselves, so it is slower than the others, and the period is limited."},
	{HourOfDay, "Hour of the day", "The hour that the clock in the time zone of the question showed, 00 to 23. When clocks change, one hour of a day is missing or comes twice."},
	{Weekday, "Weekday", "The day of the week in the time zone of the question: 1 is Monday, 7 is Sunday."},
	{DeadLetterState, "State", "What became of a refused event: open, replayed or discarded."},
}
