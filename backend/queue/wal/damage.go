package wal

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/flowgauge/flowgauge/backend/queue"
)

// ErrDamaged says that acknowledged records in the log are broken. The error that
// wraps it is a DamagedError.
var ErrDamaged = errors.New("the log is damaged")

// Damage is a part of the log that cannot be read and held acknowledged records.
type Damage struct {
	File     string
	From, To int64         // bytes, the last one excluded
	After    queue.Version // of the last whole record before, 0 when there is none
	Before   queue.Version // of the first whole record behind, 0 when there is none
	Missing  bool          // the file is not there
	Consumed bool          // all that it held is stored elsewhere, so nothing is lost
}

// String says what is broken and which records were in it.
func (d Damage) String() string {
	what := fmt.Sprintf("%s is broken from byte %d to %d", d.File, d.From, d.To)
	if d.Missing {
		what = d.File + " is missing"
	}
	return what + "; lost are records " + d.Versions()
}

// Versions says which versions the lost records had, and when they were received.
func (d Damage) Versions() string {
	switch {
	case d.After == 0 && d.Before == 0:
		return "of any version"
	case d.Before == 0:
		return fmt.Sprintf("behind version %d (received after %s)", d.After, clock(d.After))
	case d.After == 0:
		return fmt.Sprintf("before version %d (received before %s)", d.Before, clock(d.Before))
	}
	return fmt.Sprintf("between versions %d and %d (received from %s to %s)", d.After, d.Before, clock(d.After), clock(d.Before))
}

func clock(v queue.Version) string { return time.UnixMicro(int64(v)).UTC().Format(time.RFC3339Nano) }

// DamagedError says where the log is broken and what can be done.
type DamagedError struct{ Damage }

// Error names the place and the ways out.
func (e *DamagedError) Error() string {
	dir := filepath.Dir(e.File)
	return fmt.Sprintf("%v: %v. They were acknowledged, so nothing was changed: restore the file from a copy, or run "+
		"'flowgauge wal salvage %s --out %s.salvaged', put the new folder in the old one's place, and send again what it says is lost",
		ErrDamaged, e.Damage, dir, dir)
}

// Unwrap returns ErrDamaged.
func (e *DamagedError) Unwrap() error { return ErrDamaged }
