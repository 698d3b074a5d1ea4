package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// Class says what a caller can do about an error.
type Class int

// The classes.
const (
	// ClassPermanent fails again when it is repeated: bad SQL, a missing table, no rights.
	ClassPermanent Class = iota
	// ClassUnavailable passes when the server is back: repeat with backoff.
	ClassUnavailable
	// ClassOverloaded passes when the server has less to do: repeat later, slower.
	ClassOverloaded
	// ClassLimit is a query that asked for more than it may have: ask for less.
	ClassLimit
	// ClassAuth is a wrong user or password.
	ClassAuth
)

// Error is an error of the server or of the way to it.
type Error struct {
	Class Class
	Hint  string // what to do, or ""
	Err   error
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return "clickhouse: " + e.Err.Error()
	}
	return fmt.Sprintf("clickhouse: %v (%s)", e.Err, e.Hint)
}

func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of an error, ClassPermanent when it has none.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ClassPermanent
}

// Retryable reports whether repeating the same statement later may succeed.
func Retryable(err error) bool {
	c := ClassOf(err)
	return c == ClassUnavailable || c == ClassOverloaded
}

// classes sorts the server's error codes; what is not listed is permanent.
var classes = map[proto.Error]struct {
	class Class
	hint  string
}{
	proto.ErrTooManyParts:                {ClassOverloaded, "merges cannot keep up with inserts; they catch up when inserts slow down"},
	proto.ErrTooManySimultaneousQueries:  {ClassOverloaded, "the server runs as many queries as it may"},
	proto.ErrMemoryLimitExceeded:         {ClassLimit, "narrow the period or the number of groups, or raise the server's memory limit"},
	proto.ErrTimeoutExceeded:             {ClassLimit, "narrow the period or the number of groups"},
	proto.ErrTooManyRows:                 {ClassLimit, "narrow the period or the number of groups"},
	proto.ErrTooManyBytes:                {ClassLimit, "narrow the period or the number of groups"},
	proto.ErrTooManyRowsOrBytes:          {ClassLimit, "narrow the period or the number of groups"},
	proto.ErrTableIsReadOnly:             {ClassUnavailable, "a replica is read-only until its Keeper is back"},
	proto.ErrNetworkError:                {ClassUnavailable, ""},
	proto.ErrSocketTimeout:               {ClassUnavailable, ""},
	proto.ErrAllConnectionTriesFailed:    {ClassUnavailable, ""},
	proto.ErrNotEnoughSpace:              {ClassUnavailable, "the server's disk is full: free space; what was accepted waits in the log"},
	proto.ErrCannotWriteToFileDescriptor: {ClassUnavailable, "the server cannot write to its disk: free space; what was accepted waits in the log"},
	proto.ErrAuthenticationFailed:        {ClassAuth, "check the user name and the password"},
	proto.ErrUnknownUser:                 {ClassAuth, "check the user name and the password"},
	proto.ErrWrongPassword:               {ClassAuth, "check the user name and the password"},
}

func classify(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	if ex, ok := ch.AsException(err); ok {
		if c, found := classes[ex.Code]; found {
			return &Error{Class: c.class, Hint: c.hint, Err: err}
		}
		return &Error{Class: ClassPermanent, Err: err}
	}
	var netErr net.Error
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, ch.ErrClosed) || errors.As(err, &netErr) ||
		strings.Contains(err.Error(), "connection re") {
		return &Error{Class: ClassUnavailable, Hint: "check that the server runs and that the address and port are right", Err: err}
	}
	return &Error{Class: ClassPermanent, Err: err}
}
