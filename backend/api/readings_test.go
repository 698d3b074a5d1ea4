package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadings(t *testing.T) {
	var r readings
	body := []byte(`{"metrics":["executions"],"filters":[{"dimension":"workflow","operator":"in","values":["a"]}],"params":{"x":"y"},"from":"2026-03-01T00:00:00Z","to":"2026-04-01T00:00:00Z"}`)
	want, err := decode(body, nil)
	require.NoError(t, err)
	_, known := r.get(body)
	require.False(t, known)
	r.put(body, want)
	got, known := r.get(body)
	require.True(t, known)
	require.Equal(t, want, got)

	// Whoever gets one may change it.
	got.Metrics[0], got.Filters[0].Values[0], got.Params["x"] = "changed", "changed", "changed"
	again, _ := r.get(body)
	require.Equal(t, "executions", again.Metrics[0])
	require.Equal(t, "a", again.Filters[0].Values[0])
	require.Equal(t, "y", again.Params["x"])

	r.put([]byte(strings.Repeat(" ", longestReading+1)), want)
	require.Len(t, r.known, 1, "long ones are not kept")
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range mostReadings {
				text := fmt.Appendf(nil, "%d %d", w, i%5000)
				r.put(text, want)
				r.get(text)
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, len(r.known), mostReadings)
}
