package openlineage_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const requirements = "testdata/client/requirements.txt"

// absent ends a test that cannot run here; CI must be able to.
func absent(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// python returns an interpreter that has OpenLineage's client. It is made once per
// machine; each package's hash is in the list.
func python(t *testing.T) string {
	t.Helper()
	system, err := exec.LookPath("python3")
	if err != nil {
		absent(t, "the test with OpenLineage's client needs python3 (Debian: apt-get install python3-venv)")
	}
	if out, err := exec.CommandContext(t.Context(), system, "-c", "import sys, ensurepip, venv; assert sys.version_info >= (3, 10)").CombinedOutput(); err != nil {
		absent(t, "the test with OpenLineage's client needs Python 3.10 or newer with ensurepip and venv (Debian: apt-get install python3-venv): %v\n%s", err, out)
	}
	list, err := os.ReadFile(requirements)
	require.NoError(t, err)
	sum := sha256.Sum256(append(list, system...))
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	dir := filepath.Join(cache, "flowgauge", "python", hex.EncodeToString(sum[:8]))
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o700))
	lock, err := os.OpenFile(dir+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer lock.Close() // Gives it back.
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	program, done := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "done")
	if _, err := os.Stat(done); err == nil {
		return program
	}
	require.NoError(t, os.RemoveAll(dir))
	if out, err := run(t, system, "-m", "venv", dir); err != nil {
		absent(t, "make a Python environment: %v\n%s", err, out)
	}
	if out, err := run(t, program, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--require-hashes", "-r", requirements); err != nil {
		absent(t, "install OpenLineage's client: %v\n%s", err, out)
	}
	require.NoError(t, os.WriteFile(done, nil, 0o600))
	return program
}

func run(t *testing.T, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w", program, err)
	}
	return string(out), err
}
