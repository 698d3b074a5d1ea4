package otlp

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowgauge/flowgauge/backend/event"
)

// setter puts a text into a field, or says why it cannot be there; the error's message
// lacks the field's name at its front. What it lets through is checked by
// event.Validate.
type setter func(e *event.Event, text string) *event.Error

type fieldOf struct {
	kinds []event.Kind
	set   setter
}

const (
	execution = event.KindExecution
	step      = event.KindStep
	cost      = event.KindCost
	activity  = event.KindActivity
)

// fields are what a mapping can set. The times, the duration and the status are the
// span's.
var fields = map[string]fieldOf{
	"id":              {event.Kinds[:], words(func(e *event.Event) *string { return &e.ID })},
	"source":          {event.Kinds[:], words(func(e *event.Event) *string { return &e.Source })},
	"tenantId":        {event.Kinds[:], words(func(e *event.Event) *string { return &e.Tenant })},
	"userId":          {event.Kinds[:], words(func(e *event.Event) *string { return &e.UserID })},
	"workflowId":      {[]event.Kind{execution, step, cost}, words(func(e *event.Event) *string { return &e.WorkflowID })},
	"workflowVersion": {[]event.Kind{execution, step}, count(func(e *event.Event) *uint32 { return &e.WorkflowVersion })},
	"executionId":     {[]event.Kind{step, cost}, words(func(e *event.Event) *string { return &e.ExecutionID })},
	"attempt":         {[]event.Kind{execution, step}, count(func(e *event.Event) *uint32 { return &e.Attempt })},
	"queuedTime":      {[]event.Kind{execution, step}, setQueued},
	"triggerId":       {[]event.Kind{execution}, words(func(e *event.Event) *string { return &e.TriggerID })},
	"triggerType":     {[]event.Kind{execution}, words(func(e *event.Event) *string { return &e.TriggerType })},
	"stepCount":       {[]event.Kind{execution}, count(func(e *event.Event) *uint32 { return &e.StepCount })},
	"errorType":       {[]event.Kind{execution}, words(func(e *event.Event) *string { return &e.ErrorType })},
	"errorMessage":    {[]event.Kind{execution}, setMessage},
	"stepId":          {[]event.Kind{step}, words(func(e *event.Event) *string { return &e.StepID })},
	"stepType":        {[]event.Kind{step}, words(func(e *event.Event) *string { return &e.StepType })},
	"inputSize":       {[]event.Kind{step}, size(func(e *event.Event) *int64 { return &e.InputSize })},
	"outputSize":      {[]event.Kind{step}, size(func(e *event.Event) *int64 { return &e.OutputSize })},
	"dependsOn":       {[]event.Kind{step}, setDependsOn},
	"creditsUsed":     {[]event.Kind{step}, amount(func(e *event.Event) *event.Decimal { return &e.Credits })},
	"credits":         {[]event.Kind{cost}, amount(func(e *event.Event) *event.Decimal { return &e.Credits })},
	"dollarAmount":    {[]event.Kind{cost}, setDollars},
	"actionType":      {[]event.Kind{cost}, words(func(e *event.Event) *string { return &e.ActionType })},
	"sessionId":       {[]event.Kind{activity}, words(func(e *event.Event) *string { return &e.SessionID })},
	"action":          {[]event.Kind{activity}, words(func(e *event.Event) *string { return &e.Action })},
	"resource":        {[]event.Kind{activity}, words(func(e *event.Event) *string { return &e.Resource })},
	"resourceId":      {[]event.Kind{activity}, words(func(e *event.Event) *string { return &e.ResourceID })},
	"metadata":        {[]event.Kind{execution, cost, activity}, words(func(e *event.Event) *string { return &e.Metadata })},
}

// defaults are the fields of a mapping that says nothing else.
var defaults = map[event.Kind]map[string][]string{
	execution: {
		"id": {"{$trace}"}, "source": {"{service.name}"}, "userId": {"{user.id}", "{enduser.id}"}, "workflowId": {"{$name}"},
		"errorType": {"{error.type}", "{$exception.type}"}, "errorMessage": {"{$message}", "{$exception.message}"},
	},
	step: {"id": {"{$span}"}, "source": {"{service.name}"}, "executionId": {"{$trace}"}, "stepId": {"{$name}"}},
	cost: {"id": {"{$span}"}, "source": {"{service.name}"}, "userId": {"{user.id}", "{enduser.id}"}, "actionType": {"{$name}"}},
	activity: {
		"id": {"{$span}"}, "source": {"{service.name}"}, "userId": {"{user.id}", "{enduser.id}"},
		"sessionId": {"{session.id}"}, "action": {"{$name}"},
	},
}

func words(of func(*event.Event) *string) setter {
	return func(e *event.Event, text string) *event.Error {
		*of(e) = text
		return nil
	}
}

// setMessage cuts a message at its limit: an execution is not lost because its error
// has a long story.
func setMessage(e *event.Event, text string) *event.Error {
	text = strings.ToValidUTF8(text[:min(len(text), event.MaxMessageBytes)], "\ufffd")
	if end := event.MaxMessageBytes; len(text) > end {
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	e.ErrorMessage = text
	return nil
}

func setQueued(e *event.Event, text string) *event.Error {
	t, ok := parseTime(text)
	if !ok {
		return fault(event.CodeInvalidTime, aTime, text)
	}
	e.QueuedTime = t.UnixMilli()
	return nil
}

const aTime = "a date and time of RFC 3339"

// parseTime reads a time of RFC 3339, also with a space in the place of the T, as
// Python writes it.
func parseTime(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, err = time.Parse("2006-01-02 15:04:05.999999999Z07:00", text)
	}
	return t, err == nil
}

func whole(text string, most int64) (int64, *event.Error) {
	const want = "a whole number that is not negative"
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return 0, fault(event.CodeNotAnInteger, want, text)
		}
		n = int64(f)
	}
	switch {
	case n < 0:
		return 0, fault(event.CodeNegativeNumber, want, text)
	case n > most:
		return 0, fault(event.CodeOutOfRange, "at most "+strconv.FormatInt(most, 10), text)
	}
	return n, nil
}

func count(of func(*event.Event) *uint32) setter {
	return func(e *event.Event, text string) *event.Error {
		n, err := whole(text, math.MaxUint32)
		*of(e) = uint32(n)
		return err
	}
}

func size(of func(*event.Event) *int64) setter {
	return func(e *event.Event, text string) (err *event.Error) {
		*of(e), err = whole(text, event.MaxSize)
		return err
	}
}

func amount(of func(*event.Event) *event.Decimal) setter {
	return func(e *event.Event, text string) *event.Error {
		d, err := event.ParseDecimal([]byte(text))
		if err != nil {
			return fault(event.CodeInvalidAmount, "a number with at most 15 decimal places, below 1e23", text)
		}
		*of(e) = d
		return nil
	}
}

func setDollars(e *event.Event, text string) *event.Error {
	e.Pricing = event.PricingSent
	return dollars(e, text)
}

var dollars = amount(func(e *event.Event) *event.Decimal { return &e.Dollars })

// setDependsOn reads an array of strings, or a list with commas. Empty ones are none.
func setDependsOn(e *event.Event, text string) *event.Error {
	e.DependsOn = nil
	if strings.HasPrefix(text, "[") {
		if json.Unmarshal([]byte(text), &e.DependsOn) != nil {
			return fault(event.CodeWrongType, "an array of step ids", text)
		}
		e.DependsOn = slices.DeleteFunc(e.DependsOn, func(id string) bool { return id == "" })
		return nil
	}
	for id := range strings.SplitSeq(text, ",") {
		if id = strings.TrimSpace(id); id != "" {
			e.DependsOn = append(e.DependsOn, id)
		}
		if len(e.DependsOn) > event.MaxDependsOn {
			break // It is rejected; what else is in it does not matter.
		}
	}
	return nil
}

// fault makes an error; the field's name is put before its message.
func fault(code event.Code, want, text string) *event.Error {
	if len(text) > 64 {
		text = text[:64] + "…"
	}
	return &event.Error{Code: code, Message: " must be " + want + ", not " + strconv.Quote(text)}
}
