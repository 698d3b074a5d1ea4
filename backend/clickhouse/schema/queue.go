package schema

import (
	"fmt"

	"github.com/flowgauge/flowgauge/backend/event"
)

// Queue says, as SQL over raw rows, how long an execution or a step waited. The
// roller and the queries that read raw rows have it from here, so that they agree.
type Queue struct {
	Known string // whether the row has a queue time
	Ms    string // how long, where it is known
}

// QueueOf is the wait of the rows for which a condition holds, from queuedTime to
// start. A start before queuedTime is two clocks that differ, and no wait.
func QueueOf(condition, start string) Queue {
	return Queue{
		Known: "(" + condition + " AND toUnixTimestamp64Milli(queued_time) != 0)",
		Ms:    "greatest(" + start + " - toUnixTimestamp64Milli(queued_time), 0)",
	}
}

var (
	// ExecutionQueue is that of executions: the terminal event tells it by itself,
	// since it began its duration ago.
	ExecutionQueue = QueueOf("status != 'started'", "toUnixTimestamp64Milli(time) - duration_ms")
	// StepQueue is that of steps. A skipped one did not wait to run.
	StepQueue = QueueOf("status != 'skipped'", "toUnixTimestamp64Milli(time)")
)

// DurationBucket is event.DurationBucket as SQL, for times that no column has the
// bucket of. The bounds within a doubling are irrational and no millisecond is near
// one, so that the logarithm's last digit does not matter; a test holds it to that.
func DurationBucket(ms string) string {
	return fmt.Sprintf("if(%[1]s <= 0, toInt16(%[2]d), toInt16(ceil(log2((%[1]s) / 1000) * 16)))", ms, event.ZeroBucket)
}
