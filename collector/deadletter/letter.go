// Package deadletter reads what the collector refused, sends it again, and notes
// what became of it.
//
//	list, get ──> correct ──> replay ──> the path that it came to ──> log ──> sink
//	                 │                            │
//	              discard                 rejected again: says why, stays open
//
// A dead letter is open until it was replayed or discarded; that is a later row of
// the same key, so nothing of it is lost. To replay one twice counts its events once,
// because of their identity. So whoever dies between sending and noting it leaves an
// open letter, which may be replayed again.
package deadletter

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/backend/event"
)

// State is what became of a dead letter.
type State string

// The states. One that was discarded may still be replayed.
const (
	Open      State = "open"
	Replayed  State = "replayed"
	Discarded State = "discarded"
)

// Letter is a dead letter as it lies in the database.
type Letter struct {
	ID          string
	ReceivedAt  time.Time
	Source      string
	Kind        string // "" where it could not be read
	KeyID       string // of who sent it
	Path        string // that it came to
	ContentType string
	Position    int // in its request; -1 is its whole body
	Code        string
	Field       string
	Message     string
	Payload     []byte // as much of it as was asked for
	Bytes       int    // of the payload as it is kept
	Truncated   bool   // it is not kept whole

	State     State
	ChangedAt time.Time // zero while it is open
	ChangedBy string    // id of the API key
	Became    []Event   // what it was replayed as, the first of them

	at       place
	change   uint64
	storedAt int64 // ms
}

// Event names an event.
type Event struct {
	Kind  string    `json:"kind"`
	ID    string    `json:"id"`
	Phase string    `json:"phase,omitempty"` // of an execution
	Time  time.Time `json:"time"`
}

func eventOf(id event.Identity) Event {
	e := Event{Kind: id.Kind.String(), ID: id.ID, Time: time.UnixMilli(id.Time).UTC()}
	switch id.Phase {
	case event.PhaseStarted:
		e.Phase = "started"
	case event.PhaseTerminal:
		e.Phase = "terminal"
	}
	return e
}

// The errors that a caller decides on.
var (
	ErrNotFound  = errors.New("there is no such dead letter")
	ErrReplayed  = errors.New("the dead letter was replayed: its events count, and there is nothing to discard")
	ErrForbidden = errors.New("dead letters are for administrators")
)

// place is what a dead letter's id and its key are made of. Places are in order of
// receipt.
type place struct {
	version   uint64
	partition int32
	log       string
}

func (p place) id() string {
	return fmt.Sprintf("%d.%d.%s", p.version, p.partition, p.log)
}

func parseID(id string) (place, error) {
	parts := strings.SplitN(id, ".", 3)
	if len(parts) != 3 {
		return place{}, ErrNotFound
	}
	version, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil {
		return place{}, ErrNotFound
	}
	partition, err := strconv.ParseInt(parts[1], 10, 32)
	if err != nil {
		return place{}, ErrNotFound
	}
	return place{version: version, partition: int32(partition), log: parts[2]}, nil
}
