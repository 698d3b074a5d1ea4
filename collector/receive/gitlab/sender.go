package gitlab

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flowgauge/flowgauge/collector/receive"
	"github.com/flowgauge/flowgauge/collector/receive/webhook"
)

const givenHeader = "X-Gitlab-Token"

// Keys is a Sender whose secret token is an API key, so that it is made, rotated and
// revoked like all keys.
type Keys struct{ Receiver *receive.Receiver }

// Admit looks the key up.
func (k Keys) Admit(req *http.Request) (receive.Principal, *receive.Refusal) {
	asked := *req
	asked.Header = req.Header.Clone()
	if token := req.Header.Get(givenHeader); token != "" {
		asked.Header.Set("Authorization", "Bearer "+token)
	}
	return k.Receiver.Authenticate(&asked)
}

// Check has nothing left to look at.
func (Keys) Check(*http.Request, []byte) *receive.Refusal { return nil }

// Configured is a Sender with secrets of its own: tokens that GitLab sends as they
// are, and signing tokens (whsec_…), with which it signs the body as Standard
// Webhooks say. Any of them will do.
type Configured struct {
	hook   webhook.Hook
	tokens []string
	keys   [][]byte
	now    func() time.Time
}

const (
	signingPrefix = "whsec_"
	// tolerance is how old a signature may be, and how far clocks may differ.
	tolerance = 5 * time.Minute
)

// NewConfigured returns the sender of a configured hook.
func NewConfigured(hook webhook.Hook) (*Configured, error) {
	if hook.ID == "" || hook.Tenant == "" || len(hook.Secrets) == 0 {
		return nil, errors.New("gitlab: a hook needs an id, a tenant and a secret")
	}
	c := &Configured{hook: hook, now: time.Now}
	for _, s := range hook.Secrets {
		text, signs := strings.CutPrefix(s, signingPrefix)
		if !signs {
			c.tokens = append(c.tokens, s)
			continue
		}
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) == 0 {
			return nil, fmt.Errorf("gitlab: a secret of the hook %q begins with whsec_ and is no signing token", hook.ID)
		}
		c.keys = append(c.keys, key)
	}
	return c, nil
}

// Admit refuses what has neither a token that is right nor anything that could be a
// signature.
func (c *Configured) Admit(req *http.Request) (receive.Principal, *receive.Refusal) {
	who := receive.Principal{Tenant: c.hook.Tenant, KeyID: "gitlab:" + c.hook.ID}
	if c.token(req) || c.signed(req) {
		return who, nil
	}
	return who, webhook.Unsigned("neither X-Gitlab-Token nor webhook-signature is that of the hook's secret")
}

// Check verifies the signature, unless the token was right.
func (c *Configured) Check(req *http.Request, body []byte) *receive.Refusal {
	if c.token(req) {
		return nil
	}
	id, at := req.Header.Get("Webhook-Id"), req.Header.Get("Webhook-Timestamp")
	if seconds, err := strconv.ParseInt(at, 10, 64); err != nil || c.now().Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return webhook.Unsigned("webhook-timestamp is more than five minutes from now: check the clocks")
	}
	for signature := range strings.FieldsSeq(req.Header.Get("Webhook-Signature")) {
		text, v1 := strings.CutPrefix(signature, "v1,")
		mac, err := base64.StdEncoding.DecodeString(text)
		if v1 && err == nil && webhook.HMAC(c.keys, mac, []byte(id+"."+at+"."), body) {
			return nil
		}
	}
	return webhook.Unsigned("webhook-signature is not that of the body with the hook's signing token")
}

func (c *Configured) token(req *http.Request) bool {
	given := req.Header.Get(givenHeader)
	return given != "" && webhook.Secret(c.tokens, given)
}

func (c *Configured) signed(req *http.Request) bool {
	return len(c.keys) > 0 && req.Header.Get("Webhook-Signature") != "" && req.Header.Get("Webhook-Id") != ""
}
