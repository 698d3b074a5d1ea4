package cloudevents

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/flowgauge/flowgauge/backend/config"
	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/mapping"
)

// hook is the HTTP 1.1 Web Hooks specification for event delivery. Its handshake
// protects senders from being told to deliver to those who do not want it; it says
// nothing of who may deliver. That is what API keys are for.
type hook struct {
	origins    []mapping.Pattern
	any        bool
	rate       int
	queryToken bool
}

func newHook(c *config.CloudEvents) (hook, error) {
	h := hook{rate: c.AllowedRate, queryToken: c.QueryToken}
	if c.AllowedRate < 0 {
		return h, fmt.Errorf("sources.cloudevents.allowed_rate is %d: it is requests per minute, or 0 for any number", c.AllowedRate)
	}
	for _, names := range c.AllowedOrigins {
		for name := range strings.SplitSeq(names, ",") { // one text, from the environment
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
				h.any = h.any || name == "*"
				h.origins = append(h.origins, mapping.NewPattern(name))
			}
		}
	}
	return h, nil
}

func (h *hook) allows(origin string) bool {
	for _, p := range h.origins {
		if _, ok := p.Match(strings.ToLower(origin)); ok {
			return true
		}
	}
	return false
}

// options answers the handshake: yes, at which rate, or no. It never calls back.
func (h *hook) options(c *gin.Context) {
	c.Header("Allow", http.MethodPost+", "+http.MethodOptions)
	origin := c.GetHeader("WebHook-Request-Origin")
	switch {
	case origin == "": // No handshake. The specification wants it to look as if there were none.
		c.Status(http.StatusMethodNotAllowed)
		return
	case !h.allows(origin):
		c.Status(http.StatusForbidden)
		return
	}
	c.Header("WebHook-Allowed-Origin", origin)
	c.Header("WebHook-Allowed-Rate", h.allowedRate(c.GetHeader("WebHook-Request-Rate")))
	c.Status(http.StatusOK)
}

// allowedRate is the rate that was asked for, if that is within what is allowed.
func (h *hook) allowedRate(asked string) string {
	if n, err := strconv.Atoi(asked); err == nil && n > 0 && (h.rate == 0 || n < h.rate) {
		return asked
	}
	if h.rate == 0 {
		return "*"
	}
	return strconv.Itoa(h.rate)
}

// delivery refuses a delivery from an origin that would not be allowed one, and finds
// the key of a sender who can only put it into the address.
func (h *hook) delivery(req *http.Request) *receive.Refusal {
	if origin := req.Header.Get("WebHook-Request-Origin"); origin != "" && !h.any && !h.allows(origin) {
		return &receive.Refusal{Status: http.StatusForbidden, Code: "forbidden_origin", Detail: "deliveries from this WebHook-Request-Origin are not allowed"}
	}
	if h.queryToken && req.Header.Get("Authorization") == "" {
		if token := req.URL.Query().Get("access_token"); token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	return nil
}

// private keeps an answer to an address with a key in it out of shared caches.
func (h *hook) private(c *gin.Context) {
	if c.Request.URL.Query().Has("access_token") {
		c.Header("Cache-Control", "private, no-store")
	}
}
