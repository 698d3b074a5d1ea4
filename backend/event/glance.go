package event

// Glance is the beginning of an event's record: what it takes to count it, and to know
// it again. Its texts point into the record.
type Glance struct {
	Kind   Kind
	Status Status

	Tenant     string
	ID         string
	WorkflowID string
	UserID     string

	Time         int64
	PreviousTime int64 // or NoTime
	EndTime      int64 // or NoTime
}

// Phase is as of Event.
func (g *Glance) Phase() Phase {
	e := Event{Kind: g.Kind, Status: g.Status}
	return e.Phase()
}

// GlanceAt reads the beginning of what AppendBinary wrote into g, all of whose fields it
// sets. It allocates nothing. It returns ErrCorrupt where the beginning is none; the rest
// is not looked at.
func GlanceAt(b []byte, g *Glance) error {
	*g = Glance{PreviousTime: NoTime, EndTime: NoTime}
	if len(b) < 4 || b[0] != RecordEvent {
		return ErrCorrupt
	}
	g.Kind, g.Status = Kind(b[1]), Status(b[2])
	if g.Kind < KindExecution || g.Kind > KindActivity || g.Status > StatusSkipped {
		return ErrCorrupt
	}
	r := reader{b: b[3:]}
	m := fieldBit(r.uvarint())
	if m >= endOfMask {
		return ErrCorrupt
	}
	// In the order of the mask; some are only skipped.
	g.Tenant = r.textIf(m&hasTenant != 0)
	r.textIf(m&hasSource != 0)
	g.ID = r.textIf(m&hasID != 0)
	g.Time = r.numberIf(m&hasTime != 0, 0)
	g.PreviousTime = r.numberIf(m&hasPreviousTime != 0, NoTime)
	g.EndTime = r.numberIf(m&hasEndTime != 0, NoTime)
	r.numberIf(m&hasQueuedTime != 0, 0)
	r.numberIf(m&hasDuration != 0, 0)
	g.WorkflowID = r.textIf(m&hasWorkflowID != 0)
	if m&hasWorkflowVersion != 0 {
		r.uint32()
	}
	g.UserID = r.textIf(m&hasUserID != 0)
	if r.bad {
		return ErrCorrupt
	}
	return nil
}

func (r *reader) textIf(there bool) string {
	if !there {
		return ""
	}
	return r.string()
}

func (r *reader) numberIf(there bool, absent int64) int64 {
	if !there {
		return absent
	}
	return r.varint()
}
