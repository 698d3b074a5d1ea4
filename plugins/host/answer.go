package host

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/flowgauge/flowgauge/plugins/contract"
)

// An answer is what has come back of the last call of a context. A status alone does not say
// whether the plugin has chosen it, or gRPC because there was none.
type answer struct {
	began atomic.Bool // with something besides a status
	ended atomic.Bool // with a status
}

// answers finds the answer of a call's context.
type answers struct{}

func (answers) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (answers) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (answers) HandleConn(context.Context, stats.ConnStats) {}

func (answers) HandleRPC(ctx context.Context, s stats.RPCStats) {
	a, ok := ctx.Value(answers{}).(*answer)
	if !ok {
		return
	}
	switch s.(type) {
	case *stats.Begin:
		a.began.Store(false)
		a.ended.Store(false)
	case *stats.InHeader:
		a.began.Store(true)
	case *stats.InTrailer:
		a.ended.Store(true)
	}
}

// A verdict says what to make of a call's error.
type verdict struct {
	refused bool // the plugin will not do it
	late    bool // there was no answer in time
	hurried bool // nor had the plugin its own, for who asked had less
	gone    bool // there is no process to answer
	said    bool // the error is the plugin's own
}

// nearly over is a deadline for a plugin that keeps it itself, by a clock of its own.
const nearly = 20 * time.Millisecond

// verdict judges the error of a call. over says that its deadline is.
func (a *answer) verdict(err error, over bool) verdict {
	s, isStatus := status.FromError(err)
	ended := a.ended.Load()
	switch code := s.Code(); {
	case code == codes.InvalidArgument, code == codes.Unimplemented:
		return verdict{refused: true}
	case errors.Is(err, context.DeadlineExceeded), code == codes.DeadlineExceeded && (over || !ended):
		return verdict{late: true}
	case code == codes.Unavailable && !ended:
		return verdict{gone: true}
	}
	// After the beginning of a message the error may be what is wrong with that.
	return verdict{said: isStatus && ended && !a.began.Load()}
}

func (v verdict) outcome() string {
	switch {
	case v.refused:
		return "refused"
	case v.late:
		return "timeout"
	case v.gone:
		return "gone"
	}
	return "error"
}

// works reports whether the plugin is well all the same: it has answered, and who asks knows what
// to make of an error. Where events pass, they wait for another answer, which a new start may bring.
func (v verdict) works(e contract.Extension) bool {
	return v.refused || v.said && !slices.Contains(passed, e)
}
