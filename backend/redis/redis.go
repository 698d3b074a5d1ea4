// Package redis is the way to what may be lost: rate limits, live counters,
// cached answers. It is a Redis of the user's, which all processes share, or,
// where none is configured, a small one in this process that nobody else can
// reach.
//
// Nothing may depend on it for being right. While it is away, Guard makes those
// who ask it go on without at once.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config says which Redis.
type Config struct {
	Addr     string // HOST:PORT; empty is the one in this process
	User     string
	Password string
	DB       int
	TLS      *tls.Config // nil is plain text
}

// Client is a connection pool, safe for concurrent use.
type Client struct {
	*goredis.Client
	inProcess *miniredis.Miniredis
}

// Open returns a client. It does not connect: a Redis that is away keeps nothing
// from starting.
func Open(cfg Config) (*Client, error) {
	if cfg.DB < 0 {
		return nil, fmt.Errorf("redis: database %d: it is 0 or more", cfg.DB)
	}
	goredis.SetLogger(silent{}) // callers are told by errors, and say it once
	options := &goredis.Options{
		Addr: cfg.Addr, Username: cfg.User, Password: cfg.Password, DB: cfg.DB, TLSConfig: cfg.TLS,
		DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second, ContextTimeoutEnabled: true,
		// Who asks decides whether to ask again; a repeated script would count twice.
		MaxRetries: -1, DialerRetries: 1,
		// Nothing that a restricted user may not, and that is of use to managed services only.
		DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if cfg.Addr != "" {
		return &Client{Client: goredis.NewClient(options)}, nil
	}
	inProcess := miniredis.NewMiniRedis()
	inProcess.ClockTTL(true) // keys go when they expire, which bounds its memory
	options.Addr, options.Password, options.Username, options.DB, options.TLSConfig = "in-process", "", "", 0, nil
	// A pipe instead of a port: no other program of the machine gets in.
	options.Dialer = func(context.Context, string, string) (net.Conn, error) { return inProcess.Dial() }
	return &Client{Client: goredis.NewClient(options), inProcess: inProcess}, nil
}

// Shared reports whether other processes see the same data.
func (c *Client) Shared() bool { return c.inProcess == nil }

// Close ends all connections, and the Redis if it is in this process.
func (c *Client) Close() error {
	err := c.Client.Close()
	if c.inProcess != nil {
		c.inProcess.Close()
	}
	return err
}

// silent is a logger of go-redis that says nothing.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// answered reports whether an error is what a Redis said, and not that there is
// none. One that does not let us in is as good as none.
func answered(err error) bool {
	var said goredis.Error
	return errors.As(err, &said) && !goredis.IsAuthError(err)
}
