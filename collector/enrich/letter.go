package enrich

import (
	"github.com/flowgauge/flowgauge/backend/event"
)

// letterOf keeps an event that is not stored.
func letterOf(e *event.Event, code event.Code, message string) *event.DeadLetter {
	const mostOfMessage = 2000
	return event.LetterOf(e, code, event.Clip(message, mostOfMessage))
}

// valid checks an event that a plugin has changed or made.
func valid(e *event.Event) error {
	if fault := event.Validate(e); fault != nil {
		return fault
	}
	return nil
}
