package event

import "math/bits"

// finish checks what only the whole event shows, and puts the fields that two
// kinds spell differently in their place.
func (d *decoder) finish() {
	e := &d.e
	if e.Tenant == "" {
		e.Tenant = d.opts.Tenant
	} else if e.Tenant != d.opts.Tenant && !d.opts.CrossTenant {
		d.fault(CodeTenantMismatch, fieldTenantID, "the API key is not of tenant "+quote(e.Tenant))
	}
	if d.err != nil {
		return
	}
	if e.Tenant == "" {
		d.fault(CodeMissingField, fieldTenantID, "the API key has no tenant of its own, so tenantId is needed")
		return
	}
	if e.Kind == 0 {
		d.missing(fieldKind)
		return
	}
	if foreign := d.values &^ kindFields[e.Kind]; foreign != 0 {
		f := field(bits.TrailingZeros64(uint64(foreign)))
		d.fault(CodeUnknownField, f, e.Kind.article()+" has no field "+quote(fieldNames[f])+"; other kinds of event do")
		return
	}
	for _, f := range requiredFields[e.Kind] {
		if !d.values.has(f) {
			d.missing(f)
			return
		}
	}
	if e.Kind == KindStep {
		e.Time, e.Credits = d.startTime, d.creditsUsed
	}
	if e.PreviousTime == e.Time {
		e.PreviousTime = NoTime // Nothing moved; to forget the old time would forget the event.
	}
	switch e.Kind {
	case KindExecution:
		d.finishExecution()
	case KindStep:
		d.finishStep()
	case KindCost:
		if d.values.has(fieldDollarAmount) {
			return
		}
		e.Pricing = PricingUnpriced
		if !d.values.has(fieldCredits) && !d.values.has(fieldMetadata) {
			d.fault(CodeMissingField, fieldCredits, costSaysNothing)
		}
	}
}

func (d *decoder) missing(f field) {
	message := "the field " + quote(fieldNames[f]) + " is absent or empty"
	if d.e.Kind != 0 {
		message = d.e.Kind.article() + " needs the field " + quote(fieldNames[f])
	}
	d.fault(CodeMissingField, f, message)
}

func (d *decoder) finishExecution() {
	switch d.e.Status {
	case StatusSkipped:
		d.fault(CodeInvalidStatus, fieldStatus, `an execution's status must be "started", "completed" or "failed", not "skipped"`)
	case StatusCompleted, StatusFailed:
		if !d.values.has(fieldDuration) {
			d.fault(CodeMissingField, fieldDuration, `an execution that is "`+d.e.Status.String()+`" needs the field "duration"`)
		}
	}
}

// finishStep derives the end from the duration, or the duration from the end. A
// step that was skipped may have neither: then it has no end and took no time.
// Where both are given both stand, since a step may have been paused.
func (d *decoder) finishStep() {
	e := &d.e
	hasEnd, hasDuration := d.values.has(fieldEndTime), d.values.has(fieldDuration)
	switch {
	case e.Status == StatusStarted:
		d.fault(CodeInvalidStatus, fieldStatus, `a step's status must be "completed", "failed" or "skipped", not "started"`)
	case hasEnd && e.EndTime < e.Time:
		d.fault(CodeEndBeforeStart, fieldEndTime, "endTime is "+itoa(int(e.Time-e.EndTime))+" ms before startTime")
	case hasEnd && !hasDuration:
		e.Duration = e.EndTime - e.Time
	case hasDuration && !hasEnd:
		if e.Duration >= maxTime-e.Time {
			d.fault(CodeTimeOutOfRange, fieldDuration, "startTime and duration lead beyond 2099")
			return
		}
		e.EndTime = e.Time + e.Duration
	case !hasEnd && e.Status != StatusSkipped:
		d.fault(CodeMissingField, fieldEndTime, `a step that is "`+e.Status.String()+`" needs the field "endTime" or "duration"`)
	}
}

func (k Kind) article() string {
	switch k {
	case KindExecution, KindActivity:
		return "an " + k.String()
	}
	return "a " + k.String()
}
