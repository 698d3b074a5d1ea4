package metric

const areaCollector = "Collector"

var (
	collectorDims = []string{EventSource, EventKind, RejectCode}
	fromIngest    = []Source{SourceIngest}
)

var collector = []Metric{
	{
		Name: "events_stored", Title: "Stored events", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Events that were received in the period and stored; one sent twice is stored twice and counts once elsewhere.",
		Formula:     "sum of events where reject_code is empty",
		Dimensions:  collectorDims, Sources: fromIngest,
	},
	{
		Name: "events_rejected", Title: "Rejected events", Unit: "short", Area: areaCollector, Additive: true, AdminOnly: true,
		Description: "Events that were received in the period and refused. They lie in the dead-letter table with the reason.",
		Formula:     "sum of events where reject_code is not empty",
		Dimensions:  collectorDims, Sources: fromIngest,
	},
	{
		Name: "ingest_lag_avg", Title: "Ingest lag", Unit: "ms", Area: areaCollector, AdminOnly: true,
		Description: "Mean time from the receipt of an event until it was stored.",
		Formula:     "sum of (stored_at - received_at) / events_stored",
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
}
