// Command gpx_flowgauge is the backend of Flowgauge's Grafana datasource.
package main

import (
	"os"

	"github.com/gin-gonic/gin"
	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"github.com/flowgauge/flowgauge/datasource/pkg/plugin"
)

func main() {
	gin.SetMode(gin.ReleaseMode) // else it lists its routes where Grafana reads the plugin's log
	if err := datasource.Manage(plugin.ID, plugin.New, datasource.ManageOpts{}); err != nil {
		log.DefaultLogger.Error("Plugin ended", "error", err)
		os.Exit(1)
	}
}
