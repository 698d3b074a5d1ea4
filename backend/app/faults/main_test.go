// Package faults_test breaks Flowgauge in every way that its design promises to
// survive, under load, and then asks one question: is what was acknowledged there,
// once, and do the figures equal a recount?
//
//	workers ──HTTP──> flowgauge collector ──(toxiproxy)──> ClickHouse
//	   │  model                 ✗ kill -9                     ✗ kill -9
//	   └──────────────── check: model = tables, recount = rollups
//
// The processes are real ones. Each worker repeats a request until it is
// acknowledged, and knows what should be stored then, to the field.
//
//	go test ./backend/app/faults -faults.kills 1000 -timeout 2h
package faults_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/flowgauge/flowgauge/backend/engine"
)

var (
	kills = flag.Int("faults.kills", 45, "how often processes are killed, and a third as often with Kafka")
	seed  = flag.Uint64("faults.seed", 1, "of what is sent and of what is killed when")
)

// program is the real binary.
var program string

func TestMain(m *testing.M) {
	engine.RunChildIfAsked()
	flag.Parse()
	if disk := os.Getenv("FLOWGAUGE_TEST_DISK"); disk != "" {
		_ = os.Setenv("TMPDIR", disk) // the build gives other tests one in memory
	}
	dir, err := os.MkdirTemp("", "flowgauge-faults-*")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "flowgauge")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/flowgauge/flowgauge/cmd/flowgauge").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build flowgauge: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
