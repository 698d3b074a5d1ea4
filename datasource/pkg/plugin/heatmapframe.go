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
	return heatmapOf(ends, from, to, counts)
}

// heatmapOf is a frame of cells: the end of a bucket of time, the bounds of durations in
// milliseconds, and how many are between.
func heatmapOf(ends []time.Time, from, to, counts []float64) *data.Frame {
	bound := func(name string, values []float64) *data.Field {
		return data.NewField(name, nil, values).SetConfig(&data.FieldConfig{Unit: "ms"})
	}
	f := data.NewFrame("", data.NewField("xMax", nil, ends), bound("yMin", from), bound("yMax", to),
		data.NewField("count", nil, counts).SetConfig(&data.FieldConfig{Unit: "short"}))
	shape(f, heatmapCells, "heatmap")
	return f
}

// heatmapCells is the type of Grafana's that its SDK does not name.
const heatmapCells data.FrameType = "heatmap-cells"
