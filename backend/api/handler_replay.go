package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/query/requestjson"
)

const (
	// maxCorrected is the longest corrected payload.
	maxCorrected   = 32 << 20
	defaultReplays = 1000
	maxReplays     = 10_000
)

// ReplayDeadLetter answers POST /dead-letters/{id}/replay.
func (s server) ReplayDeadLetter(c *gin.Context, id string, params spec.ReplayDeadLetterParams) {
	if !s.replaysHere(c) {
		return
	}
	o, err := replayOrder(c, params)
	if err != nil {
		s.fail(c, err)
		return
	}
	result, err := s.replays.Replay(c.Request.Context(), principal(c), id, o)
	switch {
	case err != nil:
		s.fail(c, err)
	case result.Fault != nil:
		s.fail(c, result.Fault.problem())
	default:
		result.DryRun = o.DryRun
		c.JSON(http.StatusOK, gin.H{"data": result})
	}
}

func replayOrder(c *gin.Context, params spec.ReplayDeadLetterParams) (ReplayOrder, error) {
	o := ReplayOrder{DryRun: params.DryRun != nil && *params.DryRun, AsEvents: params.As != nil}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxCorrected))
	if err != nil {
		return o, &Problem{Type: problemType("too-large"), Title: "Too large", Status: http.StatusRequestEntityTooLarge, Detail: "a corrected payload may have 32 MiB"}
	}
	if len(body) > 0 {
		o.Body, o.ContentType = body, contentType(c)
	} else if o.AsEvents {
		return o, invalid("as", "events", "is about the corrected payload, and there is none", "")
	}
	return o, nil
}

// contentType leaves out what clients put there when nobody said.
func contentType(c *gin.Context) string {
	switch t := c.ContentType(); t {
	case "application/octet-stream", "application/x-www-form-urlencoded":
		return ""
	default:
		return t
	}
}

// problem is 422 unless nothing is wrong with the payload.
func (f *ReplayFault) problem() *Problem {
	p := &Problem{Type: problemType("not-replayed"), Title: "Not replayed", Status: http.StatusUnprocessableEntity, Detail: f.Detail, Code: f.Code, Errors: f.Errors}
	if f.Retry > 0 {
		p.Status, p.retryAfter = f.Status, max(1, int(f.Retry.Seconds()))
	}
	return p
}

// replayRequest is the body of POST /dead-letters/replay.
type replayRequest struct {
	DeadLetterFilter
	Limit  *int  `json:"limit,omitempty"`
	DryRun *bool `json:"dryRun,omitempty"` // true when it is absent
}

func (r *replayRequest) limit() (int, error) {
	if r.Limit == nil {
		return defaultReplays, nil
	}
	if *r.Limit < 1 || *r.Limit > maxReplays {
		return 0, invalid("limit", strconv.Itoa(*r.Limit), "must be 1 to "+strconv.Itoa(maxReplays), strconv.Itoa(defaultReplays))
	}
	return *r.Limit, nil
}

// ReplayDeadLetters answers POST /dead-letters/replay.
func (s server) ReplayDeadLetters(c *gin.Context) {
	if !s.replaysHere(c) {
		return
	}
	var r replayRequest
	err := decodeObject(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody), &r,
		"from", "to", "source", "kind", "code", "field", "key", "state", "search", "limit", "dryRun")
	if err == nil {
		err = r.check()
	}
	limit := 0
	if err == nil {
		limit, err = r.limit()
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	dryRun := r.DryRun == nil || *r.DryRun
	if strings.Contains(c.GetHeader("Accept"), mediaNDJSON) {
		s.replayStream(c, r.DeadLetterFilter, limit, dryRun)
		return
	}
	faults := []ReplayResult{}
	sum, err := s.replays.ReplayAll(c.Request.Context(), principal(c), r.DeadLetterFilter, limit, dryRun, func(res ReplayResult) error {
		if res.Fault != nil && len(faults) < defaultLetters {
			faults = append(faults, res)
		}
		return nil
	})
	if err != nil {
		s.fail(c, err)
		return
	}
	sum.DryRun = dryRun
	c.JSON(http.StatusOK, gin.H{"data": sum, "rejected": faults})
}

// replayStream answers a line for each dead letter while they are replayed, and the
// summary, or what went wrong, as the last one.
func (a *API) replayStream(c *gin.Context, f DeadLetterFilter, limit int, dryRun bool) {
	c.Header("Content-Type", mediaNDJSON)
	c.Status(http.StatusOK)
	lines := json.NewEncoder(c.Writer)
	sum, err := a.replays.ReplayAll(c.Request.Context(), principal(c), f, limit, dryRun, func(res ReplayResult) error {
		res.DryRun = dryRun
		if err := lines.Encode(res); err != nil {
			return err
		}
		c.Writer.Flush()
		return nil
	})
	if err != nil {
		p := problemOf(err)
		if p.Status >= http.StatusInternalServerError {
			a.log.ErrorContext(c.Request.Context(), "replay ended early", "error", err)
		}
		_ = lines.Encode(gin.H{"problem": p})
		return
	}
	sum.DryRun = dryRun
	_ = lines.Encode(gin.H{"summary": sum})
}

// decodeObject reads one JSON object. A member that it does not have is an error:
// misspelt, it would silently mean everything.
func decodeObject(body io.Reader, into any, members ...string) error {
	text, err := io.ReadAll(body)
	if err == nil {
		if null := requestjson.RefuseNulls(text); null != nil {
			return null
		}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err == nil {
		err = d.Decode(into)
	}
	if err == nil {
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return invalid("body", "", "must be one JSON object and nothing else", "")
		}
		return nil
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return invalid(strings.Trim(field, `"`), "", "no such member", "", members...)
	}
	return invalid("body", "", "must be a JSON object: "+err.Error(), `{"code":["too_long"],"dryRun":true}`)
}
