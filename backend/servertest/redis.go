package servertest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
)

// A RedisServer is a Redis of one node.
type RedisServer struct{ *server }

// Redis starts a Redis for this test alone. It logs every write before it
// answers, so that data survive Kill too.
func Redis(t testing.TB) *RedisServer {
	t.Helper()
	needs(t, "Redis", "redis-server")
	return &RedisServer{private(t, "redis", 1, func(s *server) error {
		s.command = func(s *server) []string {
			return []string{
				"redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(s.ports[0]), "--dir", s.dir,
				"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no",
			}
		}
		s.ready = func(ctx context.Context) error {
			answer, err := exchange(ctx, s.Addr(), "PING\r\n")
			if err == nil && answer != "+PONG\r\n" {
				err = fmt.Errorf("it answers %q, not PONG", answer)
			}
			return err
		}
		return nil
	})}
}
