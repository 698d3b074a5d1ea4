package query

import (
	"fmt"
	"strings"
)

// RequestError says what is wrong with a Request and what is allowed instead.
// It is the caller's to mend: repeating the request fails again.
type RequestError struct {
	Param   string   // the field as the request spells it: metrics, groupBy, from …
	Value   string   // what was given, shortened; empty is nothing
	Message string   // one sentence that says what is wrong
	Allowed []string // what would be right: all values where they are few
	Example string   // one value that works
	Cause   error    // what came of the request, where that is known only afterwards
}

func (e *RequestError) Unwrap() error { return e.Cause }

// Error returns the message with what is allowed.
func (e *RequestError) Error() string {
	var b strings.Builder
	b.WriteString(e.Param)
	if e.Value != "" {
		fmt.Fprintf(&b, " %q", e.Value)
	}
	b.WriteString(": ")
	b.WriteString(e.Message)
	if len(e.Allowed) > 0 {
		b.WriteString("; allowed: ")
		b.WriteString(strings.Join(e.Allowed, ", "))
	}
	if e.Example != "" {
		b.WriteString("; for example ")
		b.WriteString(e.Example)
	}
	return b.String()
}

// AccessError says that a principal may not see what was asked for.
type AccessError struct {
	Message string
}

func (e *AccessError) Error() string { return e.Message }

// NotFoundError says that there is no such thing within what a principal may see.
// One that is somebody else's is not told from one that does not exist.
type NotFoundError struct {
	Message string
}

func (e *NotFoundError) Error() string { return e.Message }

// requestError shortens the value: what a caller sent is not worth a page of
// their logs.
func requestError(param, value, message, example string, allowed ...string) *RequestError {
	return &RequestError{Param: param, Value: Shortened(value), Message: message, Allowed: allowed, Example: example}
}

// Shortened is as much of a value as a message quotes.
func Shortened(value string) string {
	const most = 100
	if r := []rune(value); len(r) > most {
		return string(r[:most]) + "…"
	}
	return value
}
