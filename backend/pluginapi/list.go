package pluginapi

import (
	"net/http"
	"slices"

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
	plugins := []shown{}
	for _, state := range a.host.States() {
		s := shown{State: state}
		if state.Up && slices.Contains(state.Extends, contract.ExtensionPanel) {
			kinds, err := a.panels.Kinds(c.Request.Context(), state.ID)
			for _, k := range kinds {
				s.Kinds = append(s.Kinds, string(k.Kind))
			}
			if err != nil {
				s.Fault = err.Error()
			}
		}
		plugins = append(plugins, s)
	}
	c.JSON(http.StatusOK, gin.H{"plugins": plugins})
}
