package openlineage

import (
	"encoding/json"
	"net/http"

	"github.com/flowgauge/flowgauge/collector/receive"
)

// result is the answer of the specification's API to a batch.
type result struct {
	Status  string   `json:"status"`
	Summary summary  `json:"summary"`
	Failed  []failed `json:"failed_events"`
}

type summary struct {
	Received     int `json:"received"`
	Successful   int `json:"successful"`
	Failed       int `json:"failed"`
	Retriable    int `json:"retriable"`
	NonRetriable int `json:"non_retriable"`
}

type failed struct {
	Index     int    `json:"index"`
	Reason    string `json:"reason"`
	Retriable bool   `json:"retriable"`
}

// Answer is 200 when what was sent is durable. Of a batch some or all events may
// have failed; they are dead letters, and to send them again as they are is of no
// use. What may be tried again is refused as a whole.
func (p *Endpoint) Answer(_ receive.Message, o *receive.Outcome) receive.Answer {
	if o.Refusal != nil && (!p.batch || o.Refusal.Code != receive.CodeNoUsableEvent) {
		return receive.Problem(o)
	}
	good, bad := o.Accepted+o.Duplicates+o.Ignored, len(o.Errors)+o.ErrorsOmitted
	r := result{
		Status:  "success",
		Summary: summary{Received: good + bad, Successful: good, Failed: bad, NonRetriable: bad},
		Failed:  make([]failed, 0, len(o.Errors)),
	}
	if bad > 0 {
		r.Status = "partial_success"
	}
	for _, e := range o.Errors {
		r.Failed = append(r.Failed, failed{Index: e.Index, Reason: string(e.Code) + ": " + e.Message})
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic("openlineage: " + err.Error()) // The types have nothing that cannot be marshalled.
	}
	return receive.Answer{Status: http.StatusOK, ContentType: mediaJSON, Body: text}
}
