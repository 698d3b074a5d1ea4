package query

import (
	"fmt"
	"math"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/backend/metric"
)

// ref names an aggregate of a source.
type ref struct {
	source metric.Source
	name   string
}

// formula computes a metric from aggregates. Exactly one of value and exact is
// set. order is the same figure as SQL over the aggregates' columns, to sort
// groups in the database; a metric of several sources has none and is sorted
// here.
type formula struct {
	needs []ref
	value func(in []cells, row int) (float64, bool)
	exact func(in []cells, row int) event.Decimal
	order string
}

// column returns the SQL alias of an aggregate. Its own name would hide the
// measure that it is made from.
func column(aggregate string) string { return "a_" + aggregate }

func refs(s metric.Source, names ...string) []ref {
	out := make([]ref, len(names))
	for i, n := range names {
		out[i] = ref{s, n}
	}
	return out
}

// plain is an aggregate as it is.
func plain(s metric.Source, name string) formula {
	return formula{
		needs: refs(s, name), order: column(name),
		value: func(in []cells, row int) (float64, bool) { return float64(in[0].ints[row]), true },
	}
}

// ended adds what completed and what failed.
func ended(s metric.Source) formula {
	return formula{
		needs: refs(s, "completed", "failed"), order: "a_completed + a_failed",
		value: func(in []cells, row int) (float64, bool) { return float64(in[0].ints[row] + in[1].ints[row]), true },
	}
}

// share divides one of completed and failed by both.
func share(s metric.Source, of, other string) formula {
	return formula{
		needs: refs(s, of, other), order: column(of) + " / nullIf(a_completed + a_failed, 0)",
		value: func(in []cells, row int) (float64, bool) {
			return ratio(in[0].ints[row], in[0].ints[row]+in[1].ints[row])
		},
	}
}

// mean divides a sum by a count.
func mean(s metric.Source, sum, count string) formula {
	return formula{
		needs: refs(s, sum, count), order: fmt.Sprintf("%s / nullIf(%s, 0)", column(sum), column(count)),
		value: func(in []cells, row int) (float64, bool) { return ratio(in[0].ints[row], in[1].ints[row]) },
	}
}

// meanDuration divides the durations by what ended.
func meanDuration(s metric.Source) formula {
	return formula{
		needs: refs(s, "duration", "completed", "failed"), order: "a_duration / nullIf(a_completed + a_failed, 0)",
		value: func(in []cells, row int) (float64, bool) {
			return ratio(in[0].ints[row], in[1].ints[row]+in[2].ints[row])
		},
	}
}

// maximum is none where nothing ended: 0 would be a figure.
func maximum(s metric.Source) formula {
	return formula{
		needs: refs(s, "longest", "completed", "failed"), order: "if(a_completed + a_failed = 0, NULL, a_longest)",
		value: func(in []cells, row int) (float64, bool) {
			return float64(in[0].ints[row]), in[1].ints[row]+in[2].ints[row] > 0
		},
	}
}

// percentile takes the bucket of the nearest rank. The midpoint of the highest
// bucket may lie above every value in it, the maximum is exact.
func percentile(s metric.Source, percent int) formula {
	return percentileOf(s, percent, "histogram", "longest")
}

func percentileOf(s metric.Source, percent int, histogram, longest string) formula {
	h := column(histogram)
	bucket := fmt.Sprintf("mapKeys(%[1]s)[arrayFirstIndex(c -> c * 100 >= %[2]d * arraySum(mapValues(%[1]s)), arrayCumSum(mapValues(%[1]s)))]", h, percent)
	return formula{
		needs: refs(s, histogram, longest),
		order: fmt.Sprintf("if(empty(%s), NULL, least(if(%s = %d, 0, exp2((%s - 0.5) / 16) * 1000), toFloat64(%s)))", h, bucket, event.ZeroBucket, bucket, column(longest)),
		value: func(in []cells, row int) (float64, bool) {
			bucket, ok := in[0].hists[row].nearestRank(uint64(percent))
			if !ok {
				return 0, false
			}
			return min(event.BucketMidpoint(bucket)*1000, float64(in[1].ints[row])), true
		},
	}
}

// worst is a maximum that is none where nothing was counted.
func worst(s metric.Source, largest, count string) formula {
	return formula{
		needs: refs(s, largest, count), order: fmt.Sprintf("if(%s = 0, NULL, %s)", column(count), column(largest)),
		value: func(in []cells, row int) (float64, bool) { return float64(in[0].ints[row]), in[1].ints[row] > 0 },
	}
}

// retryRate divides what was a further attempt by what ended.
func retryRate(s metric.Source) formula {
	return formula{
		needs: refs(s, "retried", "completed", "failed"), order: "a_retried / nullIf(a_completed + a_failed, 0)",
		value: func(in []cells, row int) (float64, bool) {
			return ratio(in[0].ints[row], in[1].ints[row]+in[2].ints[row])
		},
	}
}

// mostAttempts is 1 where something ended and nothing says that it was repeated.
func mostAttempts(s metric.Source) formula {
	return formula{
		needs: refs(s, "attempts", "completed", "failed"), order: "if(a_completed + a_failed = 0, NULL, greatest(a_attempts, 1))",
		value: func(in []cells, row int) (float64, bool) {
			return float64(max(in[0].ints[row], 1)), in[1].ints[row]+in[2].ints[row] > 0
		},
	}
}

// exactSum is an amount as it is.
func exactSum(s metric.Source, name string) formula {
	return formula{
		needs: refs(s, name), order: column(name),
		exact: func(in []cells, row int) event.Decimal { return in[0].decs[row] },
	}
}

// credited turns what was credited, which is kept as negative amounts, round.
func credited(name string) formula {
	return formula{
		needs: refs(metric.SourceCosts, name+"_credited"), order: "negate(" + column(name+"_credited") + ")",
		exact: func(in []cells, row int) event.Decimal { return in[0].decs[row].Neg() },
	}
}

// charged is the sum without what was credited.
func charged(name string) formula {
	return formula{
		needs: refs(metric.SourceCosts, name, name+"_credited"),
		order: column(name) + " - " + column(name+"_credited"),
		exact: func(in []cells, row int) event.Decimal { return in[0].decs[row].Sub(in[1].decs[row]) },
	}
}

// perExecution divides an amount by the executions of the same group. The
// division is made once, on the float64 nearest to the exact sum.
func perExecution(name string) formula {
	return formula{
		needs: append(refs(metric.SourceCosts, name), refs(metric.SourceExecutions, "completed", "failed")...),
		value: func(in []cells, row int) (float64, bool) {
			n := in[1].ints[row] + in[2].ints[row]
			return in[0].decs[row].Float64() / float64(max(n, 1)), n > 0
		},
	}
}

func ratio(a, b int64) (float64, bool) {
	if b == 0 {
		return math.NaN(), false
	}
	return float64(a) / float64(b), true
}

// formulas has one formula for each metric of the catalogue; a test holds it to
// that.
var formulas = map[string]formula{
	"executions":           ended(metric.SourceExecutions),
	"executions_started":   plain(metric.SourceExecutions, "started"),
	"executions_completed": plain(metric.SourceExecutions, "completed"),
	"executions_failed":    plain(metric.SourceExecutions, "failed"),
	"success_rate":         share(metric.SourceExecutions, "completed", "failed"),
	"failure_rate":         share(metric.SourceExecutions, "failed", "completed"),
	"executions_running":   plain(metric.SourceRunning, "running"),
	"duration_sum":         plain(metric.SourceExecutions, "duration"),
	"duration_avg":         meanDuration(metric.SourceExecutions),
	"duration_p50":         percentile(metric.SourceExecutions, 50),
	"duration_p90":         percentile(metric.SourceExecutions, 90),
	"duration_p95":         percentile(metric.SourceExecutions, 95),
	"duration_p99":         percentile(metric.SourceExecutions, 99),
	"duration_max":         maximum(metric.SourceExecutions),
	"executions_queued":    plain(metric.SourceExecutions, "queued"),
	"queue_time_sum":       plain(metric.SourceExecutions, "queue"),
	"queue_time_avg":       mean(metric.SourceExecutions, "queue", "queued"),
	"queue_time_p50":       percentileOf(metric.SourceExecutions, 50, "queue_histogram", "longest_queue"),
	"queue_time_p95":       percentileOf(metric.SourceExecutions, 95, "queue_histogram", "longest_queue"),
	"queue_time_max":       worst(metric.SourceExecutions, "longest_queue", "queued"),
	"executions_retried":   plain(metric.SourceExecutions, "retried"),
	"retry_rate":           retryRate(metric.SourceExecutions),
	"attempts_max":         mostAttempts(metric.SourceExecutions),
	"active_workflows":     plain(metric.SourceExecutions, "workflows"),
	"executing_users":      plain(metric.SourceExecutions, "users"),

	"steps":               ended(metric.SourceSteps),
	"steps_completed":     plain(metric.SourceSteps, "completed"),
	"steps_failed":        plain(metric.SourceSteps, "failed"),
	"steps_skipped":       plain(metric.SourceSteps, "skipped"),
	"step_failure_rate":   share(metric.SourceSteps, "failed", "completed"),
	"step_duration_sum":   plain(metric.SourceSteps, "duration"),
	"step_duration_avg":   meanDuration(metric.SourceSteps),
	"step_duration_p50":   percentile(metric.SourceSteps, 50),
	"step_duration_p90":   percentile(metric.SourceSteps, 90),
	"step_duration_p95":   percentile(metric.SourceSteps, 95),
	"step_duration_p99":   percentile(metric.SourceSteps, 99),
	"step_duration_max":   maximum(metric.SourceSteps),
	"steps_queued":        plain(metric.SourceSteps, "queued"),
	"step_queue_time_sum": plain(metric.SourceSteps, "queue"),
	"step_queue_time_avg": mean(metric.SourceSteps, "queue", "queued"),
	"step_queue_time_p50": percentileOf(metric.SourceSteps, 50, "queue_histogram", "longest_queue"),
	"step_queue_time_p95": percentileOf(metric.SourceSteps, 95, "queue_histogram", "longest_queue"),
	"step_queue_time_max": worst(metric.SourceSteps, "longest_queue", "queued"),
	"steps_retried":       plain(metric.SourceSteps, "retried"),
	"step_retry_rate":     retryRate(metric.SourceSteps),
	"step_attempts_max":   mostAttempts(metric.SourceSteps),
	"step_input_bytes":    plain(metric.SourceSteps, "input"),
	"step_output_bytes":   plain(metric.SourceSteps, "output"),
	"step_credits":        exactSum(metric.SourceSteps, "credits"),

	"credits":               exactSum(metric.SourceCosts, "credits"),
	"credits_charged":       charged("credits"),
	"credits_credited":      credited("credits"),
	"dollars":               exactSum(metric.SourceCosts, "dollars"),
	"dollars_charged":       charged("dollars"),
	"dollars_credited":      credited("dollars"),
	"dollars_derived":       exactSum(metric.SourceCosts, "dollars_derived"),
	"cost_records":          plain(metric.SourceCosts, "records"),
	"cost_records_credited": plain(metric.SourceCosts, "records_credited"),
	"cost_records_unpriced": plain(metric.SourceCosts, "records_unpriced"),
	"dollars_per_execution": perExecution("dollars"),
	"credits_per_execution": perExecution("credits"),

	"actions":          plain(metric.SourceActivity, "actions"),
	"action_duration":  plain(metric.SourceActivity, "duration"),
	"active_users":     plain(metric.SourceActivity, "users"),
	"active_users_7d":  plain(metric.SourceRolling, "week"),
	"active_users_28d": plain(metric.SourceRolling, "month"),
	"stickiness": {
		needs: refs(metric.SourceRolling, "days", "month"), order: "a_days / nullIf(a_month, 0)",
		value: func(in []cells, row int) (float64, bool) {
			return ratio(in[0].ints[row], in[1].ints[row]*rollingDays)
		},
	},
	"sessions":             plain(metric.SourceSessions, "sessions"),
	"active_time":          plain(metric.SourceSessions, "active"),
	"session_duration_avg": mean(metric.SourceSessions, "active", "sessions"),

	"events_received": {
		needs: refs(metric.SourceIngest, "accepted", "duplicate", "rejected"), order: "a_accepted + a_duplicate + a_rejected",
		value: func(in []cells, row int) (float64, bool) {
			return float64(in[0].ints[row] + in[1].ints[row] + in[2].ints[row]), true
		},
	},
	"events_accepted":  plain(metric.SourceIngest, "accepted"),
	"events_duplicate": plain(metric.SourceIngest, "duplicate"),
	"events_rejected":  plain(metric.SourceIngest, "rejected"),
	"events_added":     plain(metric.SourceIngest, "added"),
	"events_stored":    plain(metric.SourceIngest, "stored"),
	"ingest_lag_avg":   mean(metric.SourceIngest, "lag", "accepted"),
	"ingest_lag_max":   worst(metric.SourceIngest, "lag_max", "accepted"),
	"pending_buckets":  plain(metric.SourcePending, "pending"),
	"events_visible":   plain(metric.SourceVisible, "visible"),
	"events_replaced": {
		needs: refs(metric.SourceVisible, "replaced"), order: "greatest(a_replaced, 0)",
		// A batch that is stored and not yet counted at this moment is no reason to
		// show less than none.
		value: func(in []cells, row int) (float64, bool) { return float64(max(in[0].ints[row], 0)), true },
	},
	"execution_conflicts":     plain(metric.SourceConflicts, "conflicts"),
	"execution_conflict_span": worst(metric.SourceConflicts, "span", "conflicts"),
	"dead_letters":            plain(metric.SourceDeadLetters, "letters"),
}
