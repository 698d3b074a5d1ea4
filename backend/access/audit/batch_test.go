package audit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An insert has no more than the database takes, and always makes headway.
func TestBatchesAreBounded(t *testing.T) {
	for _, c := range []struct{ records, size, want int }{
		{0, 10, 0},
		{10, 10, 10},
		{3 * maxBatch, 10, maxBatch},
		{maxBatch, maxSealed, maxBatchBytes / maxSealed},
		{2, maxBatchBytes + 1, 1},
	} {
		waiting := make([]pending, c.records)
		for i := range waiting {
			waiting[i].size = c.size
		}
		require.Len(t, next(waiting), c.want)
	}
}
