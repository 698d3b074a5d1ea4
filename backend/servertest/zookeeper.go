package servertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A ZooKeeperServer is a ZooKeeper of one node.
type ZooKeeperServer struct{ *server }

// ZooKeeper starts a ZooKeeper for this test alone.
func ZooKeeper(t testing.TB) *ZooKeeperServer {
	t.Helper()
	needs(t, "ZooKeeper", "java")
	jars := classPath(t, "zookeeper")
	return &ZooKeeperServer{private(t, "zookeeper", 1, func(s *server) error {
		config := filepath.Join(s.dir, "zoo.cfg")
		lines := []string{
			"tickTime=2000",
			"dataDir=" + filepath.Join(s.dir, "data"),
			fmt.Sprintf("clientPort=%d", s.ports[0]),
			"clientPortAddress=127.0.0.1",
			"admin.enableServer=false",
			"4lw.commands.whitelist=srvr",
			"",
		}
		if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
		s.command = func(*server) []string {
			return java(jars, 256, "org.apache.zookeeper.server.ZooKeeperServerMain", config)
		}
		s.ready = func(ctx context.Context) error {
			// Unlike ruok, it is answered with a version only once sessions are taken.
			answer, err := exchange(ctx, s.Addr(), "srvr")
			if err == nil && !strings.HasPrefix(answer, "Zookeeper version") {
				err = fmt.Errorf("it does not serve yet: %q", answer)
			}
			return err
		}
		return nil
	})}
}

// Port is the port of Addr.
func (z *ZooKeeperServer) Port() int { return z.ports[0] }
