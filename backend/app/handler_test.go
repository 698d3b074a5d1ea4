package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
)

// What a request holds stays out of the log also when its handler panics, or its
// sender hangs up, for which gin prints whole requests.
func TestPanicsShowNoRequest(t *testing.T) {
	var out strings.Builder
	before := gin.DefaultErrorWriter
	gin.DefaultErrorWriter = &out
	t.Cleanup(func() { gin.DefaultErrorWriter = before })
	for _, what := range []any{"anything", syscall.EPIPE, http.ErrAbortHandler} {
		router := gin.New()
		router.Use(recovery(slog.New(slog.NewTextHandler(&out, nil))))
		router.GET("/x/:id", func(*gin.Context) { panic(what) })
		r := httptest.NewRequest(http.MethodGet, "/x/s3cret?key=s3cret", strings.NewReader("s3cret"))
		r.Header.Set("Authorization", "Bearer s3cret")
		r.Header.Set("Cookie", "s3cret")
		router.ServeHTTP(httptest.NewRecorder(), r)
	}
	assert.Contains(t, out.String(), "a handler panicked")
	assert.NotContains(t, out.String(), "s3cret")
}
