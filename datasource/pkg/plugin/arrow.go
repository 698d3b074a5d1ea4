package plugin

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// An arrowFrame is a frame whose values are laid out as Arrow has them. Grafana's SDK
// copies values one at a time, twice: into its frame, and from there into Arrow.
type arrowFrame struct {
	head    *data.Frame // all but the values
	columns []sqlColumn
	rows    []int32 // those of the columns that the frame has; nil are all
	length  int
}

// marshal writes what head.MarshalArrow would if head had the values.
func (f *arrowFrame) marshal() ([]byte, error) {
	table, err := data.FrameToArrowTable(f.head)
	if err != nil {
		return nil, fmt.Errorf("describe a frame in Arrow: %w", err)
	}
	schema := table.Schema()
	arrays := make([]arrow.Array, len(f.columns))
	size := 0
	for i, c := range f.columns {
		if f.rows != nil {
			c = c.(seriesColumn).pick(f.rows)
		}
		buffers, nulls := c.arrow()
		for _, b := range buffers {
			size += bufferSize(b)
		}
		arrays[i] = array.MakeFromData(array.NewData(schema.Field(i).Type, f.length, buffers, nil, nulls, 0))
	}
	out := bytes.NewBuffer(make([]byte, 0, size+headRoom))
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

// headRoom is for what is written beside the values: too little costs a copy.
const headRoom = 8 << 10

func bufferSize(b *memory.Buffer) int {
	if b == nil {
		return 0
	}
	return b.Len()
}
