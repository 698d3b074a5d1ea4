package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	contractv1 "github.com/flowgauge/flowgauge/plugins/contract/v1"
)

const (
	webhookTimeout = 10 * time.Second
	// quoted is how much of a refusal is shown to the operator.
	quoted = 200
	// signingPrefix marks secrets whose rest is the key in base64.
	signingPrefix = "whsec_"
)

// Webhook posts messages as JSON to an address that the operator has configured. It signs
// them as Standard Webhooks say (https://www.standardwebhooks.com), if it has a secret.
type Webhook struct {
	url    string
	keys   [][]byte
	client *http.Client
	now    func() time.Time
}

// NewWebhook returns a Webhook. Of several secrets, while one takes the other's place, each
// signs.
func NewWebhook(address string, secrets []string) (*Webhook, error) {
	if err := CheckURL(address); err != nil {
		return nil, err
	}
	w := &Webhook{url: address, now: time.Now, client: &http.Client{
		Timeout: webhookTimeout,
		// A redirect would send what is told, with its signature, to where nobody has
		// configured it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, s := range secrets {
		key := []byte(s)
		if text, encoded := strings.CutPrefix(s, signingPrefix); encoded {
			var err error
			if key, err = base64.StdEncoding.DecodeString(text); err != nil || len(key) == 0 {
				return nil, errors.New("a secret begins with whsec_ and has no key in base64 behind it")
			}
		}
		w.keys = append(w.keys, key)
	}
	return w, nil
}

// CheckURL wants the address of an HTTP server. Its error does not show the address, which
// may hold a secret.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.New("the address is no http or https URL, e.g. https://hooks.example.com/flowgauge")
	}
	return nil
}

// body is what is sent.
type body struct {
	ID       string          `json:"id"`
	About    string          `json:"about"`
	Tenant   string          `json:"tenant"`
	Severity string          `json:"severity"` // info, warning, critical
	Title    string          `json:"title"`
	Text     string          `json:"text"`
	Details  json.RawMessage `json:"details"`
	At       time.Time       `json:"at"`
}

// Notify posts a message. Any answer of 2xx means that it has arrived.
func (w *Webhook) Notify(ctx context.Context, m *contractv1.NotifyRequest) error {
	text, err := json.Marshal(body{
		ID: m.GetId(), About: m.GetAbout(), Tenant: m.GetTenantId(), Severity: strings.ToLower(strings.TrimPrefix(m.GetSeverity().String(), "SEVERITY_")),
		Title: m.GetTitle(), Text: m.GetText(), Details: json.RawMessage(m.GetDetails()), At: time.UnixMilli(m.GetAt()).UTC(),
	})
	if err != nil {
		return fmt.Errorf("write the message: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(text))
	if err != nil {
		return errors.New("the address of the webhook cannot be used") // the error would show it
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Flowgauge")
	w.sign(req, m.GetId(), text)
	res, err := w.client.Do(req)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // without the address
		}
		return fmt.Errorf("post to the webhook: %w", err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, quoted))
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return nil
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return fmt.Errorf("the webhook answers %d: redirects are not followed, configure the address that it points to", res.StatusCode)
	}
	err = fmt.Errorf("the webhook answers %d: %q", res.StatusCode, answer)
	if code := res.StatusCode; code >= 400 && code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests {
		return &refusal{err}
	}
	return err
}

// refusal is the answer of a receiver that is well and does not take a message.
type refusal struct{ error }

// Refusal is what it has said.
func (r *refusal) Refusal() string { return r.Error() }

// sign adds the headers of Standard Webhooks; without a secret there is no signature.
func (w *Webhook) sign(req *http.Request, id string, text []byte) {
	at := strconv.FormatInt(w.now().Unix(), 10)
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", at)
	var signatures []string
	for _, key := range w.keys {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(id + "." + at + "."))
		h.Write(text)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	if len(signatures) > 0 {
		req.Header.Set("Webhook-Signature", strings.Join(signatures, " "))
	}
}
