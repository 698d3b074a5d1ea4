package deadletter

import (
	"context"
	"time"
)

const (
	// MaxReplays is the most dead letters that one call replays.
	MaxReplays = 10_000
	// pageReplays is how many are read, and noted, at once.
	pageReplays = 200
	// patience is how often a letter is tried when nothing is wrong with it.
	patience = 5
)

// Summary says what became of many dead letters.
type Summary struct {
	Matched  int            // letters that were looked at
	Accepted int            // that were taken, or would be
	Rejected int            // that are rejected again
	Codes    map[string]int // why, by letter
	More     bool           // there are more than were looked at
}

// ReplayAll sends the open dead letters of a filter again, up to limit, the one
// received last first, and tells each what became of every one. A filter with states
// replays those. It stops when nothing can be taken at the moment.
func (r *Replayer) ReplayAll(ctx context.Context, scope Scope, f Filter, limit int, dryRun bool, each func(Result) error) (Summary, error) {
	sum := Summary{Codes: map[string]int{}}
	if len(f.States) == 0 {
		f.States = []State{Open}
	}
	page := Page{Payload: whole}
	for sum.Matched < limit {
		page.Limit = min(pageReplays, limit-sum.Matched)
		letters, next, err := r.cfg.Store.List(ctx, scope, f, page)
		if err != nil {
			return sum, err
		}
		if err := r.replayPage(ctx, scope, letters, dryRun, &sum, each); err != nil {
			return sum, err
		}
		if page.After = next; next == "" {
			return sum, nil
		}
	}
	sum.More = true
	return sum, nil
}

// replayPage notes what became of letters also when it is interrupted.
func (r *Replayer) replayPage(ctx context.Context, scope Scope, letters []Letter, dryRun bool, sum *Summary, each func(Result) error) (err error) {
	var done []Letter
	defer func() {
		noted := r.cfg.Store.put(context.WithoutCancel(ctx), scope, done)
		if err == nil {
			err = noted
		}
	}()
	for i := range letters {
		result, err := r.patiently(ctx, scope, &letters[i], Order{DryRun: dryRun})
		if err != nil {
			return err
		}
		sum.Matched++
		if result.Fault != nil {
			sum.Rejected++
			code := result.Fault.Code
			if len(result.Fault.Errors) > 0 {
				code = string(result.Fault.Errors[0].Code)
			}
			sum.Codes[code]++
		} else {
			sum.Accepted++
			if !dryRun {
				letters[i].become(Replayed, scope, result.Events)
				result.State = Replayed
				done = append(done, letters[i])
			}
		}
		if err := each(result); err != nil {
			return err
		}
	}
	return nil
}

// patiently waits when the log is full or the key has sent its share.
func (r *Replayer) patiently(ctx context.Context, scope Scope, l *Letter, o Order) (Result, error) {
	for attempt := 1; ; attempt++ {
		result := r.send(ctx, scope, l, o)
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		if result.Fault == nil || result.Fault.RetryAfter == 0 {
			return result, nil
		}
		if attempt == patience {
			return result, &BusyError{Fault: *result.Fault}
		}
		select {
		case <-ctx.Done():
			return result, ctx.Err()
		case <-time.After(result.Fault.RetryAfter):
		}
	}
}

// BusyError says that nothing can be taken at the moment.
type BusyError struct{ Fault Fault }

func (e *BusyError) Error() string { return e.Fault.Code + ": " + e.Fault.Detail }
