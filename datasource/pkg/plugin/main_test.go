package plugin

import (
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) {
	// The SDK logs every call at every level.
	log.DefaultLogger = log.NewNullLogger()
	backend.Logger = log.DefaultLogger
	enginetest.Main(m)
}
