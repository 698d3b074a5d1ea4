package event

import (
	"strconv"
	"unicode/utf8"
)

// Code says why an event, or a whole request, is not taken. Codes are part of
// the API: clients and the dead-letter table rely on them, so they never change
// their meaning and are never removed.
type Code string

// The codes of an event that is rejected while others of its request are taken.
const (
	CodeMalformedJSON  Code = "malformed_json"    // not JSON; of a line of NDJSON, or of the whole request
	CodeNotAnObject    Code = "not_an_object"     // a JSON value that is no object
	CodeMissingField   Code = "missing_field"     // a required field is absent, null or empty
	CodeUnknownField   Code = "unknown_field"     // no field of this kind of event
	CodeDuplicateField Code = "duplicate_field"   // the same field twice
	CodeUnknownKind    Code = "unknown_kind"      // kind is none of the four
	CodeInvalidStatus  Code = "invalid_status"    // no status of this kind of event
	CodeWrongType      Code = "wrong_type"        // another JSON type than the field's
	CodeInvalidString  Code = "invalid_string"    // not valid UTF-8, or half of a surrogate pair
	CodeInvalidTime    Code = "invalid_time"      // not a date and time of RFC 3339
	CodeTimeOutOfRange Code = "time_out_of_range" // before 1970, or 2100 and later
	CodeEndBeforeStart Code = "end_before_start"  // endTime before startTime
	CodeNegativeLength Code = "negative_duration" // a duration below 0
	CodeNegativeNumber Code = "negative_number"   // a size or count below 0
	CodeNotAnInteger   Code = "not_an_integer"    // a count with a fraction
	CodeInvalidAmount  Code = "invalid_amount"    // an amount that is no number, or finer than 15 places
	CodeOutOfRange     Code = "out_of_range"      // a number too large to keep
	CodeTooLong        Code = "too_long"          // a text longer than its limit
	CodeTooMany        Code = "too_many"          // more elements than the limit
	CodeTooDeep        Code = "too_deep"          // metadata nested deeper than the limit
	CodeTenantMismatch Code = "tenant_mismatch"   // tenantId is not the API key's
)

// The codes of a request of which nothing is taken, besides CodeMalformedJSON.
const (
	CodeEmptyBody     Code = "empty_body"      // no event in it
	CodeTooManyEvents Code = "too_many_events" // more events than the limit
)

// CodeStoreFailed is that of an event which was accepted, and which the database then
// refused for what is in it.
const CodeStoreFailed Code = "store_failed"

// The codes of an event which was accepted, and is not stored because of a plugin.
const (
	CodePluginDropped Code = "plugin_dropped" // it says so, with a reason
	CodePluginFailed  Code = "plugin_failed"  // it could not be asked, and the event is not to be stored without
)

// The limits of an event. Lengths are bytes of UTF-8 after unescaping.
const (
	MaxNameBytes     = 512
	MaxMessageBytes  = 16 << 10
	MaxMetadataBytes = 64 << 10
	MaxMetadataDepth = 32
	MaxDependsOn     = 1000

	// Sums of what is below these limits stay far from overflowing.
	MaxDuration = 4_102_444_800_000 // ms: 130 years, the range of accepted times
	MaxSize     = 1 << 53           // bytes
)

// Error says what is wrong with one event, or with a request.
type Error struct {
	Code    Code
	Field   string // as it is spelled on the wire; "" when no single one is at fault
	Message string // for the sender: the value as it was sent, shortened, and what is allowed
}

// Error returns the message with its code.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// quote shortens a value and quotes it, for a message.
func quote[T ~string | ~[]byte](value T) string {
	const most = 48
	if len(value) <= most {
		return strconv.Quote(string(value))
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(value[cut]) {
		cut--
	}
	return strconv.Quote(string(value[:cut])) + "… (" + strconv.Itoa(len(value)) + " bytes)"
}
