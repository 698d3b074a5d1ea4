package app

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/api"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/collector/deadletter"
	"github.com/flowgauge/flowgauge/collector/receive/openlineage"
)

var errCursor = &query.RequestError{Param: "cursor", Message: "is not the next of a page: begin without one", Example: "1774699200000000.0.3fa9c1d2e4b5a697"}

// deadLetters speaks the API's words for package deadletter, which is above it.
type deadLetters struct {
	letterRules
	store    *deadletter.Store
	replayer *deadletter.Replayer // nil in a process that takes no events in
}

// newDeadLetters returns what looks after dead letters. handler serves the paths that
// events are sent to.
func (a *App) newDeadLetters(engine *query.Engine, handler http.Handler) (*deadLetters, error) {
	store, err := deadletter.NewStore(a.database.reader, a.database.writer)
	if err != nil {
		return nil, err
	}
	d := &deadLetters{letterRules: letterRules{engine}, store: store}
	if a.intake == nil || !a.cfg.Receive.Enabled {
		return d, nil
	}
	d.replayer, err = deadletter.NewReplayer(deadletter.Config{
		Store: store, Handler: handler, Single: map[string]string{openlineage.BatchPath: openlineage.Path},
	})
	return d, err
}

// collector serves what is about taking events in.
func (a *App) collector(engine *query.Engine, rest api.Config, router *gin.Engine) (api.Config, error) {
	d, err := a.newDeadLetters(engine, router)
	if err != nil {
		return rest, err
	}
	rest.Letters = d
	if d.replayer != nil {
		rest.Replays = d
		rest.Waiting = a.intake.log.pending
	}
	return rest, nil
}

// List returns a page of a tenant's dead letters.
func (d *deadLetters) List(ctx context.Context, p access.Principal, f api.DeadLetterFilter, page api.DeadLetterPage) (out []api.DeadLetter, next string, err error) {
	err = d.recorded(ctx, p, letterRecord(f), func(keep bool) (int, error) {
		if keep && f.Search != "" {
			return 0, errSearch
		}
		scope, err := deadletter.ScopeOf(p)
		if err != nil {
			return 0, err
		}
		var letters []deadletter.Letter
		if letters, next, err = d.store.List(ctx, scope, filterOf(f), deadletter.Page{After: page.Cursor, Limit: page.Limit, Payload: page.Payload}); errors.Is(err, deadletter.ErrNotFound) {
			return 0, errCursor
		} else if err != nil {
			return 0, err
		}
		out = make([]api.DeadLetter, len(letters))
		for i := range letters {
			out[i] = letterOf(&letters[i], keep)
		}
		return len(out), nil
	})
	if err != nil {
		return nil, "", err
	}
	return out, next, nil
}

// Get returns one dead letter.
func (d *deadLetters) Get(ctx context.Context, p access.Principal, id string) (api.DeadLetter, error) {
	return d.one(ctx, p, "get", id, d.store.Get)
}

// Discard notes that a dead letter is not wanted.
func (d *deadLetters) Discard(ctx context.Context, p access.Principal, id string) (api.DeadLetter, error) {
	return d.one(ctx, p, "discard", id, d.store.Discard)
}

func (d *deadLetters) one(ctx context.Context, p access.Principal, what, id string, do func(context.Context, deadletter.Scope, string) (deadletter.Letter, error)) (out api.DeadLetter, err error) {
	err = d.recorded(ctx, p, query.AuditRecord{Params: map[string]string{"do": what, "id": id}}, func(keep bool) (int, error) {
		scope, err := deadletter.ScopeOf(p)
		if err != nil {
			return 0, err
		}
		l, err := do(ctx, scope, id)
		if err == nil {
			out = letterOf(&l, keep)
		}
		return 1, err
	})
	if err != nil {
		return api.DeadLetter{}, err
	}
	return out, nil
}

// Replay sends a dead letter again.
func (d *deadLetters) Replay(ctx context.Context, p access.Principal, id string, o api.ReplayOrder) (out api.ReplayResult, err error) {
	what := map[string]string{"do": "replay", "id": id, "dry_run": strconv.FormatBool(o.DryRun)}
	err = d.recorded(ctx, p, query.AuditRecord{Params: what}, func(keep bool) (int, error) {
		scope, err := deadletter.ScopeOf(p)
		if err != nil {
			return 0, err
		}
		r, err := d.replayer.Replay(ctx, scope, id, deadletter.Order{Body: o.Body, ContentType: o.ContentType, Native: o.AsEvents, DryRun: o.DryRun})
		// What is wrong with a payload of the caller's own they may know.
		if err == nil {
			out = resultOf(r, keep && o.Body == nil)
		}
		return 1, err
	})
	if err != nil {
		return api.ReplayResult{}, err
	}
	return out, nil
}

// ReplayAll sends many of them again. They are told of while they are sent, so the record
// comes last.
func (d *deadLetters) ReplayAll(ctx context.Context, p access.Principal, f api.DeadLetterFilter, limit int, dryRun bool, each func(api.ReplayResult) error) (out api.ReplaySummary, err error) {
	what := letterRecord(f)
	what.Params["do"], what.Params["dry_run"] = "replay", strconv.FormatBool(dryRun)
	err = d.recorded(ctx, p, what, func(keep bool) (int, error) {
		if keep && f.Search != "" {
			return 0, errSearch
		}
		scope, err := deadletter.ScopeOf(p)
		if err != nil {
			return 0, err
		}
		sum, err := d.replayer.ReplayAll(ctx, scope, filterOf(f), limit, dryRun, func(r deadletter.Result) error { return each(resultOf(r, keep)) })
		out = api.ReplaySummary{Matched: sum.Matched, Accepted: sum.Accepted, Rejected: sum.Rejected, Codes: sum.Codes, More: sum.More}
		return sum.Matched, err
	})
	return out, err
}

// letterProblem says what a caller can do about an error.
func letterProblem(err error) error {
	var busy *deadletter.BusyError
	switch {
	case errors.Is(err, deadletter.ErrNotFound):
		return &query.NotFoundError{Message: err.Error()}
	case errors.Is(err, deadletter.ErrReplayed):
		return api.Refused(http.StatusConflict, "conflict", err.Error())
	case errors.Is(err, deadletter.ErrForbidden):
		return &query.AccessError{Message: err.Error()}
	case errors.As(err, &busy):
		return api.Busy(busy.Fault.Code, busy.Fault.Detail+"; those before it were replayed", max(1, int(busy.Fault.RetryAfter.Seconds())))
	}
	return err
}

func filterOf(f api.DeadLetterFilter) deadletter.Filter {
	out := deadletter.Filter{
		From: f.From, To: f.To, Sources: f.Sources, Kinds: f.Kinds, Codes: f.Codes, Fields: f.Fields, Keys: f.Keys, Search: f.Search,
	}
	for _, s := range f.States {
		out.States = append(out.States, deadletter.State(s))
	}
	return out
}

// letterOf is a letter as the API has it. Where a policy keeps anything from the caller, what
// was sent, and what was said of it, is kept as a whole: it cannot be shown in part.
func letterOf(l *deadletter.Letter, keep bool) api.DeadLetter {
	out := api.DeadLetter{
		ID: l.ID, ReceivedAt: l.ReceivedAt, Source: l.Source, Kind: l.Kind, KeyID: l.KeyID, Path: l.Path, ContentType: l.ContentType,
		Position: l.Position, Code: l.Code, Field: l.Field, Message: l.Message, Truncated: l.Truncated,
		State: string(l.State), ChangedAt: l.ChangedAt, ChangedBy: l.ChangedBy, Events: namesOf(l.Became),
	}
	if keep {
		out.Withheld, out.Message, out.Events, out.PayloadBytes = true, withheld, nil, l.Bytes
		return out
	}
	out.SetPayload(l.Payload, l.Bytes)
	return out
}

func namesOf(events []deadletter.Event) []api.EventNamed {
	var out []api.EventNamed
	for _, e := range events {
		out = append(out, api.EventNamed(e))
	}
	return out
}

func resultOf(r deadletter.Result, keep bool) api.ReplayResult {
	out := api.ReplayResult{ID: r.ID, State: string(r.State), Accepted: r.Accepted, Duplicates: r.Duplicates, Events: namesOf(r.Events)}
	if f := r.Fault; f != nil {
		out.Fault = &api.ReplayFault{Code: f.Code, Detail: f.Detail, Status: f.Status, Retry: f.RetryAfter}
		for _, e := range f.Errors {
			out.Fault.Errors = append(out.Fault.Errors, api.EventFault{Index: e.Index, ID: e.ID, Code: string(e.Code), Field: e.Field, Message: e.Message})
		}
	}
	if keep {
		out.Events = nil
		if out.Fault != nil {
			out.Fault.Detail = withheld
			for i := range out.Fault.Errors {
				out.Fault.Errors[i].ID, out.Fault.Errors[i].Message = "", withheld
			}
		}
	}
	return out
}
