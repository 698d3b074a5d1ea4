package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/metric"
	"github.com/flowgauge/flowgauge/backend/query"
)

var (
	countedMetrics = []string{"events_received", "events_accepted", "events_duplicate", "events_rejected", "events_added", "events_stored"}
	visibleMetrics = []string{"events_visible", "events_replaced"}
)

// counted is what was received and what became of it. received is accepted +
// duplicate + rejected. stored is accepted + added, once nothing waits in the log. Of
// what was stored, visible stands, and replaced does not any more; both are null for
// periods too long to read all events.
type counted struct {
	Time   *time.Time `json:"time,omitempty"`
	Source *string    `json:"source,omitempty"`
	Kind   *string    `json:"kind,omitempty"`

	Received  float64  `json:"received"`
	Accepted  float64  `json:"accepted"`
	Duplicate float64  `json:"duplicate"`
	Rejected  float64  `json:"rejected"`
	Added     float64  `json:"added"`
	Stored    float64  `json:"stored"`
	Visible   *float64 `json:"visible"`
	Replaced  *float64 `json:"replaced"`
}

type completenessMeta struct {
	query.Meta
	// Waiting are records of this process's log that are not stored and therefore
	// not counted yet; null where it has none.
	Waiting *int64 `json:"waiting"`
}

// kindParam is what the endpoints about taking events in call metric.EventKind.
const kindParam = "kind"

// GetCompleteness answers GET /completeness.
func (s server) GetCompleteness(c *gin.Context, params spec.GetCompletenessParams) {
	r, err := read(params).request(query.Request{})
	if err != nil {
		s.fail(c, err)
		return
	}
	for i, f := range r.Filters {
		if f.Dimension == kindParam {
			r.Filters[i].Dimension = metric.EventKind
		}
	}
	r.Metrics = countedMetrics
	if r.To.Sub(r.From) <= query.DefaultRawReceived {
		r.Metrics = slices.Concat(countedMetrics, visibleMetrics)
	}
	r.GroupBy = []string{metric.EventSource, metric.EventKind}
	var waiting *int64
	if s.waiting != nil { // Before it is counted: what is stored meanwhile is in both.
		n := s.waiting()
		waiting = &n
	}
	rows, err := s.analytics.Do(c.Request.Context(), principal(c), r)
	if err != nil {
		s.fail(c, err)
		return
	}
	whole := r
	whole.GroupBy, whole.Granularity = nil, query.Whole
	total, err := s.analytics.Do(c.Request.Context(), principal(c), whole)
	if err != nil {
		s.fail(c, err)
		return
	}
	sum := counted{}
	if all := countedRows(total); len(all) > 0 {
		sum = all[0]
	}
	meta := completenessMeta{Meta: rows.Meta, Waiting: waiting}
	if len(r.Metrics) == len(countedMetrics) {
		meta.Notices = append(meta.Notices, "visible and replaced are read from the events themselves and given for periods up to 31 days")
	}
	c.JSON(http.StatusOK, gin.H{"data": countedRows(rows), "total": sum, "meta": meta})
}

func countedRows(r *query.Result) []counted {
	out := make([]counted, r.Frame.Rows())
	for _, f := range r.Frame.Fields {
		for i := range out {
			row := &out[i]
			switch v := f.At(i).(type) {
			case time.Time:
				row.Time = &v
			case string:
				if f.Name == metric.EventSource {
					row.Source = &v
				} else {
					row.Kind = &v
				}
			case *float64:
				row.set(f.Name, v)
			}
		}
	}
	return out
}

func (row *counted) set(name string, v *float64) {
	into := map[string]*float64{
		"events_received": &row.Received, "events_accepted": &row.Accepted, "events_duplicate": &row.Duplicate,
		"events_rejected": &row.Rejected, "events_added": &row.Added, "events_stored": &row.Stored,
	}
	switch {
	case name == "events_visible":
		row.Visible = orZero(v)
	case name == "events_replaced":
		row.Replaced = orZero(v)
	case v != nil:
		*into[name] = *v
	}
}

// orZero is a count where there was nothing to count.
func orZero(v *float64) *float64 {
	if v == nil {
		return new(float64)
	}
	return v
}
