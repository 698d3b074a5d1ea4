package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/metric"
)

// maxValues is how many values a repeatable parameter may have, as a filter of a request.
const maxValues = 10_000

// spellings are the PRD's names of dimensions, accepted beside the catalogue's.
var spellings = map[string]string{
	"workflowId": metric.Workflow, "workflowVersion": metric.Version, "triggerType": metric.TriggerType,
	"errorType": metric.ErrorType, "userId": metric.User, "stepId": metric.Step, "stepType": metric.StepType,
	"actionType": metric.ActionType,
}

func dimensionName(name string) string {
	if d, ok := spellings[name]; ok {
		return d
	}
	return name
}

// check refuses what the document does not describe.
func (a *API) check(o *operation) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Set(operationKey, o)
		raw, err := url.ParseQuery(c.Request.URL.RawQuery)
		if err != nil {
			a.fail(c, invalid("query", "", "the query string is none: "+err.Error(), "from=2026-03-01T00:00:00Z"))
			return
		}
		if err := o.check(raw); err != nil {
			a.fail(c, err)
			return
		}
		for _, p := range o.in("path") {
			if err := p.value(c.Param(p.Name)); err != nil {
				a.fail(c, err)
				return
			}
		}
		for _, p := range o.in("header") {
			for _, v := range c.Request.Header.Values(p.Name) {
				if err := p.value(v); err != nil {
					a.fail(c, err)
					return
				}
			}
		}
		c.Request.URL.RawQuery = raw.Encode()
	}
}

const operationKey = "flowgauge.operation"

// operationOf returns which operation a request is; nil before it is known.
func operationOf(c *gin.Context) *operation {
	v, _ := c.Get(operationKey)
	o, _ := v.(*operation)
	return o
}

// check checks a query string, and writes it as the document does.
func (o *operation) check(raw url.Values) error {
	known := o.in("query")
	var unknown []string
	for name, values := range raw {
		if d := dimensionName(name); d != name && o.find(d) != nil {
			delete(raw, name)
			raw[d] = append(raw[d], values...)
			continue
		}
		if !slices.ContainsFunc(known, func(p *parameter) bool { return p.Name == name }) {
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return unknownParameter(unknown, known)
	}
	for _, p := range known {
		values := raw[p.Name]
		if p.Schema.is("string") && len(values) == 1 && values[0] == "" && p.Schema.Enum == nil && p.Schema.Pattern == "" {
			delete(raw, p.Name)
			values = nil
		}
		switch {
		case len(values) == 0 && p.Required:
			return invalid(p.Name, "", "required: "+p.describe(), p.example(), p.allowed()...)
		case len(values) > 1 && !p.Schema.is("array"):
			return invalid(p.Name, "", "given more than once", p.example(), p.allowed()...)
		case len(values) > maxValues:
			return invalid(p.Name, "", "given more than "+strconv.Itoa(maxValues)+" times", p.example(), p.allowed()...)
		}
		for _, v := range values {
			if err := p.value(v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *schema) is(name string) bool { return s.Type == name }

// one is the schema of a single value.
func (p *parameter) one() *schema {
	if p.Schema.is("array") && p.Schema.Items != nil {
		return p.Schema.Items
	}
	return &p.Schema
}

// value checks one value.
func (p *parameter) value(v string) error {
	s, ok := p.one(), utf8.ValidString(v) && !strings.ContainsRune(v, 0)
	switch {
	case !ok:
	case s.Enum != nil:
		ok = slices.Contains(s.Enum, v)
	case s.is("integer"):
		n, err := strconv.Atoi(v)
		ok = err == nil && strconv.Itoa(n) == v && (s.Minimum == nil || n >= *s.Minimum) && (s.Maximum == nil || n <= *s.Maximum)
	case s.is("number"):
		n, err := strconv.ParseFloat(v, 64)
		ok = err == nil && (s.Minimum == nil || n >= float64(*s.Minimum)) && (s.Maximum == nil || n <= float64(*s.Maximum))
	case s.is("boolean"):
		ok = v == "true" || v == "false"
	default:
		n := utf8.RuneCountInString(v)
		ok = n >= s.MinLength && (s.MaxLength == 0 || n <= s.MaxLength) && (s.compiled == nil || s.compiled.MatchString(v))
	}
	if ok {
		return nil
	}
	return invalid(p.Name, v, "must be "+p.describe(), p.example(), p.allowed()...)
}

// describe says in words what a value may be.
func (p *parameter) describe() string {
	s := p.one()
	switch {
	case s.Enum != nil:
		return "one of " + strings.Join(s.Enum, ", ")
	case s.is("boolean"):
		return "true or false"
	case s.is("integer") || s.is("number"):
		words := "a number"
		if s.is("integer") {
			words = "a whole number"
		}
		if s.Minimum != nil {
			words += " from " + strconv.Itoa(*s.Minimum)
		}
		if s.Maximum != nil {
			words += " to " + strconv.Itoa(*s.Maximum)
		}
		return words
	case p.Name == "from" || p.Name == "to":
		return "a time as RFC 3339, or a date"
	case s.Pattern != "" && s.Description != "":
		return s.Description
	case s.Pattern != "":
		return "text of the form " + s.Pattern
	case s.MaxLength > 0:
		return fmt.Sprintf("text of %d to %d characters", s.MinLength, s.MaxLength)
	}
	return "text of valid UTF-8 without zero bytes"
}

// allowed lists all values, where they are few.
func (p *parameter) allowed() []string {
	if s := p.one(); s.is("boolean") {
		return []string{"true", "false"}
	}
	return p.one().Enum
}

// example is a value that works: the document's, the default, or the first that is allowed.
func (p *parameter) example() string {
	if several, ok := p.Example.([]any); ok && len(several) > 0 {
		return fmt.Sprint(several[0])
	}
	switch allowed := p.allowed(); {
	case p.Example != nil:
		return fmt.Sprint(p.Example)
	case p.Schema.Default != nil:
		return fmt.Sprint(p.Schema.Default)
	case allowed != nil:
		return allowed[0]
	case p.one().Minimum != nil:
		return strconv.Itoa(*p.one().Minimum)
	}
	return ""
}

// unknownParameter lists what an operation takes.
func unknownParameter(names []string, known []*parameter) *Problem {
	allowed, example := make([]string, len(known)), ""
	for i, p := range known {
		allowed[i] = p.Name
		if text := p.example(); text != "" && example == "" {
			example = p.Name + "=" + text
		}
	}
	return invalid(names[0], "", "no such parameter: "+strings.Join(names, ", "), example, allowed...)
}
