package event

import "strconv"

// reset prepares for the next event.
func (d *decoder) reset() {
	d.e = Event{PreviousTime: NoTime, EndTime: NoTime, QueuedTime: NoTime, DependsOn: d.e.DependsOn[:0]}
	d.err = nil
	d.names, d.values = 0, 0
	d.creditsUsed = Decimal{}
}

// fault notes what is wrong with the event, unless something was before. Reading
// goes on, for the id and to find where the event ends.
func (d *decoder) fault(code Code, f field, message string) {
	if d.err == nil {
		d.err = &Error{Code: code, Field: fieldNames[f], Message: message}
	}
}

// element reads the value at the front as an event. It returns false when the
// text is not JSON.
func (d *decoder) element() bool {
	if d.peek() != '{' {
		from := d.i
		if _, ok := d.skip(0); !ok {
			return false
		}
		d.fault(CodeNotAnObject, fieldUnknown, "an event is a JSON object, not "+quote(d.b[from:d.i]))
		return true
	}
	d.i++
	if d.space() == '}' {
		d.i++
		d.finish()
		return true
	}
	for position := 0; ; position++ {
		if d.peek() != '"' {
			return d.broken("a field's name in quotes")
		}
		if !d.member(position) {
			return false
		}
		switch d.space() {
		case ',':
			d.i++
			d.space()
		case '}':
			d.i++
			d.finish()
			return true
		default:
			return d.broken(`"," or "}"`)
		}
	}
}

// member reads a name and its value.
func (d *decoder) member(position int) bool {
	f, ok := d.guess(position)
	if !ok {
		var name []byte
		if f, name, ok = d.fieldName(position); !ok {
			return false
		}
		if f == fieldUnknown && d.err == nil {
			d.err = &Error{Code: CodeUnknownField, Field: cutName(name), Message: "no event has a field " + quote(name)}
		}
	}
	if !d.colon() {
		return false
	}
	if f == fieldUnknown {
		_, ok := d.skip(1)
		return ok
	}
	if d.names.has(f) {
		d.fault(CodeDuplicateField, f, "the field "+quote(fieldNames[f])+" is given twice")
	}
	d.names |= 1 << f
	if d.peek() == 'n' {
		return d.literal("null") // Absent.
	}
	return d.field(f)
}

// guess reads the name at the front when it is the one that the previous event
// had at this position. A sender's events mostly have the same fields in the
// same order, and one comparison is cheaper than a search.
func (d *decoder) guess(position int) (field, bool) {
	if position >= len(d.order) {
		return 0, false
	}
	f := d.order[position]
	name := fieldNames[f]
	end := d.i + 1 + len(name)
	if f == fieldUnknown || end >= len(d.b) || d.b[end] != '"' || string(d.b[d.i+1:end]) != name {
		return 0, false
	}
	d.i = end + 1
	return f, true
}

func (d *decoder) fieldName(position int) (field, []byte, bool) {
	sp, ok := d.text()
	if !ok {
		return 0, nil, false
	}
	name := d.b[sp.start:sp.end]
	if sp.escaped {
		if s, ok := d.value(sp); ok {
			name = []byte(s)
		}
	}
	f := fieldOf(name)
	if position < len(d.order) {
		d.order[position] = f
	}
	return f, name, true
}

// cutName bounds the name of an unknown field in an answer.
func cutName(name []byte) string {
	return string(name[:min(len(name), 64)])
}

// field reads the value of a field.
func (d *decoder) field(f field) bool {
	switch f {
	case fieldTimestamp:
		return d.time(f, &d.e.Time)
	case fieldStartTime:
		return d.time(f, &d.startTime)
	case fieldPreviousTimestamp:
		return d.time(f, &d.e.PreviousTime)
	case fieldQueuedTime:
		return d.time(f, &d.e.QueuedTime)
	case fieldEndTime:
		return d.time(f, &d.e.EndTime)
	case fieldDuration:
		return d.duration(f)
	case fieldInputSize:
		return d.count(f, MaxSize, func(n int64) { d.e.InputSize = n })
	case fieldOutputSize:
		return d.count(f, MaxSize, func(n int64) { d.e.OutputSize = n })
	case fieldWorkflowVersion:
		return d.count(f, 1<<32-1, func(n int64) { d.e.WorkflowVersion = uint32(n) })
	case fieldAttempt:
		return d.count(f, 1<<32-1, func(n int64) { d.e.Attempt = uint32(n) })
	case fieldStepCount:
		return d.count(f, 1<<32-1, func(n int64) { d.e.StepCount = uint32(n) })
	case fieldCredits:
		return d.amount(f, &d.e.Credits)
	case fieldCreditsUsed:
		return d.amount(f, &d.creditsUsed)
	case fieldDollarAmount:
		return d.amount(f, &d.e.Dollars)
	case fieldDependsOn:
		return d.dependsOn()
	case fieldMetadata:
		return d.metadata()
	case fieldKind:
		return d.kind()
	case fieldStatus:
		return d.status()
	}
	return d.string(f, textOf(&d.e, f))
}

// textOf returns the text of a field, one of textFields.
func textOf(e *Event, f field) *string {
	switch f {
	case fieldSource:
		return &e.Source
	case fieldTenantID:
		return &e.Tenant
	case fieldID:
		return &e.ID
	case fieldWorkflowID:
		return &e.WorkflowID
	case fieldUserID:
		return &e.UserID
	case fieldExecutionID:
		return &e.ExecutionID
	case fieldTriggerID:
		return &e.TriggerID
	case fieldTriggerType:
		return &e.TriggerType
	case fieldErrorType:
		return &e.ErrorType
	case fieldErrorMessage:
		return &e.ErrorMessage
	case fieldStepID:
		return &e.StepID
	case fieldStepType:
		return &e.StepType
	case fieldActionType:
		return &e.ActionType
	case fieldSessionID:
		return &e.SessionID
	case fieldAction:
		return &e.Action
	case fieldResource:
		return &e.Resource
	case fieldResourceID:
		return &e.ResourceID
	}
	panic("event: no text field " + strconv.Itoa(int(f)))
}
