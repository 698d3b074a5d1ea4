package limit

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
)

// Code is what a problem document says of a request that was refused.
const Code = "rate_limited"

// Detail is what the caller is told.
func Detail(wait time.Duration) string {
	return fmt.Sprintf("the API key has used up what it may send: try again in %d s", Seconds(wait))
}

// Seconds is a wait as Retry-After has it, at least one.
func Seconds(wait time.Duration) int { return max(1, int(math.Ceil(wait.Seconds()))) }

// Middleware bounds requests that carry no events. who says whose they are; those
// of nobody pass, for the handler to refuse.
func (l *Limiter) Middleware(who func(*http.Request) (keyID string, ok bool)) gin.HandlerFunc {
	return func(c *gin.Context) {
		id, ok := who(c.Request)
		if !ok {
			return
		}
		wait, err := l.Allow(c.Request.Context(), id, 0)
		if err != nil || wait == 0 { // with an error the caller is gone
			return
		}
		c.Header("Retry-After", strconv.Itoa(Seconds(wait)))
		body, _ := json.Marshal(gin.H{ // nothing of it can fail
			"type": "urn:flowgauge:problem:" + Code, "title": http.StatusText(http.StatusTooManyRequests),
			"status": http.StatusTooManyRequests, "code": Code, "detail": Detail(wait),
		})
		c.Abort()
		c.Data(http.StatusTooManyRequests, "application/problem+json", body)
	}
}
