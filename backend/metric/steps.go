package metric

const areaSteps = "Steps"

var (
	stepDims  = []string{Workflow, Version, Step, StepType, User, Execution, HourOfDay, Weekday}
	fromSteps = []Source{SourceSteps}
)

var steps = []Metric{
	{
		Name: "steps", Title: "Steps", Unit: "short", Area: areaSteps, Additive: true,
		Description: "Steps that ran in the period, whether they completed or failed. Skipped steps did not run and are counted by steps_skipped alone. A step belongs to the time at which it started.",
		Formula:     "steps_completed + steps_failed",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "steps_completed", Title: "Completed steps", Unit: "short", Area: areaSteps, Additive: true,
		Description: "Steps that ended well.",
		Formula:     "count of steps with status completed",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "steps_failed", Title: "Failed steps", Unit: "short", Area: areaSteps, Additive: true,
		Description: "Steps that ended in an error.",
		Formula:     "count of steps with status failed",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "steps_skipped", Title: "Skipped steps", Unit: "short", Area: areaSteps, Additive: true,
		Description: "Steps that were passed over, such as the other branch of a condition.",
		Formula:     "count of steps with status skipped",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "step_failure_rate", Title: "Step failure rate", Unit: "percentunit", Area: areaSteps,
		Description: "Share of the steps that ran and failed, 0 to 1; none when no step ran.",
		Formula:     "steps_failed / (steps_completed + steps_failed)",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "step_duration_sum", Title: "Total step duration", Unit: "ms", Area: areaSteps, Additive: true,
		Description: "Durations of the steps that ran, added up.",
		Formula:     "sum of duration where status is not skipped",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "step_duration_avg", Title: "Average step duration", Unit: "ms", Area: areaSteps,
		Description: "Mean duration of the steps that ran.",
		Formula:     "step_duration_sum / steps",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	stepPercentile("p50", "Median step duration", "Half"),
	stepPercentile("p90", "Step duration, 90th percentile", "Nine in ten"),
	stepPercentile("p95", "Step duration, 95th percentile", "95 in a hundred"),
	stepPercentile("p99", "Step duration, 99th percentile", "99 in a hundred"),
	{
		Name: "step_duration_max", Title: "Longest step duration", Unit: "ms", Area: areaSteps,
		Description: "Duration of the longest step.",
		Formula:     "max of duration where status is not skipped",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "steps_queued", Title: "Steps with a queue time", Unit: "short", Area: areaSteps, Additive: true,
		Description: "Steps that ran and whose source says when they were queued: those that the queue times are taken of.",
		Formula:     "count of steps with a queuedTime where status is not skipped",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "step_queue_time_sum", Title: "Total step queue time", Unit: "ms", Area: areaSteps, Additive: true,
		Description: "Time that the steps waited before they ran, added up." + queueDoc,
		Formula:     "sum of max(0, startTime - queuedTime) where status is not skipped",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "step_queue_time_avg", Title: "Average step queue time", Unit: "ms", Area: areaSteps,
		Description: "Mean time that the steps waited before they ran." + queueDoc,
		Formula:     "step_queue_time_sum / steps_queued",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	stepQueuePercentile("p50", "Median step queue time", "Half"),
	stepQueuePercentile("p95", "Step queue time, 95th percentile", "95 in a hundred"),
	{
		Name: "step_queue_time_max", Title: "Longest step queue time", Unit: "ms", Area: areaSteps,
		Description: "Longest time that a step waited before it ran." + queueDoc,
		Formula:     "max of max(0, startTime - queuedTime) where status is not skipped",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "steps_retried", Title: "Repeated steps", Unit: "short", Area: areaSteps, Additive: true,
		Description: "Steps that ran as a second or later attempt." + attemptDoc,
		Formula:     "count of steps with attempt > 1 where status is not skipped",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "step_retry_rate", Title: "Step retry rate", Unit: "percentunit", Area: areaSteps,
		Description: "Share of the steps that ran as a second or later attempt, 0 to 1; none when no step ran." + attemptDoc,
		Formula:     "steps_retried / steps",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "step_attempts_max", Title: "Most step attempts", Unit: "short", Area: areaSteps,
		Description: "The highest attempt of a step that ran." + attemptDoc,
		Formula:     "max of attempt where status is not skipped, at least 1",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "step_input_bytes", Title: "Step input", Unit: "bytes", Area: areaSteps, Additive: true,
		Description: "Bytes that the steps took in.",
		Formula:     "sum of inputSize",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "step_output_bytes", Title: "Step output", Unit: "bytes", Area: areaSteps, Additive: true,
		Description: "Bytes that the steps gave out.",
		Formula:     "sum of outputSize",
		Dimensions:  stepDims, Sources: fromSteps,
	},
	{
		Name: "step_credits", Title: "Step credits", Unit: "short", Area: areaSteps, Additive: true, Exact: true,
		Description: "Credits that the steps say they used. What was charged is credits, from the cost records.",
		Formula:     "sum of creditsUsed",
		Dimensions:  stepDims, Sources: fromSteps,
	},
}

func stepPercentile(p, title, share string) Metric {
	return Metric{
		Name: "step_duration_" + p, Title: title, Unit: "ms", Area: areaSteps,
		Description: share + " of the steps that ran took no longer than this.",
		Formula:     percentileFormula,
		Dimensions:  stepDims, Sources: fromSteps,
	}
}

func stepQueuePercentile(p, title, share string) Metric {
	return Metric{
		Name: "step_queue_time_" + p, Title: title, Unit: "ms", Area: areaSteps,
		Description: share + " of the steps waited no longer than this before they ran." + queueDoc,
		Formula:     queuePercentileFormula,
		Dimensions:  stepDims, Sources: fromSteps,
	}
}
