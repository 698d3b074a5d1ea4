package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retry posts a compressed body until its fate is known.
func (c *Client) retry(ctx context.Context, body []byte, n int) (Receipt, error) {
	start := time.Now()
	for attempt := 0; ; attempt++ {
		receipt, err := c.post(ctx, body, n)
		if err == nil {
			return receipt, nil
		}
		// The caller's end is no failure of the collector's.
		if ctx.Err() != nil {
			return Receipt{}, fmt.Errorf("send events: %w", context.Cause(ctx))
		}
		if !temporary(err) {
			return Receipt{}, fmt.Errorf("send events: %w", err)
		}
		wait := c.backoff(attempt)
		if se, ok := errors.AsType[*StatusError](err); ok && se.RetryAfter > 0 {
			// Never earlier than asked, and not all clients at once.
			wait = se.RetryAfter + rand.N(se.RetryAfter/4+c.config.MinBackoff) //nolint:gosec // jitter
		}
		if left := c.config.MaxElapsed - time.Since(start); c.config.MaxElapsed >= 0 && wait > left {
			return Receipt{}, fmt.Errorf("send events: %w after %d attempts in %s: %w",
				ErrGaveUp, attempt+1, time.Since(start).Round(time.Millisecond), err)
		}
		c.config.Logger.WarnContext(ctx, "retry events", "attempt", attempt+1, "wait", wait, "error", err)
		select {
		case <-ctx.Done():
			return Receipt{}, fmt.Errorf("send events: %w", context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

// post is one attempt.
func (c *Client) post(ctx context.Context, body []byte, n int) (Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return Receipt{}, fmt.Errorf("create request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Accept", "application/json")
	if c.config.Encoding != EncodingIdentity {
		req.Header.Set("Content-Encoding", string(c.config.Encoding))
	}
	if c.config.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.config.Key)
	}
	res, err := c.config.HTTPClient.Do(req)
	if err != nil {
		return Receipt{}, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		// Even a 202 is asked again: its counts are lost, its events count once.
		return Receipt{}, fmt.Errorf("read answer: %w", err)
	}
	receipt, ok, err := parseReceipt(res.StatusCode, answer, n)
	if err != nil {
		return Receipt{}, permanentError{err}
	}
	if !ok {
		return Receipt{}, statusError(res, answer)
	}
	return receipt, nil
}

// backoff returns a pause between half and all of min·2^attempt, at most max.
func (c *Client) backoff(attempt int) time.Duration {
	d := c.config.MaxBackoff
	if attempt < 20 {
		d = min(d, c.config.MinBackoff<<attempt)
	}
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter
}

// permanentError marks an error that another attempt would only repeat.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// temporary says whether another attempt may succeed: after an answer that says
// so, and after any error of the connection but a certificate that is refused,
// a protocol that is not spoken and a URL that cannot be.
func temporary(err error) bool {
	if se, ok := errors.AsType[*StatusError](err); ok {
		return se.Temporary()
	}
	if _, ok := errors.AsType[permanentError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return false
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return false
	}
	return !strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") &&
		!strings.Contains(err.Error(), "unsupported protocol scheme")
}

// retryAfter reads the header of that name, in seconds or as a date.
func retryAfter(header string, now time.Time) time.Duration {
	const most = time.Hour
	header = strings.TrimSpace(header)
	if s, err := strconv.ParseInt(header, 10, 32); err == nil {
		return min(max(0, time.Duration(s)*time.Second), most)
	}
	if t, err := http.ParseTime(header); err == nil {
		return min(max(0, t.Sub(now)), most)
	}
	return 0
}
