package schema

import "slices"

// Narrow is a rollup that keeps a part of a kind's dimensions: the rows of the kind's
// narrow table that have its name in the column kept. What they do not keep is empty.
// The roller writes them and queries read them; both have it from here.
type Narrow struct {
	Name   string
	Keep   []string // columns
	Levels []string // at which there is one
}

// Keeps reports whether all columns are kept.
func (n Narrow) Keeps(columns []string) bool {
	return !slices.ContainsFunc(columns, func(c string) bool { return !slices.Contains(n.Keep, c) })
}

// Has reports whether there is one at a level.
func (n Narrow) Has(level string) bool { return slices.Contains(n.Levels, level) }

func overview(columns ...string) Narrow {
	return Narrow{"overview", columns, []string{"minute", "quarter", "day"}}
}

var (
	byWorkflow = Narrow{"workflow", []string{"workflow_id"}, []string{"minute", "quarter", "day"}}
	byUser     = Narrow{"user", []string{"user_id"}, []string{"quarter_user", "day_user"}}
)

// detail is by all dimensions but the user, with a workflow's rows of a day together.
func detail(columns ...string) Narrow {
	return Narrow{"detail", append([]string{"workflow_id"}, columns...), []string{"quarter", "day"}}
}

// Narrows are a kind's narrow rollups, those with fewer rows first.
var Narrows = map[string][]Narrow{
	"execution": {overview("trigger_type", "error_type"), byWorkflow, byUser, detail("workflow_version", "trigger_type", "error_type")},
	"step":      {overview("step_type"), byWorkflow, byUser, detail("workflow_version", "step_id", "step_type")},
	"cost":      {overview("action_type"), byWorkflow, byUser, detail("action_type")},
	"activity":  {overview("action", "resource"), byUser},
}

// NarrowWriter is what a roller that writes these puts in the column writer of
// bucket_versions.
const NarrowWriter = 1
