package metric

const areaExecutions = "Executions"

var (
	executionDims = []string{Workflow, Version, TriggerType, ErrorType, User, Execution, HourOfDay, Weekday}
	runningDims   = []string{Workflow, Version, TriggerType, User}
	fromExecs     = []Source{SourceExecutions}
)

var executions = []Metric{
	{
		Name: "executions", Title: "Executions", Unit: "short", Area: areaExecutions, Additive: true,
		Description: "Executions that ended in the period, whether they completed or failed. One that was started but has not ended is not among them.",
		Formula:     "executions_completed + executions_failed",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "executions_started", Title: "Started executions", Unit: "short", Area: areaExecutions, Additive: true,
		Description: "Executions whose start was reported in the period. Their error type is empty.",
		Formula:     "count of executions with status started",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "executions_completed", Title: "Completed executions", Unit: "short", Area: areaExecutions, Additive: true,
		Description: "Executions that ended well in the period.",
		Formula:     "count of executions with status completed",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "executions_failed", Title: "Failed executions", Unit: "short", Area: areaExecutions, Additive: true,
		Description: "Executions that ended in an error in the period.",
		Formula:     "count of executions with status failed",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "success_rate", Title: "Success rate", Unit: "percentunit", Area: areaExecutions,
		Description: "Share of the ended executions that completed, 0 to 1; none when no execution ended.",
		Formula:     "executions_completed / (executions_completed + executions_failed)",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "failure_rate", Title: "Failure rate", Unit: "percentunit", Area: areaExecutions,
		Description: "Share of the ended executions that failed, 0 to 1; none when no execution ended.",
		Formula:     "executions_failed / (executions_completed + executions_failed)",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "executions_running", Title: "Running executions", Unit: "short", Area: areaExecutions, Gauge: true,
		Description: "Executions that had started and not ended at the end of the time bucket or period, or now where that lies ahead. Only executions that reported their start can be seen running.",
		Formula:     "count of executions with started_at <= T < ended_at, T = min(end of bucket or period, now)",
		Dimensions:  runningDims, Sources: []Source{SourceRunning},
	},
	{
		Name: "duration_sum", Title: "Total duration", Unit: "ms", Area: areaExecutions, Additive: true,
		Description: "Durations of the ended executions, added up.",
		Formula:     "sum of duration",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "duration_avg", Title: "Average duration", Unit: "ms", Area: areaExecutions,
		Description: "Mean duration of the ended executions.",
		Formula:     "duration_sum / executions",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	executionPercentile("p50", "Median duration", "Half"),
	executionPercentile("p90", "Duration, 90th percentile", "Nine in ten"),
	executionPercentile("p95", "Duration, 95th percentile", "95 in a hundred"),
	executionPercentile("p99", "Duration, 99th percentile", "99 in a hundred"),
	{
		Name: "duration_max", Title: "Longest duration", Unit: "ms", Area: areaExecutions,
		Description: "Duration of the longest ended execution.",
		Formula:     "max of duration",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "executions_queued", Title: "Executions with a queue time", Unit: "short", Area: areaExecutions, Additive: true,
		Description: "Ended executions whose source says when they were queued: those that the queue times are taken of.",
		Formula:     "count of executions with a queuedTime",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "queue_time_sum", Title: "Total queue time", Unit: "ms", Area: areaExecutions, Additive: true,
		Description: "Time that the ended executions waited before they ran, added up." + queueDoc,
		Formula:     "sum of max(0, timestamp - duration - queuedTime)",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "queue_time_avg", Title: "Average queue time", Unit: "ms", Area: areaExecutions,
		Description: "Mean time that the ended executions waited before they ran." + queueDoc,
		Formula:     "queue_time_sum / executions_queued",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	executionQueuePercentile("p50", "Median queue time", "Half"),
	executionQueuePercentile("p95", "Queue time, 95th percentile", "95 in a hundred"),
	{
		Name: "queue_time_max", Title: "Longest queue time", Unit: "ms", Area: areaExecutions,
		Description: "Longest time that an ended execution waited before it ran." + queueDoc,
		Formula:     "max of max(0, timestamp - duration - queuedTime)",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "executions_retried", Title: "Repeated executions", Unit: "short", Area: areaExecutions, Additive: true,
		Description: "Ended executions that were a second or later attempt." + attemptDoc,
		Formula:     "count of executions with attempt > 1",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "retry_rate", Title: "Retry rate", Unit: "percentunit", Area: areaExecutions,
		Description: "Share of the ended executions that were a second or later attempt, 0 to 1; none when no execution ended." + attemptDoc,
		Formula:     "executions_retried / executions",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "attempts_max", Title: "Most attempts", Unit: "short", Area: areaExecutions,
		Description: "The highest attempt of an ended execution." + attemptDoc,
		Formula:     "max of attempt, at least 1",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "active_workflows", Title: "Active workflows", Unit: "short", Area: areaExecutions,
		Description: "Different workflows of which an execution ended, counted exactly.",
		Formula:     "count of distinct workflow where executions > 0",
		Dimensions:  executionDims, Sources: fromExecs,
	},
	{
		Name: "executing_users", Title: "Executing users", Unit: "short", Area: areaExecutions,
		Description: "Different users on whose behalf an execution ended, counted exactly; executions without a user are left out.",
		Formula:     "count of distinct user where executions > 0 and user is not empty",
		Dimensions:  executionDims, Sources: fromExecs,
	},
}

const (
	queueDoc   = " Only those count whose source says when they were queued (queuedTime); none when there are none."
	attemptDoc = " The source says which attempt it is (attempt); without that it is the first."

	queuePercentileFormula = "as duration's, of the queue times and at most the longest of them"
)

func executionQueuePercentile(p, title, share string) Metric {
	return Metric{
		Name: "queue_time_" + p, Title: title, Unit: "ms", Area: areaExecutions,
		Description: share + " of the ended executions waited no longer than this before they ran." + queueDoc,
		Formula:     queuePercentileFormula,
		Dimensions:  executionDims, Sources: fromExecs,
	}
}

const percentileFormula = "nearest rank in the merged histogram (16 buckets per doubling), the bucket's geometric midpoint, at most the longest duration; within 2.2 % of the true value"

func executionPercentile(p, title, share string) Metric {
	return Metric{
		Name: "duration_" + p, Title: title, Unit: "ms", Area: areaExecutions,
		Description: share + " of the ended executions took no longer than this.",
		Formula:     percentileFormula,
		Dimensions:  executionDims, Sources: fromExecs,
	}
}
