package api

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/query"
)

// report is the definition of one: questions, and the period that they are about.
type report struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Requests    []reportRequest `json:"requests"`
	Period      string          `json:"period,omitempty"`
	TimeZone    string          `json:"timeZone,omitempty"`
	Format      string          `json:"format,omitempty"`
	Schedule    *schedule       `json:"schedule,omitempty"`
}

// reportRequest is a question with a title. Its period may be left to the report.
type reportRequest struct {
	Title string    `json:"title,omitempty"`
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to,omitzero"`
	query.Request
}

type schedule struct {
	Every string `json:"every"`
	At    string `json:"at"`
}

const maxRequests = 20

var (
	reportPeriods = []string{"yesterday", "last_7_days", "last_30_days", "previous_week", "previous_month"}
	reportFormats = []string{"csv", "json"}
	scheduleEvery = []string{"day", "week", "month"}
	timeOfDay     = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
)

const reportExample = `{"name":"Runs of the week","period":"previous_week","requests":[{"metrics":["executions"],"groupBy":["workflow"]}]}`

// check reports what is wrong with a definition. What only the data can tell, its
// download does.
func (r *report) check() error {
	if err := named("name", r.Name); err != nil {
		return err
	}
	if len(r.Requests) < 1 || len(r.Requests) > maxRequests {
		return invalid("requests", strconv.Itoa(len(r.Requests)), "must be 1 to "+strconv.Itoa(maxRequests)+" requests", reportExample)
	}
	if _, err := zone(r.TimeZone); err != nil {
		return err
	}
	for _, m := range []struct {
		name, value string
		allowed     []string
	}{{"period", r.Period, reportPeriods}, {"format", r.Format, reportFormats}} {
		if m.value != "" && !slices.Contains(m.allowed, m.value) {
			return invalid(m.name, m.value, "must be one of "+strings.Join(m.allowed, ", "), m.allowed[0], m.allowed...)
		}
	}
	if s := r.Schedule; s != nil {
		if !slices.Contains(scheduleEvery, s.Every) {
			return invalid("schedule.every", s.Every, "must be one of "+strings.Join(scheduleEvery, ", "), "week", scheduleEvery...)
		}
		if !timeOfDay.MatchString(s.At) {
			return invalid("schedule.at", s.At, "must be a time of day", "07:30")
		}
	}
	for i, q := range r.Requests {
		at := fmt.Sprintf("requests.%d", i)
		if len([]rune(q.Title)) > maxName {
			return invalid(at+".title", q.Title, "must be text of up to "+strconv.Itoa(maxName)+" characters", "Runs of the week")
		}
		if r.Period == "" && (q.From.IsZero() || q.To.IsZero()) {
			return invalid("period", "", at+" has no period of its own, nor has the report", reportPeriods[1], reportPeriods...)
		}
		var wrong *query.RequestError
		if err := query.Sound(q.Request); errors.As(err, &wrong) {
			return invalid(at+"."+wrong.Param, wrong.Value, wrong.Message, wrong.Example, wrong.Allowed...)
		}
	}
	return nil
}

// questions are the report's requests with their periods. from and to, where they are
// given, are every request's.
func (r *report) questions(from, to, now time.Time) ([]query.Request, error) {
	out := make([]query.Request, len(r.Requests))
	for i, q := range r.Requests {
		out[i] = q.Request
		out[i].From, out[i].To = q.From, q.To
		if q.TimeZone == "" {
			out[i].TimeZone = r.TimeZone
		}
		loc, err := zone(out[i].TimeZone)
		if err != nil {
			return nil, err
		}
		switch {
		case !from.IsZero():
			out[i].From, out[i].To = from, to
		case q.From.IsZero() || q.To.IsZero():
			out[i].From, out[i].To = periodOf(r.Period, now.In(loc))
		}
	}
	return out, nil
}

// periodOf is the last period of a name that is over.
func periodOf(name string, now time.Time) (from, to time.Time) {
	y, m, d := now.Date()
	day := func(m time.Month, d int) time.Time { return query.DayStart(y, m, d, now.Location()) }
	switch name {
	case "last_7_days":
		return day(m, d-7), day(m, d)
	case "last_30_days":
		return day(m, d-30), day(m, d)
	case "previous_week":
		monday := d - (int(now.Weekday())+6)%7
		return day(m, monday-7), day(m, monday)
	case "previous_month":
		return day(m-1, 1), day(m, 1)
	}
	return day(m, d-1), day(m, d)
}

// render asks a report's questions as its reader and writes the answers: a file, or of
// several a zip of them.
func (a *API) render(ctx context.Context, p access.Principal, r *report, questions []query.Request, f *format) (media string, body []byte, err error) {
	var (
		packed bytes.Buffer
		files  = zip.NewWriter(&packed)
	)
	for i, q := range questions {
		res, err := a.analytics.Do(ctx, p, q)
		if err != nil {
			return "", nil, err
		}
		page, err := paged(nil, q, res)
		if err != nil {
			return "", nil, err
		}
		text, err := f.write(page)
		if err != nil {
			return "", nil, err
		}
		if len(questions) == 1 {
			return f.media, text, nil
		}
		file, err := files.Create(fmt.Sprintf("%02d-%s.%s", i+1, fileName(r.Requests[i].Title), f.name))
		if err == nil {
			_, err = file.Write(text)
		}
		if err != nil {
			return "", nil, err
		}
	}
	err = files.Close() // writes the end, without which it is no zip
	return "application/zip", packed.Bytes(), err
}

// fileName makes a name that every system takes.
func fileName(title string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, title), "-")
	if name == "" {
		return "report"
	}
	return name[:min(len(name), 80)]
}

func readReport(text []byte) (*report, error) {
	r := new(report)
	if err := decodeObject(bytes.NewReader(text), r, "name", "description", "requests", "period", "timeZone", "format", "schedule", "isPublic"); err != nil {
		var p *Problem
		if errors.As(err, &p) && p.Param == "body" {
			p.Example = reportExample
		}
		return nil, err
	}
	return r, r.check()
}
