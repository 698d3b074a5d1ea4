package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// The audit log says that a question came over REST.
func TestQuestionsComeOverREST(t *testing.T) {
	f := &fake{result: sampleResult()}
	h, _ := newHandler(t, f)
	status, _, _ := call(t, h, "admin", http.MethodPost, "/api/v1/analytics/query",
		`{"metrics":["executions"],"from":"2026-03-29T00:00:00Z","to":"2026-03-30T00:00:00Z"}`)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "rest", f.over)
}
