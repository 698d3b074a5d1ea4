// Package span makes spans where there may be no tracer: a nil one costs
// nothing. It is apart from package telemetry so that those who make spans do
// not depend on those who send them.
package span

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Tracer makes spans; nil makes none.
type Tracer = trace.Tracer

// Span is one that may be nothing.
type Span struct{ trace.Span }

// Start begins a span below the one of ctx.
func Start(ctx context.Context, tracer Tracer, name string) (context.Context, Span) {
	if tracer == nil {
		return ctx, Span{noop.Span{}}
	}
	ctx, s := tracer.Start(ctx, name)
	return ctx, Span{s}
}

// Count notes how many there were of something.
func (s Span) Count(what string, n int) {
	if s.IsRecording() {
		s.SetAttributes(attribute.Int(what, n))
	}
}

// Text notes a name. It must not be what a caller sent, which may hold a secret.
func (s Span) Text(what, value string) {
	if s.IsRecording() {
		s.SetAttributes(attribute.String(what, value))
	}
}

// End ends the span, as failed when err is not nil. The error's text stays in the
// log, which the span's id is in too.
func (s Span) End(err error) {
	if err != nil {
		s.SetStatus(codes.Error, "failed")
	}
	s.Span.End()
}
