package clickhouse

import (
	"context"
	"crypto/tls"
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
	// ClassData is a row that the server will never take: leave it out.
	ClassData
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
	proto.ErrTooManyParts:                      {ClassOverloaded, "merges cannot keep up with inserts; they catch up when inserts slow down"},
	proto.ErrTooManySimultaneousQueries:        {ClassOverloaded, "the server runs as many queries as it may"},
	proto.ErrMemoryLimitExceeded:               {ClassLimit, "narrow the period or the number of groups, or raise the server's memory limit"},
	proto.ErrTimeoutExceeded:                   {ClassLimit, "narrow the period or the number of groups"},
	proto.ErrTooManyRows:                       {ClassLimit, "narrow the period or the number of groups"},
	proto.ErrTooManyBytes:                      {ClassLimit, "narrow the period or the number of groups"},
	proto.ErrTooManyRowsOrBytes:                {ClassLimit, "narrow the period or the number of groups"},
	proto.ErrNoZookeeper:                       {ClassUnavailable, "the server has lost its Keeper"},
	proto.ErrKeeperException:                   {ClassUnavailable, "the server has lost its Keeper"},
	proto.ErrNoActiveReplicas:                  {ClassUnavailable, ""},
	proto.ErrTooFewLiveReplicas:                {ClassUnavailable, "not enough replicas are there to take an insert"},
	proto.ErrUnsatisfiedQuorumForPreviousWrite: {ClassUnavailable, "not enough replicas are there to take an insert"},
	proto.ErrUnknownStatusOfInsert:             {ClassUnavailable, ""},
	proto.ErrAborted:                           {ClassUnavailable, "the server is stopping"},
	proto.ErrQueryWasCancelled:                 {ClassUnavailable, "somebody ended the statement, or the server is stopping"},
	proto.ErrDeadlockAvoided:                   {ClassUnavailable, ""},
	proto.ErrSystemError:                       {ClassUnavailable, ""},
	proto.ErrViolatedConstraint:                {ClassData, "a constraint of the table forbids the row"},
	proto.ErrFunctionThrowIfValueIsNonZero:     {ClassData, "a view of the table refuses the row"},
	proto.ErrCannotParseText:                   {ClassData, "a view of the table cannot read the row"},
	proto.ErrCannotParseNumber:                 {ClassData, "a view of the table cannot read the row"},
	proto.ErrCannotParseDate:                   {ClassData, "a view of the table cannot read the row"},
	proto.ErrCannotParseDatetime:               {ClassData, "a view of the table cannot read the row"},
	proto.ErrIncorrectData:                     {ClassData, ""},
	proto.ErrArgumentOutOfBound:                {ClassData, ""},
	proto.ErrValueIsOutOfRangeOfDataType:       {ClassData, ""},
	proto.ErrDecimalOverflow:                   {ClassData, ""},
	proto.ErrIllegalDivision:                   {ClassData, "a view of the table divides by zero"},
	proto.ErrTooLargeArraySize:                 {ClassData, ""},
	proto.ErrTooLargeStringSize:                {ClassData, ""},
	proto.ErrTableIsReadOnly:                   {ClassUnavailable, "a replica is read-only until its Keeper is back"},
	proto.ErrNetworkError:                      {ClassUnavailable, ""},
	proto.ErrSocketTimeout:                     {ClassUnavailable, ""},
	proto.ErrAllConnectionTriesFailed:          {ClassUnavailable, ""},
	proto.ErrNotEnoughSpace:                    {ClassUnavailable, "the server's disk is full: free space; what was accepted waits in the log"},
	proto.ErrCannotWriteToFileDescriptor:       {ClassUnavailable, "the server cannot write to its disk: free space; what was accepted waits in the log"},
	proto.ErrAuthenticationFailed:              {ClassAuth, "check the user name and the password"},
	proto.ErrUnknownUser:                       {ClassAuth, "check the user name and the password"},
	proto.ErrWrongPassword:                     {ClassAuth, "check the user name and the password"},
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
		strings.Contains(err.Error(), "connection re") || isTLS(err) {
		return &Error{Class: ClassUnavailable, Hint: "check that the server runs and that the address and port are right", Err: err}
	}
	return &Error{Class: ClassPermanent, Err: err}
}

// isTLS reports whether the way to the server broke in TLS: a certificate that has run
// out or is being replaced, or a plain port. It is mended where the server is.
func isTLS(err error) bool {
	var (
		record  tls.RecordHeaderError
		alert   tls.AlertError
		invalid *tls.CertificateVerificationError
	)
	return errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &invalid) || strings.Contains(err.Error(), "tls: ")
}
