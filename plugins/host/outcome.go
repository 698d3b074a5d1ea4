package host

import "errors"

// A Failure is how a call has come to nothing, as metrics name it.
type Failure string

// The failures. What to do about them differs: to ask one that is down again costs nothing, and
// one that refuses is well.
const (
	Down    Failure = "down"
	Refused Failure = "refused"
	Failed  Failure = "failed"
)

// FailureOf says how a call has come to nothing by its error. Others than plugins refuse by an
// error that says so as RefusedError does.
func FailureOf(err error) Failure {
	var (
		down    *DownError
		refused interface{ Refusal() string }
	)
	switch {
	case errors.As(err, &down):
		return Down
	case errors.As(err, &refused):
		return Refused
	}
	return Failed
}
