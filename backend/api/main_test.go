package api

import (
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	enginetest.Main(m)
}
