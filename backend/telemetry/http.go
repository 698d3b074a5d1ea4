package telemetry

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// quiet are routes that are asked all the time and tell nothing.
var quiet = map[string]bool{"": true, "/": true, "/healthz": true, "/readyz": true, "/metrics": true}

// Middleware makes a span for each request, below the sender's if it names one.
// A span has the route and never the address, in which a sender may have put a
// secret.
func (t *Telemetry) Middleware() gin.HandlerFunc {
	return func(c *gin.Context) {
		route := c.FullPath()
		if quiet[route] {
			return
		}
		ctx := propagator.Extract(c.Request.Context(), propagation.HeaderCarrier(c.Request.Header))
		ctx, s := t.tracer.Start(ctx, c.Request.Method+" "+route, trace.WithSpanKind(trace.SpanKindServer))
		defer s.End()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
		if !s.IsRecording() {
			return
		}
		status := c.Writer.Status()
		s.SetAttributes(
			attribute.String("http.request.method", c.Request.Method), // a route's, so no sender's invention
			attribute.String("http.route", route), attribute.Int("http.response.status_code", status),
		)
		if status >= http.StatusInternalServerError {
			s.SetStatus(codes.Error, http.StatusText(status))
		}
	}
}
