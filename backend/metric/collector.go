package metric

const (
	areaCollector = "Collector"
	wholeDoc      = " A body that could not be taken apart counts as one."
	rawDoc        = " Read from the events themselves, up to 31 days."
)

var (
	collectorDims = []string{EventSource, EventKind, RejectCode}
	receiptDims   = []string{EventSource, EventKind}
	conflictDims  = []string{Workflow, User, Execution}
	letterDims    = []string{EventSource, EventKind, RejectCode, DeadLetterState}
	fromIngest    = []Source{SourceIngest}
	fromVisible   = []Source{SourceVisible}
	fromConflicts = []Source{SourceConflicts}
)

var collector = []Metric{
	{
		Name: "events_received", Title: "Received events", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Events that came with requests, whatever became of them." + wholeDoc,
		Formula:     "events_accepted + events_duplicate + events_rejected",
		Dimensions:  collectorDims, Sources: fromIngest,
	},
	{
		Name: "events_accepted", Title: "Accepted events", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Events that were received in the period and taken.",
		Formula:     "count of events that were made durable",
		Dimensions:  collectorDims, Sources: fromIngest,
	},
	{
		Name: "events_duplicate", Title: "Duplicate events", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Events that were received in the period and left out, because a later one of the same request has their identity. One that is sent again in another request is stored again and replaces the earlier one.",
		Formula:     "count of events with the identity of a later one of their request",
		Dimensions:  collectorDims, Sources: fromIngest,
	},
	{
		Name: "events_rejected", Title: "Rejected events", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Events that were received in the period and refused. They are dead letters with the reason." + wholeDoc,
		Formula:     "count of dead letters",
		Dimensions:  collectorDims, Sources: fromIngest,
	},
	{
		Name: "events_added", Title: "Added events", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Events that plugins have added to those received in the period. Those added to events that are made of fragments are left out.",
		Formula:     "count of events that plugins have made of accepted ones and the database has acknowledged",
		Dimensions:  collectorDims, Sources: fromIngest,
	},
	{
		Name: "events_stored", Title: "Stored events", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Events that were received in the period and stored, and those that plugins have added to them; one sent twice is stored twice and counts once elsewhere.",
		Formula:     "count of accepted events that the database has acknowledged + events_added",
		Dimensions:  collectorDims, Sources: fromIngest,
	},
	{
		Name: "ingest_lag_avg", Title: "Ingest lag", Unit: "ms", Area: areaCollector, AdminOnly: true,
		Description: "Mean time from the receipt of an event until it was stored.",
		Formula:     "sum of (stored_at - received_at) / events_accepted",
		Dimensions:  collectorDims, Sources: fromIngest,
	},
	{
		Name: "ingest_lag_max", Title: "Longest ingest lag", Unit: "ms", Area: areaCollector, AdminOnly: true,
		Description: "Longest time from the receipt of an event until it was stored.",
		Formula:     "max of (stored_at - received_at)",
		Dimensions:  collectorDims, Sources: fromIngest,
	},
	{
		Name: "pending_buckets", Title: "Pending buckets", Unit: "short", Area: areaCollector, Gauge: true, AdminOnly: true,
		Description: "Minutes, of all kinds of events, whose rows changed in the last seven days and that are not rolled up yet: a state of now, whatever the period, without granularity.",
		Formula:     "count of minutes whose last mark is not older than their rollup's version",
		Dimensions:  []string{}, Sources: []Source{SourcePending},
	},
	{
		Name: "events_visible", Title: "Visible events", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Events whose standing delivery was received in the period: those that count everywhere else." + rawDoc,
		Formula:     "count of distinct identities whose last delivery was received in the period",
		Dimensions:  receiptDims, Sources: fromVisible,
	},
	{
		Name: "events_replaced", Title: "Replaced deliveries", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Deliveries that were received in the period, stored, and do not stand any more: the event was sent again or corrected later, in the period or after it, or it was moved or erased. Sources that tell runs in fragments are left out." + rawDoc,
		Formula:     "events_stored - events_visible",
		Dimensions:  receiptDims, Sources: fromVisible,
	},
	{
		Name: "execution_conflicts", Title: "Conflicting ends", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Ends of executions beyond the first: the same execution was reported as completed or failed at another time, without previousTimestamp. Each of them counts. An execution belongs to the time of its last end." + rawDoc,
		Formula:     "sum over executions of terminal events - 1",
		Dimensions:  conflictDims, Sources: fromConflicts,
	},
	{
		Name: "execution_conflict_span", Title: "Time between ends", Unit: "ms", Area: areaCollector, AdminOnly: true,
		Description: "Time from the first end of an execution with several to its last, the longest of the group." + rawDoc,
		Formula:     "max over executions with several terminal events of last - first",
		Dimensions:  conflictDims, Sources: fromConflicts,
	},
	{
		Name: "dead_letters", Title: "Dead letters", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Refused events that were received in the period, by what became of them since." + wholeDoc,
		Formula:     "count of dead letters",
		Dimensions:  letterDims, Sources: []Source{SourceDeadLetters},
	},
}
