package event

import "unicode/utf8"

// Clip shortens a text of a foreign source to so many bytes, at the end of a
// character: a text that only describes an event is not worth refusing it for.
func Clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// ClipName clips a text to the length of a name.
func ClipName(s string) string { return Clip(s, MaxNameBytes) }

// Missing is the fault of a foreign event that lacks what an event needs.
func Missing(field, message string) *Error {
	return &Error{Code: CodeMissingField, Field: field, Message: message}
}
