package mapping

import (
	"errors"
	"fmt"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/backend/event"
)

// Ignored is the status of what makes no event.
const Ignored event.Status = 255

// Status tells the status of an event from values that mean one.
type Status struct {
	from  Texts
	means map[string]event.Status
}

// CompileStatus reads what means which status.
func CompileStatus(m config.StatusMapping, resolve Resolve) (Status, error) {
	s := Status{means: map[string]event.Status{}}
	for _, group := range []struct {
		status event.Status
		values []string
	}{
		{event.StatusStarted, m.Started},
		{event.StatusCompleted, m.Completed},
		{event.StatusFailed, m.Failed},
		{event.StatusSkipped, m.Skipped},
		{Ignored, m.Ignored},
	} {
		for _, value := range group.values {
			if _, twice := s.means[value]; twice {
				return s, fmt.Errorf("status: the value %q means two", value)
			}
			s.means[value] = group.status
		}
	}
	if (len(s.means) == 0) != (len(m.From) == 0) {
		return s, errors.New("status: needs both from and the values that mean started, completed, failed, skipped or ignored")
	}
	var err error
	if s.from, err = Compile(m.From, resolve); err != nil {
		return s, fmt.Errorf("status: from: %w", err)
	}
	return s, nil
}

// Of returns the status that the event's value means, 0 when it means none.
func (s *Status) Of(src Source, arena *Arena) event.Status {
	if len(s.from) == 0 {
		return 0
	}
	value, _ := s.from.Text(src, arena)
	return s.means[value]
}

// Refs calls yield with every reference.
func (s *Status) Refs(yield func(ref int)) { s.from.Refs(yield) }

// Kind returns the kind of event that a mapping makes, 0 for ignore.
func Kind(name string) (event.Kind, error) {
	if name == "ignore" {
		return 0, nil
	}
	for _, k := range event.Kinds {
		if k.String() == name {
			return k, nil
		}
	}
	return 0, fmt.Errorf("event is %q: it is execution, step, cost, activity or ignore", name)
}
