package api

import (
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/api/spec"
)

//go:generate go tool -modfile=../../.ci/generate.mod oapi-codegen -config spec/config.yaml openapi.yaml

// base is the address that the document's paths are below.
const base = "/api/v1"

// server has a method for each operation of the document.
type server struct{ *API }

var _ spec.ServerInterface = server{}

// part registers the operations below one folder of the document, each behind what
// the document says of it: who may call it, and which parameters it has.
type part struct {
	gin.IRouter
	api    *API
	folder string
}

func (a *API) register(router gin.IRouter, folder string) {
	spec.RegisterHandlersWithOptions(part{router, a, folder}, server{a}, spec.GinServerOptions{BaseURL: base, ErrorHandler: a.unbound})
}

// unbound answers when the generated code cannot bind what check let through.
func (a *API) unbound(c *gin.Context, err error, _ int) {
	a.fail(c, invalid("query", "", err.Error(), ""))
}

func (p part) handle(method, path string, handlers []gin.HandlerFunc) gin.IRoutes {
	if !strings.HasPrefix(path, p.folder+"/") {
		return p.IRouter
	}
	o := p.api.document.operations[method+" "+strings.TrimPrefix(path, base)]
	chain := []gin.HandlerFunc{p.api.metrics.observe}
	if !o.public() {
		chain = append(chain, p.api.authenticate)
	}
	if o.needs() == string(access.ScopeAdmin) {
		chain = append(chain, p.api.mayChange)
	}
	chain = append(chain, p.api.check(o))
	return p.Handle(method, path, append(chain, handlers...)...)
}

// GET registers an operation, as the others do.
func (p part) GET(path string, h ...gin.HandlerFunc) gin.IRoutes { return p.handle("GET", path, h) }

// POST registers an operation.
func (p part) POST(path string, h ...gin.HandlerFunc) gin.IRoutes { return p.handle("POST", path, h) }

// PUT registers an operation.
func (p part) PUT(path string, h ...gin.HandlerFunc) gin.IRoutes { return p.handle("PUT", path, h) }

// DELETE registers an operation.
func (p part) DELETE(path string, h ...gin.HandlerFunc) gin.IRoutes {
	return p.handle("DELETE", path, h)
}
