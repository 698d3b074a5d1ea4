package history_test

import (
	"testing"

	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }
