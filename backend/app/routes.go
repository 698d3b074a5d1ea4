package app

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/access"
	"github.com/flowgauge/flowgauge/backend/access/keystore"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/cloudevents"
	"github.com/flowgauge/flowgauge/collector/receive/otlp"
)

// routes serves what takes events in.
func (in *intake) routes(router gin.IRouter, a *App) error {
	receiver, err := receive.New(receive.Config{Queue: a.tracedLog(in.queue), Auth: a.sender, Limit: a.limits.sending, Logger: a.log, Registerer: a.registry})
	if err != nil {
		return err
	}
	receiver.Register(router)
	if err := in.pluginSources(router, receiver, a); err != nil {
		return err
	}
	return standards(router, receiver, a)
}

// standards serves the sources that speak a standard's protocol.
func standards(router gin.IRouter, receiver *receive.Receiver, a *App) error {
	if c := a.cfg.Sources.OTLP; c.Enabled {
		traces, err := otlp.New(otlp.Config{Receiver: receiver, Presets: c.Presets, Mappings: c.Mappings, Registerer: a.registry})
		if err != nil {
			return err
		}
		traces.Register(router)
	}
	if c := a.cfg.Sources.CloudEvents; c.Enabled {
		events, err := cloudevents.New(cloudevents.Config{CloudEvents: c, Receiver: receiver})
		if err != nil {
			return err
		}
		events.Register(router)
	}
	return webhooks(router, receiver, a.cfg.Sources)
}

// sender says who sends events.
func (a *App) sender(r *http.Request) (receive.Principal, error) {
	p, err := a.keys.Authenticate(r)
	switch {
	case keystore.Denied(err):
		return receive.Principal{}, fmt.Errorf("%w: %w", receive.ErrUnauthenticated, err)
	case err != nil:
		return receive.Principal{}, err
	case !p.Allows(access.ScopeIngest):
		return receive.Principal{}, fmt.Errorf("%w: it has %v, needed is %q", receive.ErrForbidden, p.Scopes, access.ScopeIngest)
	}
	return receive.Principal{Tenant: p.Tenant, KeyID: p.KeyID, CrossTenant: p.CrossTenant}, nil
}
