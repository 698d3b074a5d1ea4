package promql

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/query"
)

// The audit log says that a query was PromQL, however its key came.
func TestQueriesComeOverPromQL(t *testing.T) {
	for _, scheme := range []string{"bearer", "basic"} {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequest(http.MethodGet, Root+"/api/v1/query", nil)
		if scheme == "basic" {
			c.Request.SetBasicAuth("anybody", "fg_ann")
		} else {
			c.Request.Header.Set("Authorization", "Bearer fg_ann")
		}
		(&API{auth: keys{}}).authenticate(c)
		require.False(t, c.IsAborted())
		require.Equal(t, "ann", principal(c).UserID)
		require.Equal(t, "promql", query.Surface(c.Request.Context()))
	}
}
