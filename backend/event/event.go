// Package event defines what Flowgauge takes in: executions, steps, costs and
// users' actions. It decodes them from the wire, checks them, and encodes them
// for the log. Every other package speaks of events in these types.
//
// An event's identity is (tenant, kind, id, phase, own time). Sent again it
// counts once; with other fields changed, the one received last stands.
package event

// Kind names one of the four sorts of event.
type Kind uint8

// The kinds. The zero value is no kind.
const (
	KindExecution Kind = iota + 1
	KindStep
	KindCost
	KindActivity
)

// Kinds lists every kind in a fixed order.
var Kinds = [...]Kind{KindExecution, KindStep, KindCost, KindActivity}

// String returns the kind as it is spelled on the wire.
func (k Kind) String() string {
	switch k {
	case KindExecution:
		return "execution"
	case KindStep:
		return "step"
	case KindCost:
		return "cost"
	case KindActivity:
		return "activity"
	}
	return "unknown"
}

// Status is the state that an execution or a step reports.
type Status uint8

// The statuses. Executions use started, completed and failed; steps use
// completed, failed and skipped. Costs and activity have none.
const (
	StatusStarted Status = iota + 1
	StatusCompleted
	StatusFailed
	StatusSkipped
)

// String returns the status as it is spelled on the wire.
func (s Status) String() string {
	switch s {
	case StatusStarted:
		return "started"
	case StatusCompleted:
		return "completed"
	case StatusFailed:
		return "failed"
	case StatusSkipped:
		return "skipped"
	}
	return ""
}

// Phase is part of an execution's identity, so that its started and its
// terminal event are two events. Other kinds have no phase.
type Phase uint8

// The phases.
const (
	PhaseNone Phase = iota
	PhaseStarted
	PhaseTerminal
)

// Pricing says where a cost's dollars come from.
type Pricing uint8

// Where dollars come from. An explicit amount of 0 is one that was sent.
const (
	PricingSent     Pricing = iota // the source sent them
	PricingUnpriced                // it sent none, and no price is known
	PricingDerived                 // a price book derived them
)

// NoTime marks an absent optional time. It is outside the accepted range.
const NoTime int64 = -1

// Event is one event of any kind. Fields that a kind does not have are zero.
// Times are Unix milliseconds in UTC, durations are milliseconds.
//
// The struct is flat because the kinds share most of their fields and because
// a batch of them is decoded, logged and turned into columns without a single
// allocation per event.
type Event struct {
	Kind   Kind
	Status Status

	Tenant string // set from the API key, or from tenantId when the key is cross-tenant
	Source string // which system sent it; empty is allowed
	ID     string

	Time         int64 // own time: timestamp, or startTime of a step
	PreviousTime int64 // the own time that this correction replaces, or NoTime
	EndTime      int64 // step: endTime; NoTime for other kinds
	QueuedTime   int64 // execution, step: when it was put in the queue, or NoTime
	Duration     int64

	WorkflowID      string
	WorkflowVersion uint32 // 0 is absent
	UserID          string
	ExecutionID     string // step, cost
	Attempt         uint32 // execution, step; 0 is absent

	TriggerID    string // execution
	TriggerType  string // execution
	StepCount    uint32 // execution
	ErrorType    string // execution
	ErrorMessage string // execution

	StepID     string   // step
	StepType   string   // step
	InputSize  int64    // step, bytes
	OutputSize int64    // step, bytes
	DependsOn  []string // step: ids of steps

	ActionType    string  // cost
	Credits       Decimal // cost: credits; step: creditsUsed
	Dollars       Decimal // cost: dollarAmount, or what a price book made of it
	Pricing       Pricing // cost: where Dollars comes from
	PriceRevision uint64  // cost: of the price book that Dollars was derived by; never in the log

	SessionID  string // activity
	Action     string // activity
	Resource   string // activity
	ResourceID string // activity

	Metadata string // the JSON object as it was sent, or ""
}

// Phase returns the event's phase.
func (e *Event) Phase() Phase {
	if e.Kind != KindExecution {
		return PhaseNone
	}
	if e.Status == StatusStarted {
		return PhaseStarted
	}
	return PhaseTerminal
}

// Identity is what makes two deliveries the same event.
type Identity struct {
	Tenant string
	ID     string
	Time   int64
	Kind   Kind
	Phase  Phase
}

// Identity returns the event's identity.
func (e *Event) Identity() Identity {
	return Identity{Tenant: e.Tenant, ID: e.ID, Time: e.Time, Kind: e.Kind, Phase: e.Phase()}
}
