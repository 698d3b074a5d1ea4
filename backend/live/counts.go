package live

import "github.com/flowgauge/flowgauge/backend/event"

// Figure is what is counted.
type Figure int

// The figures, in the order of a frame's mask.
const (
	Started Figure = iota
	Completed
	Failed
	Steps
	Actions
	CostRecords
	Rejected // of the whole tenant: nobody's in particular
	Late     // accepted, and of a time more than 15 minutes ago
	figures
)

// names are as in the catalogue, where it has them.
var names = [figures]string{
	"executions_started", "executions_completed", "executions_failed",
	"steps", "actions", "cost_records", "events_rejected", "events_late",
}

func (f Figure) String() string { return names[f] }

// Figures lists all.
func Figures() []Figure {
	out := make([]Figure, figures)
	for i := range out {
		out[i] = Figure(i)
	}
	return out
}

// Counts has a count for each figure.
type Counts [figures]uint64

func (c *Counts) add(o *Counts) {
	for i := range c {
		c[i] += o[i]
	}
}

func (c *Counts) subtract(o *Counts) {
	for i := range c {
		c[i] -= o[i]
	}
}

// executions are what groups are ranked by.
func (c *Counts) executions() uint64 { return c[Started] + c[Completed] + c[Failed] }

func (c *Counts) sum() (n uint64) {
	for _, v := range c {
		n += v
	}
	return n
}

// figureOf says as what an event counts; what has no figure is not counted.
func figureOf(kind event.Kind, status event.Status) (Figure, bool) {
	switch kind {
	case event.KindExecution:
		switch status {
		case event.StatusStarted:
			return Started, true
		case event.StatusCompleted:
			return Completed, true
		case event.StatusFailed:
			return Failed, true
		}
	case event.KindStep:
		return Steps, true
	case event.KindCost:
		return CostRecords, true
	case event.KindActivity:
		return Actions, true
	}
	return 0, false
}
