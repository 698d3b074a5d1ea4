package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// npm is the registry's ordinary client. Which registry that is, a mirror or a
// proxy, is its configuration's business and none of ours.
type npm struct{}

// Pack downloads a tarball. The cache is a folder in dir, so that nothing of
// the 170 MB is left behind and the growing file can be found.
func (n npm) Pack(ctx context.Context, name, version, dir string) (string, error) {
	_, err := n.run(ctx, "pack", name+"@"+version, "--pack-destination", dir,
		"--cache", filepath.Join(dir, "npm"), "--ignore-scripts", "--silent")
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("npm pack left %d tarballs, not one", len(found))
	}
	return found[0], nil
}

// Integrity asks the registry.
func (n npm) Integrity(ctx context.Context, name, version string) (string, error) {
	text, err := n.run(ctx, "view", name+"@"+version, "dist.integrity")
	if err != nil {
		return "", err
	}
	if text == "" {
		return "", fmt.Errorf("the registry knows no integrity of %s@%s", name, version)
	}
	return text, nil
}

func (npm) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "npm", args...) //nolint:gosec // Arguments are constants and own paths.
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("run npm: %w: install Node.js, or configure the path of libchdb", err)
	}
	if err != nil {
		return "", fmt.Errorf("run npm %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
