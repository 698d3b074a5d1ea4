package app

import (
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access/auditapi"
	"github.com/flowgauge/flowgauge/backend/access/directoryapi"
	"github.com/flowgauge/flowgauge/backend/access/keyapi"
	"github.com/flowgauge/flowgauge/backend/access/policy"
	"github.com/flowgauge/flowgauge/backend/pluginapi"
	"github.com/flowgauge/flowgauge/backend/pricing/priceapi"
)

// handler returns the HTTP interface of the process's roles.
func (a *App) handler() (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	if a.telemetry.Tracer() != nil {
		router.Use(a.telemetry.Middleware())
	}
	router.Use(recovery(a.log))
	router.GET("/", func(c *gin.Context) {
		c.String(http.StatusOK, "Flowgauge. Events go to /api/v1/events, questions to /api/v1/analytics; /api/v1/analytics/openapi.yaml describes it, /api/v1/docs is a page to try it.\n")
	})
	router.GET("/healthz", gin.WrapF(alive))
	router.GET("/readyz", gin.WrapF(a.ready))
	if a.cfg.HTTP.Metrics {
		router.GET("/metrics", gin.WrapH(a.metrics()))
	}
	if a.intake != nil && a.cfg.Receive.Enabled {
		if err := a.intake.routes(router, a); err != nil {
			return nil, err
		}
	}
	limited := router.Group("", a.limits.Middleware(a.asking))
	if a.opts.Roles.Server {
		keyapi.New(a.keys, a.auth, a.log).Register(limited)
		priceapi.New(a.prices, a.auth, a.log).Register(limited)
		auditapi.New(a.database.writer, policy.NewStore(a.database.writer), a.auth, a.log).Register(limited)
		pluginapi.New(a.host, a.panels, a.auth, a.log).Register(limited)
		directoryapi.New(a.people, a.auth, a.log).Register(limited)
	}
	if err := a.questions(limited, router); err != nil {
		return nil, err
	}
	return router, nil
}

// recovery answers 500 when a handler panics. gin gets no writer: it would print
// the request, query string and all, and what a caller sends may hold a secret.
func recovery(log *slog.Logger) gin.HandlerFunc {
	return gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, what any) {
		log.ErrorContext(c.Request.Context(), "a handler panicked", "path", c.FullPath(), "panic", what, "stack", string(debug.Stack()))
		c.AbortWithStatus(http.StatusInternalServerError)
	})
}
