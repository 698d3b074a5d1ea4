// Package client sends events to a Flowgauge collector.
//
// An event sent twice counts once, so a request whose fate is unknown (a cut
// connection, a lost answer, a time-out) is simply sent again, with exponential
// backoff and jitter, or when the collector says (Retry-After). What Send
// returns without an error is durable on the collector's side.
package client

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Path is where a collector takes events.
const Path = "/api/v1/events"

// The defaults of Config.
const (
	DefaultTimeout    = 30 * time.Second
	DefaultMaxElapsed = 2 * time.Minute
	DefaultMinBackoff = 200 * time.Millisecond
	DefaultMaxBackoff = 15 * time.Second
)

// Forever as Config.MaxElapsed retries until the context ends.
const Forever time.Duration = -1

// Config says where events go and how patiently.
type Config struct {
	// URL of the collector, as http://127.0.0.1:8080. Path is appended unless
	// the URL ends with it.
	URL string
	// Key is an API key with the ingest scope; "" sends none.
	Key string
	// TLS is how the collector is checked and, by a certificate, the client; nil
	// trusts the system's authorities. It is of no use with an HTTPClient.
	TLS *tls.Config
	// HTTPClient makes the requests; nil is one with enough idle connections for
	// several in flight.
	HTTPClient *http.Client
	// Encoding of the bodies; "" is EncodingZstd.
	Encoding Encoding
	// Timeout of one attempt; 0 is DefaultTimeout.
	Timeout time.Duration
	// MaxElapsed is how long one Send goes on trying; 0 is DefaultMaxElapsed.
	MaxElapsed time.Duration
	// MinBackoff and MaxBackoff bound the pause between two attempts, where the
	// collector names none.
	MinBackoff, MaxBackoff time.Duration
	// Logger gets a line for each retry; nil discards them.
	Logger *slog.Logger
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return fmt.Errorf("parse collector URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("collector URL %q: want one like http://127.0.0.1:8080", c.URL)
	case strings.ContainsAny(c.Key, "\r\n"):
		return errors.New("API key: contains a line break")
	}
	switch c.Encoding {
	case "", EncodingZstd, EncodingGzip, EncodingIdentity:
		return nil
	}
	return fmt.Errorf("encoding %q: want zstd, gzip or identity", c.Encoding)
}

// Client sends events. It may be used by several goroutines at once.
type Client struct {
	config     Config
	url        string
	compressor compressor
}

// New returns a client of c's collector. It does not connect.
func New(c Config) (*Client, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Timeout = orDefault(c.Timeout, DefaultTimeout)
	c.MaxElapsed = orDefault(c.MaxElapsed, DefaultMaxElapsed)
	c.MinBackoff = orDefault(c.MinBackoff, DefaultMinBackoff)
	c.MaxBackoff = orDefault(c.MaxBackoff, DefaultMaxBackoff)
	if c.Encoding == "" {
		c.Encoding = EncodingZstd
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.HTTPClient == nil {
		c.HTTPClient = newHTTPClient(c.TLS)
	}
	compressor, err := newCompressor(c.Encoding)
	if err != nil {
		return nil, err
	}
	address := strings.TrimRight(c.URL, "/")
	if !strings.HasSuffix(address, Path) {
		address += Path
	}
	return &Client{config: c, url: address, compressor: compressor}, nil
}

// Target names the collector and, without giving the key away, the key, by which
// a saved position is told from one that belongs to another collector or tenant.
func (c *Client) Target() string {
	sum := sha256.Sum256([]byte(c.config.Key))
	return c.url + "#" + hex.EncodeToString(sum[:4])
}

// Send sends n events, body being NDJSON, and returns what became of them. It
// comes back when the collector has decided on every event, when another
// attempt cannot help, when MaxElapsed is over, or when ctx ends. Rejected
// events are no error: they are in the Receipt. An answer that refuses the
// request as a whole is a *StatusError.
func (c *Client) Send(ctx context.Context, body []byte, n int) (Receipt, error) {
	if n == 0 {
		return Receipt{}, nil
	}
	return c.retry(ctx, c.compressor.compress(body), n)
}

func newHTTPClient(secure *tls.Config) *http.Client {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return &http.Client{} // somebody replaced it, and knows why
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost = 32
	t.TLSClientConfig = secure
	// Answers are small, and a compressed one would cost more than it saves.
	t.DisableCompression = true
	return &http.Client{Transport: t}
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}
