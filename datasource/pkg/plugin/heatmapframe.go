package plugin

import (
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// belowMillisecond is where a heatmap shows what took no measurable time: its axis is
// logarithmic and has no zero.
const belowMillisecond = 0.5

// heatmapFrame is a distribution of durations as cells of a heatmap, one for each bucket
// of time and of durations that has something in it.
func heatmapFrame(f *data.Frame) *data.Frame {
	n := f.Rows()
	ends, from, to, counts := make([]time.Time, n), make([]float64, n), make([]float64, n), make([]float64, n)
	for row := range n {
		ends[row], counts[row] = at[time.Time](f, "end", row), float64(at[int64](f, "count", row))
		from[row], to[row] = max(at[float64](f, "from_ms", row), belowMillisecond), at[float64](f, "to_ms", row)
		if to[row] == 0 {
			to[row] = 1
		}
	}
	unit := func() *data.FieldConfig { return &data.FieldConfig{Unit: "ms"} }
	out := data.NewFrame("", data.NewField("xMax", nil, ends),
		data.NewField("yMin", nil, from).SetConfig(unit()), data.NewField("yMax", nil, to).SetConfig(unit()),
		data.NewField("count", nil, counts).SetConfig(&data.FieldConfig{Unit: "short"}))
	out.Meta = f.Meta
	shape(out, heatmapCells, "heatmap")
	return out
}

// heatmapCells is the type of Grafana's that its SDK does not name.
const heatmapCells data.FrameType = "heatmap-cells"
