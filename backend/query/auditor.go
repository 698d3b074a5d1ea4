package query

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/flowgauge/flowgauge/backend/access"
)

// Auditor keeps a record of each reading of data, answered or refused.
type Auditor interface {
	// Audit keeps a record. An error withholds the answer, so an auditor that would
	// rather lose a record than an answer returns none.
	Audit(ctx context.Context, r AuditRecord) error
}

// What is read beside questions of a kind.
const (
	auditValues    Kind = "values"
	auditConflicts Kind = "conflicts"
	auditTotals    Kind = "totals"
)

// Outcome is what became of a reading.
type Outcome string

// The outcomes.
const (
	OutcomeAnswered Outcome = "answered"
	OutcomeDenied   Outcome = "denied"  // the caller may not see it
	OutcomeInvalid  Outcome = "invalid" // the question was wrong
	OutcomeFailed   Outcome = "failed"  // the database, or the caller gave up
)

// AuditRecord says who read what. Filters are as they were asked for: under a policy
// with pseudonyms the record has pseudonyms too.
type AuditRecord struct {
	At        time.Time
	Principal access.Principal
	Surface   string // rest, grafana, promql …; see WithSurface
	Kind      Kind
	Metrics   []string
	From, To  time.Time
	GroupBy   []string
	Filters   []Filter
	Params    map[string]string
	Scope     string // all, team, own, or empty: of nobody
	Users     int    // whose rows are in the scope, unless it is all
	Rows      int    // of the answer
	Outcome   Outcome
}

type surfaceKey struct{}

// WithSurface says through what a question comes, for audit records.
func WithSurface(ctx context.Context, surface string) context.Context {
	return context.WithValue(ctx, surfaceKey{}, surface)
}

// Surface is what WithSurface said, or empty.
func Surface(ctx context.Context) string {
	surface, _ := ctx.Value(surfaceKey{}).(string)
	return surface
}

// ErrNotRecorded is in the chain of errors of answers that nobody could keep a record of.
var ErrNotRecorded = errors.New("the answer is withheld, because it could not be recorded")

type recordedKey struct{}

// Recorded says that who asks keeps the record by Record: a cache, which asks the engine
// for parts of an answer or for nothing.
func Recorded(ctx context.Context) context.Context {
	return context.WithValue(ctx, recordedKey{}, true)
}

// RecordAs keeps a record of a reading that is no request of the engine's: one in another
// language, which asked the engine for parts under Recorded, or of something beside it. Of
// the record, what was read is given: Kind, Params, From, To and Rows. An error withholds
// the answer.
func (e *Engine) RecordAs(ctx context.Context, p access.Principal, r AuditRecord, err error) error {
	return e.audit(ctx, p, r, nil, err)
}

// Record keeps a record of a reading that something in front of the engine answered. An
// error withholds the answer.
func (e *Engine) Record(ctx context.Context, p access.Principal, r Request, res *Result, err error) error {
	return e.audit(ctx, p, recordOf(&r), res, err)
}

func recordOf(r *Request) AuditRecord {
	kind := r.Kind
	if kind == "" {
		kind = KindMetrics
	}
	params := r.Params
	if !r.AsOf.IsZero() {
		params = map[string]string{"asOf": r.AsOf.UTC().Format(time.RFC3339Nano)}
		maps.Copy(params, r.Params)
	}
	return AuditRecord{Kind: kind, Metrics: r.Metrics, From: r.From, To: r.To, GroupBy: r.GroupBy, Filters: r.Filters, Params: params}
}

// audit completes a record with how the reading went and hands it over.
func (e *Engine) audit(ctx context.Context, p access.Principal, r AuditRecord, res *Result, err error) error {
	if e.auditor == nil {
		return nil
	}
	r.At, r.Principal = e.now().UTC(), p
	r.Surface = Surface(ctx)
	if s, err := scopeOf(p); err == nil {
		r.Scope, r.Users = s.describe(p.Role), len(s.users)
	}
	if res != nil && res.Frame != nil {
		r.Rows = res.Frame.Rows()
	}
	r.Outcome = outcomeOf(err)
	// Who gave up has read nothing, but has asked.
	if err := e.auditor.Audit(context.WithoutCancel(ctx), r); err != nil {
		return fmt.Errorf("%w: %w", ErrNotRecorded, err)
	}
	return nil
}

func outcomeOf(err error) Outcome {
	var denied *AccessError
	var invalid *RequestError
	var missing *NotFoundError
	switch {
	case err == nil, errors.As(err, &missing): // that there is none is an answer
		return OutcomeAnswered
	case errors.As(err, &denied):
		return OutcomeDenied
	case errors.As(err, &invalid):
		return OutcomeInvalid
	}
	return OutcomeFailed
}
