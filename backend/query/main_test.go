package query

import (
	"context"
	"testing"

	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// testContext is a context for a check of rapid, which has none.
func testContext(*rapid.T) context.Context { return context.Background() }
