package plugin

import (
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

func TestMain(m *testing.M) {
	// The SDK logs every call at every level.
	log.DefaultLogger = log.NewNullLogger()
	backend.Logger = log.DefaultLogger
	gin.SetMode(gin.ReleaseMode) // as the plugin's program does
	enginetest.Main(m, hosttest.Remove)
}
