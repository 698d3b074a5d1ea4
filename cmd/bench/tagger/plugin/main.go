// Command plugin is the tagger out of process.
package main

import (
	"github.com/flowgauge/flowgauge/cmd/bench/tagger"
	"github.com/flowgauge/flowgauge/plugins/contract"
)

func main() {
	contract.Serve(contract.Plugin{ID: tagger.ID, Version: tagger.Version, Enricher: tagger.Enricher{}})
}
