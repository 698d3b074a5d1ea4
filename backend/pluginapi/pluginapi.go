// Package pluginapi serves the plugins of a server over HTTP:
//
//	GET  /api/v1/plugins            how they are, for administrators
//	GET  /api/v1/plugins/kinds      the kinds of question that they answer; plugin=ID: those of one
//	POST /api/v1/plugins/plan       a PlanRequest of the contract, for its PlanResponse
//	POST /api/v1/plugins/answer     an AnswerRequest, for its AnswerResponse
//	GET  /api/v1/plugins/series     which are forecasters and detectors
//	POST /api/v1/plugins/forecast   a ForecastRequest to plugin=ID, for its ForecastResponse
//	POST /api/v1/plugins/detect     a DetectRequest to plugin=ID, for its DetectResponse
//
// All but the first are for the Grafana plugin, which has the data and no plugins. Nothing of the
// data is in them but what the caller sends: a key with the scope read is enough.
package pluginapi

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/proto"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/panel"
	"github.com/flowgauge/flowgauge/backend/panel/hosted"
	"github.com/flowgauge/flowgauge/backend/pluginclient"
	"github.com/flowgauge/flowgauge/backend/query"
	"github.com/flowgauge/flowgauge/backend/rest"
	"github.com/flowgauge/flowgauge/plugins/contract"
	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
	"github.com/flowgauge/flowgauge/plugins/host"
)

const (
	maxPlan   = 1 << 20
	maxSeries = 1 << 20 // of the most buckets that are allowed it is a fifth
	// atOnce keeps what becomes of bodies from filling the memory.
	atOnce = 4
)

// API serves the endpoints.
type API struct {
	host   *host.Host
	panels panel.Source
	auth   rest.Authenticator
	log    *slog.Logger
	room   room
	slots  chan struct{}
}

// New returns an API.
func New(h *host.Host, panels panel.Source, auth rest.Authenticator, log *slog.Logger) *API {
	return &API{host: h, panels: panels, auth: auth, log: log, room: room{of: map[string]int{}}, slots: make(chan struct{}, atOnce)}
}

// Register adds the endpoints to a router.
func (a *API) Register(router gin.IRouter) {
	router.GET(pluginclient.Root, rest.Admit(a.auth, a.log, access.ScopeAdmin), a.list)
	g := router.Group(pluginclient.Root, rest.Admit(a.auth, a.log, access.ScopeRead), a.room.bound)
	g.GET("/kinds", a.kinds)
	g.POST("/plan", a.plan)
	g.POST("/answer", a.answer)
	g.GET("/series", a.series)
	g.POST("/forecast", a.forecast)
	g.POST("/detect", a.detect)
}

func (a *API) kinds(c *gin.Context) {
	plugin := c.Query("plugin")
	kinds, err := a.panels.Kinds(c.Request.Context(), plugin)
	if err != nil && plugin != "" {
		a.fail(c, err)
		return
	}
	if kinds == nil {
		kinds = []query.KindInfo{}
	}
	c.JSON(http.StatusOK, gin.H{"kinds": kinds})
}

func (a *API) plan(c *gin.Context) {
	req := &contractv1.PlanRequest{}
	if !a.read(c, maxPlan, req) || !a.check(c, req.GetQuestion()) {
		return
	}
	var plan *contractv1.PlanResponse
	err := a.panels.Plan(c.Request.Context(), req, func(res *contractv1.PlanResponse) error {
		plan = res
		_, err := panel.Requests(res)
		return err
	})
	a.write(c, plan, err)
}

func (a *API) answer(c *gin.Context) {
	body, ok := a.body(c, panel.MaxMessage)
	if !ok {
		return
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-c.Request.Context().Done():
		return
	}
	req := &contractv1.AnswerRequest{}
	if !a.decode(c, body, req) || !a.check(c, req.GetQuestion()) {
		return
	}
	var answer *contractv1.AnswerResponse
	err := a.panels.Answer(c.Request.Context(), req, func(res *contractv1.AnswerResponse) error {
		answer = res
		_, err := panel.Result(res, time.UTC)
		return err
	})
	a.write(c, answer, err)
}

// read takes a message of the contract.
func (a *API) read(c *gin.Context, most int64, into proto.Message) bool {
	body, ok := a.body(c, most)
	return ok && a.decode(c, body, into)
}

func (a *API) body(c *gin.Context, most int64) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, most))
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return body, true
	case errors.As(err, &large):
		rest.Refuse(c, http.StatusRequestEntityTooLarge, "body_too_large", "the body has at most "+strconv.FormatInt(most, 10)+" bytes")
	case errors.Is(err, errNoRoom):
		c.Header("Retry-After", "5")
		rest.Refuse(c, http.StatusServiceUnavailable, "busy", "plugins are asked too much at once: try again later")
	default:
		rest.Refuse(c, http.StatusBadRequest, "malformed", "the body did not come to its end")
	}
	return nil, false
}

// decode reads a message, which has no more in it than the contract allows.
func (a *API) decode(c *gin.Context, body []byte, into proto.Message) bool {
	name := string(into.ProtoReflect().Descriptor().FullName())
	if err := contract.Check(into, body); err != nil {
		rest.Refuse(c, http.StatusBadRequest, "malformed", "the body must be the message "+name+" in protobuf's binary format: "+err.Error())
		return false
	}
	if err := proto.Unmarshal(body, into); err != nil {
		rest.Refuse(c, http.StatusBadRequest, "malformed", "the body must be the message "+name+" in protobuf's binary format")
		return false
	}
	return true
}

// check lets through only what a plugin has said that it takes.
func (a *API) check(c *gin.Context, q *contractv1.Question) bool {
	r := query.Request{Kind: query.Kind(q.GetKind()), Granularity: query.Granularity(q.GetGranularity()), Params: q.GetParameters()}
	kinds, err := a.panels.Kinds(c.Request.Context(), r.Kind.Plugin())
	if err != nil {
		a.fail(c, err)
		return false
	}
	for _, k := range kinds {
		if k.Kind != r.Kind {
			continue
		}
		if err := k.Check(&r); err != nil {
			a.fail(c, err)
			return false
		}
		return true
	}
	rest.Refuse(c, http.StatusBadRequest, "invalid_parameter", "no plugin has the kind "+strconv.Quote(query.Shortened(q.GetKind())))
	return false
}

func (a *API) write(c *gin.Context, res proto.Message, err error) {
	var body []byte
	if err == nil {
		body, err = proto.Marshal(res)
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	c.Data(http.StatusOK, pluginclient.MediaType, body)
}

func (a *API) fail(c *gin.Context, err error) {
	var (
		wrong   *query.RequestError
		refused *host.RefusedError
	)
	fault := hosted.Fault(err)
	switch {
	case errors.As(err, &wrong):
		rest.Refuse(c, http.StatusBadRequest, "invalid_parameter", wrong.Message)
	case errors.As(err, &refused):
		rest.Refuse(c, http.StatusBadRequest, "invalid_parameter", panel.Sentence(refused.Refusal()))
	case fault != nil:
		a.log.ErrorContext(c.Request.Context(), "a plugin did not answer", "path", c.FullPath(), "fault", fault.Fault, "error", err)
		status, code := statusOf(fault.Fault)
		if fault.Fault == query.PluginDown {
			c.Header("Retry-After", "5")
		}
		rest.Refuse(c, status, code, fault.Message)
	case c.Request.Context().Err() != nil:
		c.Abort() // nobody waits
	default:
		a.log.ErrorContext(c.Request.Context(), "request failed", "path", c.FullPath(), "error", err)
		rest.Refuse(c, http.StatusInternalServerError, "internal", "the server failed; its log says why")
	}
}

// statusOf is what a fault is in HTTP.
func statusOf(f query.PluginFault) (status int, code string) {
	switch f {
	case query.PluginDown:
		return http.StatusServiceUnavailable, "plugin_down"
	case query.PluginLate:
		return http.StatusGatewayTimeout, "plugin_timeout"
	}
	return http.StatusBadGateway, "plugin_failed"
}
