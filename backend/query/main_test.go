package query

import (
	"context"
	"flag"
	"testing"

	"pgregory.net/rapid"

	"github.com/flowgauge/flowgauge/backend/engine/enginetest"
)

// Most properties here are of many questions to the engine, so they are checked less
// often than rapid does by itself. -rapid.checks says how often.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
	enginetest.Main(m)
}

// testContext is a context for a check of rapid, which has none.
func testContext(*rapid.T) context.Context { return context.Background() }
