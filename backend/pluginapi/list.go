package pluginapi

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/plugins/contract"
	"github.com/flowgauge/flowgauge/plugins/host"
)

// shown is a plugin as administrators see it.
type shown struct {
	host.State
	// Kinds are those of a panel; Fault says why a panel that is up has none.
	Kinds []string `json:"kinds,omitempty"`
	Fault string   `json:"fault,omitempty"`
}

func (a *API) list(c *gin.Context) {
	states := a.host.States()
	plugins := make([]shown, len(states))
	var all sync.WaitGroup
	for i, state := range states {
		all.Go(func() { plugins[i] = a.shown(c.Request.Context(), state) })
	}
	all.Wait()
	c.JSON(http.StatusOK, gin.H{"plugins": plugins})
}

func (a *API) shown(ctx context.Context, state host.State) shown {
	s := shown{State: state}
	if !state.Up || !slices.Contains(state.Extends, contract.ExtensionPanel) {
		return s
	}
	kinds, err := a.panels.Kinds(ctx, state.ID)
	for _, k := range kinds {
		s.Kinds = append(s.Kinds, string(k.Kind))
	}
	if err != nil {
		s.Fault = err.Error()
	}
	return s
}
