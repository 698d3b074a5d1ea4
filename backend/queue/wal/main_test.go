package wal

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if disk := os.Getenv("FLOWGAUGE_TEST_DISK"); disk != "" {
		_ = os.Setenv("TMPDIR", disk) // the build gives other tests one in memory
	}
	os.Exit(m.Run())
}
