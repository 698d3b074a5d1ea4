package criticalpath

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/event"
)

// The runs of real workflows, whose critical paths another program has counted.
func TestNextflowEqualsItsCriticalPaths(t *testing.T) {
	const folder = "../../../../shared/data/nextflow"
	file, err := os.Open(filepath.Join(folder, "events.ndjson.gz"))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the data set nextflow is not here: %v", err)
		}
		t.Skipf("the data set nextflow is not here: %v", err)
	}
	defer func() { require.NoError(t, file.Close()) }()
	var want struct {
		Workflows map[string]struct {
			Path int64 `json:"critical_path_ms"`
		} `json:"workflows"`
	}
	text, err := os.ReadFile(filepath.Join(folder, "expected.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &want))
	unzipped, err := gzip.NewReader(bufio.NewReader(file))
	require.NoError(t, err)
	body, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	steps, ends := map[string][]Step{}, map[string]event.Event{}
	fault := event.Decode(body, event.FormatNDJSON, event.Options{Tenant: "acme"}, func(_ int, _ []byte, e *event.Event, fault *event.Error) bool {
		require.Nil(t, fault)
		switch {
		case e.Kind == event.KindStep:
			steps[e.ExecutionID] = append(steps[e.ExecutionID], Step{
				ID: e.ID, StepID: e.StepID, Queued: e.QueuedTime, Start: e.Time, End: e.EndTime, Attempt: e.Attempt,
				Failed: e.Status == event.StatusFailed, DependsOn: append([]string(nil), e.DependsOn...),
			})
		case e.Phase() != event.PhaseStarted:
			ends[e.ID] = *e
		}
		return true
	})
	require.Nil(t, fault)
	require.Len(t, ends, 15)
	for id, end := range ends {
		p := Of(steps[id], end.Time-end.Duration, end.Time)
		require.Equal(t, want.Workflows[end.WorkflowID].Path, p.Run, end.WorkflowID)
		require.Zero(t, p.Queue+p.Retry+p.Gap, end.WorkflowID)
		// The steps alone say the same.
		p = Of(steps[id], Unknown, Unknown)
		require.Equal(t, want.Workflows[end.WorkflowID].Path, p.Run, end.WorkflowID)
	}
}
