package cloudevents

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

func BenchmarkBatch1000(b *testing.B) {
	var events []string
	for i := range 1000 {
		events = append(events, fmt.Sprintf(`{"specversion":"1.0","type":"dev.flowgauge.step.v1","source":"https://ci.example/runs","id":"%08d","time":"2024-05-31T10:00:00.%03dZ","datacontenttype":"application/json","data":{"executionId":"run-%d","stepId":"build","stepType":"make","status":"completed","duration":%d,"userId":"ann"}}`, i, i, i/10, i))
	}
	body := []byte("[" + strings.Join(events, ",") + "]")
	d := decoder(b, "")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		o := outcome{}
		m, _ := o.message(body)
		require.Nil(b, d.Batch(m, func(int, []byte, *event.Event, *event.Error) bool { n++; return true }))
		require.Equal(b, 1000, n)
	}
}
