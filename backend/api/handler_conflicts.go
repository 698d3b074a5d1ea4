package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/query"
)

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

// GetConflicts answers GET /conflicts.
func (s server) GetConflicts(c *gin.Context, params spec.GetConflictsParams) {
	if s.conflictList == nil {
		s.problem(c, elsewhere("this process does not answer questions"))
		return
	}
	r, err := read(params).request(query.Request{})
	if err != nil {
		s.fail(c, err)
		return
	}
	res, err := s.conflictList.Conflicts(c.Request.Context(), principal(c), r)
	if err != nil {
		s.fail(c, err)
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
