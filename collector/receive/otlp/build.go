package otlp

import (
	"math"
	"strconv"
	"strings"

	"github.com/flowgauge/flowgauge/backend/event"
	"github.com/flowgauge/flowgauge/collector/receive/mapping"
)

// events makes the events of the span at hand: of each kind that of the first rule
// that matches. A span is taken as a whole or not at all.
func (d *decoder) events() *event.Error {
	d.ownID, d.parentID = "", ""
	d.made = d.made[:0]
	var seen [event.KindActivity + 1]bool
	for _, r := range d.rules {
		if seen[r.kind] || !r.matches(d) {
			continue
		}
		if r.kind == 0 {
			break
		}
		seen[r.kind] = true
		if err := d.build(r); err != nil {
			return err
		}
	}
	return nil
}

// build makes the event of a rule, and for an execution the one of its start.
func (d *decoder) build(r *rule) *event.Error {
	status := d.status(r)
	if status == mapping.Ignored {
		return nil
	}
	if err := d.check(); err != nil {
		return err
	}
	e := d.add()
	*e = event.Event{
		Kind: r.kind, Tenant: d.who.Tenant, PreviousTime: event.NoTime, EndTime: event.NoTime, QueuedTime: event.NoTime,
		Time: millis(d.span.start),
	}
	if err := d.times(r, e); err != nil {
		return err
	}
	start := e.Time
	switch r.kind {
	case execution:
		e.Status, e.Time = status, millis(d.span.end)
	case step:
		e.Status = status
	case cost:
		e.Time, e.Duration, e.Pricing = millis(d.span.end), 0, event.PricingUnpriced
	}
	for i := range r.fields {
		f := &r.fields[i]
		if f.ofFailure && status != event.StatusFailed {
			continue // An exception that was recorded was handled.
		}
		value, ok := f.texts.Text(d, &d.arena)
		if !ok {
			continue
		}
		if err := f.set(e, value); err != nil {
			err.Field, err.Message = f.name, f.name+err.Message
			return err
		}
	}
	if e.Metadata == "" && r.metadata != nothing && status != event.StatusStarted {
		e.Metadata = d.metadata(r)
	}
	switch {
	case status == event.StatusStarted:
		e.Time, e.Duration = start, 0
	case r.started:
		s := d.add()
		e = &d.made[len(d.made)-2]
		*s = *e
		s.Status, s.Time, s.Duration, s.ErrorType, s.ErrorMessage, s.Metadata = event.StatusStarted, start, 0, "", "", ""
	}
	return d.validate(e)
}

// status is what a rule's values mean, else what the span says.
func (d *decoder) status(r *rule) event.Status {
	if s := r.status.Of(d, &d.arena); s != 0 {
		return s
	}
	if d.span.failed {
		return event.StatusFailed
	}
	return event.StatusCompleted
}

// check finds what makes a span unusable, whatever it is mapped to.
func (d *decoder) check() *event.Error {
	s := &d.span
	switch {
	case !valid(s.traceID, traceIDBytes):
		return &event.Error{Code: event.CodeMissingField, Field: "traceId", Message: "the span has no trace id of 16 bytes that are not all 0"}
	case !valid(s.spanID, spanIDBytes):
		return &event.Error{Code: event.CodeMissingField, Field: "spanId", Message: "the span has no id of 8 bytes that are not all 0"}
	case s.start == 0:
		return &event.Error{Code: event.CodeMissingField, Field: "startTimeUnixNano", Message: "the span has no start"}
	case s.end == 0:
		return &event.Error{Code: event.CodeMissingField, Field: "endTimeUnixNano", Message: "the span has no end"}
	}
	return nil
}

// times sets the start, the end of a step, and the duration.
func (d *decoder) times(r *rule, e *event.Event) *event.Error {
	start := d.span.start
	if text, ok := r.start.Text(d, &d.arena); ok {
		t, ok := parseTime(text)
		if !ok || t.Year() < 1970 || t.Year() > 2200 {
			return &event.Error{Code: event.CodeInvalidTime, Field: "startTime", Message: "startTime must be " + aTime + ", not " + strconv.Quote(text)}
		}
		start = uint64(t.UnixNano())
		e.Time = t.UnixMilli()
	}
	if d.span.end < start {
		return &event.Error{
			Code: event.CodeEndBeforeStart, Field: "endTimeUnixNano",
			Message: "the span ends " + strconv.FormatUint(start-d.span.end, 10) + " ns before it starts",
		}
	}
	if length := d.span.end - start; length < math.MaxInt64 {
		e.Duration = int64((length + 500_000) / 1_000_000) // Half a millisecond is rounded up, as in the native format.
	}
	if r.kind == step {
		e.EndTime = millis(d.span.end)
	}
	return nil
}

// millis cuts nanoseconds, as the native format does with digits finer than a
// millisecond.
func millis(nanos uint64) int64 { return int64(nanos / 1_000_000) }

func (d *decoder) validate(e *event.Event) *event.Error {
	switch {
	case e.Tenant != d.who.Tenant && !d.who.CrossTenant:
		return &event.Error{Code: event.CodeTenantMismatch, Field: "tenantId", Message: "the API key is not of tenant " + strconv.Quote(e.Tenant)}
	case e.Tenant == "":
		return &event.Error{Code: event.CodeMissingField, Field: "tenantId", Message: "the API key has no tenant of its own, so the mapping has to set tenantId"}
	case e.Duration > event.MaxDuration:
		return &event.Error{Code: event.CodeOutOfRange, Field: "duration", Message: "the span takes more than 130 years"}
	}
	return event.ValidateNew(e)
}

// add returns another event to make. Those before it may have moved.
func (d *decoder) add() *event.Event {
	d.made = append(d.made, event.Event{})
	return &d.made[len(d.made)-1]
}

// metadata is a JSON object of what no field is made of, and the ids by which a
// tracing system finds the span.
func (d *decoder) metadata(r *rule) string {
	const spare = 128 // for what follows the last attribute
	w := writer{b: append(d.scratch[:0], '{'), limit: event.MaxMetadataBytes - spare}
	traceID, spanID, _ := strings.Cut(d.id(refSpan), "-")
	w.string("trace_id")
	w.b = append(w.b, ':')
	w.string(traceID)
	w.b = append(w.b, `,"span_id":`...)
	w.string(spanID)
	dropped := d.span.dropped
	write := func(attributes []attribute, inner []attribute) {
		for i := range attributes {
			a := &attributes[i]
			if a.slot >= 0 && r.used[a.slot] || a.key == "trace_id" || a.key == "span_id" || a.key == "dropped_attributes" || has(inner, a.key) {
				continue
			}
			if !w.member(a.key, a.value) {
				dropped++
			}
		}
	}
	write(d.span.attributes, nil)
	if r.metadata == everything {
		write(d.around, d.span.attributes)
	}
	if dropped > 0 {
		w.b = strconv.AppendInt(append(w.b, `,"dropped_attributes":`...), int64(dropped), 10)
	}
	d.scratch = append(w.b, '}')
	return d.arena.Keep(d.scratch)
}

func has(attributes []attribute, key string) bool {
	for i := range attributes {
		if attributes[i].key == key {
			return true
		}
	}
	return false
}
