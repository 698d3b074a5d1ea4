package conformance_test

import (
	"os"
	"testing"

	"github.com/flowgauge/flowgauge/plugins/host/hosttest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	hosttest.Remove()
	os.Exit(code)
}
