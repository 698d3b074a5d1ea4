package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/api/spec"
	"github.com/flowgauge/flowgauge/backend/document"
	"github.com/flowgauge/flowgauge/backend/document/dashboard"
	"github.com/flowgauge/flowgauge/backend/query/requestjson"
)

// shownReport is a report's definition with what the server knows of it.
type shownReport struct {
	ours
	*report
}

func reportOf(d document.Document) (*report, error) {
	r := new(report)
	if err := json.Unmarshal(d.Body, r); err != nil {
		return nil, fmt.Errorf("report %s: %w", d.ID, err)
	}
	return r, nil
}

func (s server) reports() shelf {
	return shelf{s.API, s.reportDocs, func(d document.Document) (any, error) {
		r, err := reportOf(d)
		return shownReport{oursOf(d), r}, err
	}}
}

func takeReport(text []byte) (document.Document, error) {
	d := document.Document{}
	raw, err := dashboard.Parse(text)
	if err != nil {
		return d, invalid("body", "", err.Error(), reportExample)
	}
	if d.Public, err = takeOurs(raw); err != nil {
		return d, err
	}
	if err := requestjson.NoNulls("", raw); err != nil {
		return d, err
	}
	if text, err = json.Marshal(raw); err != nil {
		return d, err
	}
	r, err := readReport(text)
	if err != nil {
		return d, err
	}
	d.Name = r.Name
	d.Body, err = json.Marshal(r)
	return d, err
}

// ListReports answers GET /reports.
func (s server) ListReports(c *gin.Context, params spec.ListReportsParams) {
	s.reports().list(c, params.Limit, params.Cursor)
}

// CreateReport answers POST /reports.
func (s server) CreateReport(c *gin.Context) {
	if shelf := s.reports(); shelf.here(c) {
		var d document.Document
		text, err := body(c)
		if err == nil {
			d, err = takeReport(text)
		}
		shelf.create(c, d, err)
	}
}

// GetReport answers GET /reports/{id}.
func (s server) GetReport(c *gin.Context, id string) {
	shelf := s.reports()
	shelf.get(c, id, shelf.show)
}

// PutReport answers PUT /reports/{id}.
func (s server) PutReport(c *gin.Context, id string, _ spec.PutReportParams) {
	s.reports().put(c, id, c.GetHeader("If-Match"), func(text []byte, _ document.Document) (document.Document, error) { return takeReport(text) })
}

// DeleteReport answers DELETE /reports/{id}.
func (s server) DeleteReport(c *gin.Context, id string, _ spec.DeleteReportParams) {
	s.reports().remove(c, id, c.GetHeader("If-Match"))
}

// DownloadReport answers GET /reports/{id}/download.
func (s server) DownloadReport(c *gin.Context, id string, params spec.DownloadReportParams) {
	shelf := s.reports()
	if !shelf.here(c) {
		return
	}
	d, err := shelf.docs.Get(c.Request.Context(), principal(c), id)
	if err != nil {
		shelf.refuse(c, err)
		return
	}
	r, err := reportOf(d)
	if err != nil {
		s.fail(c, err)
		return
	}
	from, to, err := givenPeriod(params, r.TimeZone)
	if err != nil {
		s.fail(c, err)
		return
	}
	questions, err := r.questions(from, to, time.Now())
	if err != nil {
		s.fail(c, err)
		return
	}
	name := r.Format
	if params.Format != nil {
		name = string(*params.Format)
	}
	if name == "" {
		name = "csv"
	}
	f := &formats[slices.IndexFunc(formats, func(f format) bool { return f.name == name })]
	media, body, err := s.render(c.Request.Context(), principal(c), r, questions, f)
	if err != nil {
		s.fail(c, err)
		return
	}
	extension := f.name
	if media == "application/zip" {
		extension = "zip"
	}
	c.Header("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fileName(r.Name)+"."+extension))
	s.send(c, media, body)
}

// givenPeriod reads from and to, which come together.
func givenPeriod(params spec.DownloadReportParams, timeZone string) (from, to time.Time, err error) {
	if params.From == nil && params.To == nil {
		return from, to, nil
	}
	if params.From == nil || params.To == nil {
		missing := "from"
		if params.To == nil {
			missing = "to"
		}
		return from, to, invalid(missing, "", "from and to come together", "2026-03-01T00:00:00Z")
	}
	loc, err := zone(timeZone)
	if err != nil {
		return from, to, err
	}
	from, err1 := instant("from", *params.From, loc)
	to, err2 := instant("to", *params.To, loc)
	return from, to, errors.Join(err1, err2)
}
