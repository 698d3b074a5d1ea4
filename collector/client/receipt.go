package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// EventError says why one event of a request was rejected.
type EventError struct {
	Index   int    `json:"index"` // of the event in the request, from 0
	ID      string `json:"id"`
	Code    string `json:"code"`
	Field   string `json:"field"` // at fault, "" when no single one is
	Message string `json:"message"`
}

// Receipt says what became of a request's events.
type Receipt struct {
	Accepted   int          `json:"accepted"`
	Duplicates int          `json:"duplicates"` // within the request
	Errors     []EventError `json:"errors"`
	// Omitted is how many more events were rejected than the answer lists.
	Omitted int `json:"errorsOmitted"`
}

// parseReceipt reads the answer to a request of n events. It returns false for
// an answer that accounts for no event.
func parseReceipt(status int, body []byte, n int) (Receipt, bool, error) {
	switch status {
	case http.StatusAccepted:
		if len(bytes.TrimSpace(body)) == 0 {
			return Receipt{Accepted: n}, true, nil
		}
	case http.StatusMultiStatus, http.StatusBadRequest, http.StatusUnprocessableEntity:
	default:
		return Receipt{}, false, nil
	}
	var r Receipt
	err := json.Unmarshal(body, &r)
	if status != http.StatusAccepted && status != http.StatusMultiStatus {
		// None is usable: with a reason for each it is a receipt, without it
		// the request itself is at fault.
		return r, err == nil && len(r.Errors) > 0, nil
	}
	if err != nil {
		return Receipt{}, false, fmt.Errorf("read the collector's %d answer: %w", status, err)
	}
	for _, e := range r.Errors {
		if e.Index < 0 || e.Index >= n {
			return Receipt{}, false, fmt.Errorf("read the collector's %d answer: event %d of %d", status, e.Index, n)
		}
	}
	return r, true, nil
}
