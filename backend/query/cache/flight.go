package cache

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/flowgauge/flowgauge/backend/query"
)

// flights lets those who ask the same at the same time share one answer. The work
// belongs to nobody's context: it goes on when the first who asked leaves, and is
// cancelled when all have left.
type flights struct {
	mu    sync.Mutex
	calls map[string]*flight
}

type flight struct {
	waiting int
	cancel  context.CancelFunc
	done    chan struct{}
	result  *query.Result
	err     error
}

func (f *flights) do(ctx context.Context, key string, work func(context.Context) (*query.Result, error)) (*query.Result, error) {
	f.mu.Lock()
	call := f.calls[key]
	if call == nil {
		detached, cancel := context.WithCancel(context.WithoutCancel(ctx))
		call = &flight{cancel: cancel, done: make(chan struct{})}
		f.calls[key] = call
		go func() {
			defer cancel()
			call.result, call.err = guarded(detached, work)
			f.mu.Lock()
			f.leave(key, call)
			f.mu.Unlock()
			close(call.done)
		}()
	}
	call.waiting++
	f.mu.Unlock()

	select {
	case <-call.done:
		return call.result, call.err
	case <-ctx.Done():
		f.mu.Lock()
		defer f.mu.Unlock()
		if call.waiting--; call.waiting == 0 {
			f.leave(key, call) // Nobody joins what is being cancelled.
			call.cancel()
		}
		return nil, ctx.Err()
	}
}

// guarded makes an error of a panic: it would end the program here, and not the
// request as where it is answered.
func guarded(ctx context.Context, work func(context.Context) (*query.Result, error)) (res *query.Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			res, err = nil, fmt.Errorf("answer a question: panic: %v\n%s", r, debug.Stack())
		}
	}()
	return work(ctx)
}

// leave takes a flight off the list.
func (f *flights) leave(key string, call *flight) {
	if f.calls[key] == call {
		delete(f.calls, key)
	}
}
