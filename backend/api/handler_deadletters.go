package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	defaultLetters = 100
	maxLetters     = 1000
	defaultPayload = 4 << 10
	maxPayload     = 64 << 10
)

var (
	letterStates = []string{"open", "replayed", "discarded"}
	// letterLists may be given several times.
	letterLists      = []string{"source", kindParam, "code", "field", "key", "state"}
	letterParameters = append([]string{"from", "to", "timeZone", "search", "limit", "cursor", "payload"}, letterLists...)
)

// deadLetters answers GET /dead-letters.
func (a *API) deadLetters(c *gin.Context) {
	f, page, err := letterRequest(c.Request.URL.Query())
	if err != nil {
		a.fail(c, err)
		return
	}
	letters, next, err := a.letters.List(c.Request.Context(), principal(c), f, page)
	if err != nil {
		a.fail(c, err)
		return
	}
	if letters == nil {
		letters = []DeadLetter{}
	}
	answer := gin.H{"data": letters}
	if next != "" {
		answer["next"] = next
	}
	c.JSON(http.StatusOK, answer)
}

// deadLetter answers GET /dead-letters/:id.
func (a *API) deadLetter(c *gin.Context) {
	l, err := a.letters.Get(c.Request.Context(), principal(c), c.Param("id"))
	if err != nil {
		a.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"data": l})
}

// discard answers DELETE /dead-letters/:id.
func (a *API) discard(c *gin.Context) {
	l, err := a.letters.Discard(c.Request.Context(), principal(c), c.Param("id"))
	if err != nil {
		a.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"data": l})
}

func letterRequest(raw url.Values) (f DeadLetterFilter, page DeadLetterPage, err error) {
	for name := range raw {
		if !slices.Contains(letterParameters, name) {
			return f, page, unknownParameter([]string{name}, letterParameters)
		}
		if len(raw[name]) > 1 && !slices.Contains(letterLists, name) {
			return f, page, invalid(name, "", "given more than once", "")
		}
	}
	if f, err = letterFilter(raw); err != nil {
		return f, page, err
	}
	page = DeadLetterPage{Cursor: raw.Get("cursor")}
	if page.Limit, err = number(raw, "limit", defaultLetters, 1, maxLetters); err != nil {
		return f, page, err
	}
	page.Payload, err = number(raw, "payload", defaultPayload, 0, maxPayload)
	return f, page, err
}

func letterFilter(raw url.Values) (DeadLetterFilter, error) {
	f := DeadLetterFilter{
		Sources: raw["source"], Kinds: raw[kindParam], Codes: raw["code"], Fields: raw["field"], Keys: raw["key"],
		States: raw["state"], Search: raw.Get("search"),
	}
	loc, err := zone(raw.Get("timeZone"))
	if err != nil {
		return f, err
	}
	for _, p := range []struct {
		name string
		into *time.Time
	}{{"from", &f.From}, {"to", &f.To}} {
		if text := raw.Get(p.name); text != "" {
			if *p.into, err = instant(p.name, text, loc); err != nil {
				return f, err
			}
		}
	}
	return f, f.check()
}

// check looks for what would match nothing.
func (f *DeadLetterFilter) check() error {
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return invalid("to", f.To.Format(time.RFC3339), "must be later than from: the end of the period is exclusive", "")
	}
	for _, s := range f.States {
		if !slices.Contains(letterStates, s) {
			return invalid("state", s, "no such state", letterStates[0], letterStates...)
		}
	}
	return nil
}

func number(raw url.Values, name string, absent, least, most int) (int, error) {
	text := raw.Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, invalid(name, text, "must be a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most), strconv.Itoa(absent))
	}
	return n, nil
}
