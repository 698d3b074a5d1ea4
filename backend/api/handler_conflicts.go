package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

var conflictParameters = []string{"from", "to", "timeZone", "limit", metric.Workflow, metric.Execution}

// conflict is an execution that ended more than once.
type conflict struct {
	Execution string `json:"execution"`
	Workflow  string `json:"workflow"` // of the last end
	Ends      []end  `json:"ends"`     // in order of time
}

type end struct {
	Time       time.Time `json:"time"`
	Status     string    `json:"status"`
	Attempt    int64     `json:"attempt,omitempty"`
	Source     string    `json:"source,omitempty"`
	ReceivedAt time.Time `json:"receivedAt"`
}

// conflicts answers GET /conflicts.
func (a *API) conflicts(c *gin.Context) {
	if a.conflictList == nil {
		a.problem(c, elsewhere("this process does not answer questions"))
		return
	}
	r, err := collectorRequest(c.Request.URL.Query(), conflictParameters)
	if err != nil {
		a.fail(c, err)
		return
	}
	res, err := a.conflictList.Conflicts(c.Request.Context(), principal(c), r)
	if err != nil {
		a.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"data": conflictsOf(res), "meta": res.Meta})
}

func conflictsOf(r *query.Result) []conflict {
	out := []conflict{}
	text := func(field string, row int) string {
		f, _ := r.Frame.FieldByName(field)
		s, _ := f.At(row).(string)
		return s
	}
	at := func(field string, row int) time.Time {
		f, _ := r.Frame.FieldByName(field)
		t, _ := f.At(row).(time.Time)
		return t
	}
	for i := range r.Frame.Rows() {
		id := text("execution", i)
		if len(out) == 0 || out[len(out)-1].Execution != id {
			out = append(out, conflict{Execution: id})
		}
		f, _ := r.Frame.FieldByName("attempt")
		attempt, _ := f.At(i).(int64)
		last := &out[len(out)-1]
		last.Workflow = text("workflow", i)
		last.Ends = append(last.Ends, end{Time: at("time", i), Status: text("status", i), Attempt: attempt, Source: text("source", i), ReceivedAt: at("received_at", i)})
	}
	return out
}
