package plugin

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"golang.org/x/sync/errgroup"
)

// An arrowFrame is a frame whose values are laid out as Arrow has them. Grafana's SDK
// copies values one at a time, twice: into its frame, and from there into Arrow.
type arrowFrame struct {
	head    *data.Frame // all but the values
	columns []sqlColumn
	rows    []int32 // those of the columns that the frame has; nil are all
	length  int
}

// marshal writes frames, as many at a time as there are processors.
func marshal(frames []*arrowFrame) ([][]byte, error) {
	out := make([][]byte, len(frames))
	var next atomic.Int64
	var g errgroup.Group
	for range min(runtime.GOMAXPROCS(0), len(frames)) {
		g.Go(func() (err error) {
			for i := int(next.Add(1)) - 1; i < len(frames) && err == nil; i = int(next.Add(1)) - 1 {
				out[i], err = frames[i].marshal()
			}
			return err
		})
	}
	return out, g.Wait()
}

// marshal writes what head.MarshalArrow would if head had the values.
func (f *arrowFrame) marshal() ([]byte, error) {
	table, err := data.FrameToArrowTable(f.head)
	if err != nil {
		return nil, fmt.Errorf("describe a frame in Arrow: %w", err)
	}
	schema := table.Schema()
	arrays := make([]arrow.Array, len(f.columns))
	size := headSize(schema)
	for i, c := range f.columns {
		if f.rows != nil {
			c = c.(seriesColumn).pick(f.rows)
		}
		buffers, nulls := c.arrow()
		for _, b := range buffers {
			if b != nil {
				size += b.Len() + 8 // they are aligned
			}
		}
		arrays[i] = array.MakeFromData(array.NewData(schema.Field(i).Type, f.length, buffers, nil, nulls, 0))
	}
	out := bytes.NewBuffer(make([]byte, 0, size))
	w, err := ipc.NewFileWriter(out, ipc.WithSchema(schema))
	if err != nil {
		return nil, fmt.Errorf("write a frame in Arrow: %w", err)
	}
	if f.length > 0 {
		if err := w.Write(array.NewRecordBatch(schema, arrays, int64(f.length))); err != nil {
			return nil, fmt.Errorf("write a frame in Arrow: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write a frame in Arrow: %w", err)
	}
	return out.Bytes(), nil
}

// headSize is what is written beside the values, or a little more: too little costs a copy
// of the values.
func headSize(schema *arrow.Schema) int {
	size := 600
	all := []arrow.Metadata{schema.Metadata()}
	for _, f := range schema.Fields() {
		all = append(all, f.Metadata)
		size += 280 + 2*len(f.Name)
	}
	for _, m := range all {
		for _, text := range m.Values() {
			size += 2 * (len(text) + 24) // it is written once more at the end
		}
	}
	return size
}
