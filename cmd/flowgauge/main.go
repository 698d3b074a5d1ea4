// Command flowgauge is Flowgauge: the collector, the server, and the commands
// to fill and look after them. Run it without arguments for help.
package main

import (
	"os"

	"github.com/flowgauge/flowgauge/backend/engine"
	"github.com/flowgauge/flowgauge/cmd/flowgauge/command"
)

func main() {
	engine.RunChildIfAsked() // the embedded ClickHouse is this program again
	os.Exit(command.Execute())
}
