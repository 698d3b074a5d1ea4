package servertest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Python returns an interpreter that has the packages of a list, which names the hash of
// each. It is made once per machine. what is for messages.
func Python(t testing.TB, what, requirements string) string {
	t.Helper()
	system, err := exec.LookPath("python3")
	if err != nil {
		Absent(t, "%s needs python3 (Debian: apt-get install python3-venv)", what)
	}
	if out, err := output(t, system, "-c", "import sys, ensurepip, venv; assert sys.version_info >= (3, 11)"); err != nil {
		Absent(t, "%s needs Python 3.11 or newer with ensurepip and venv (Debian: apt-get install python3-venv): %v\n%s", what, err, out)
	}
	list, err := os.ReadFile(requirements)
	if err != nil {
		t.Fatalf("read the list of packages: %v", err)
	}
	dir, unlock := pythonDir(t, list, system)
	defer unlock()
	program, done := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "done")
	if _, err := os.Stat(done); err == nil {
		return program
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatalf("remove what an interrupted attempt left: %v", err)
	}
	if out, err := output(t, system, "-m", "venv", dir); err != nil {
		Absent(t, "make a Python environment: %v\n%s", err, out)
	}
	if out, err := output(t, program, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--require-hashes", "-r", requirements); err != nil {
		Absent(t, "install %s: %v\n%s", what, err, out)
	}
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return program
}

// pythonDir is where an environment with a list of packages is, for this process alone
// until it is unlocked.
func pythonDir(t testing.TB, list []byte, system string) (dir string, unlock func()) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("find cache directory: %v", err)
	}
	sum := sha256.Sum256(append(list, system...))
	dir = filepath.Join(cache, "flowgauge", "python", hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatalf("create cache: %v", err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatalf("open lock: %v", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("lock %s: %v", lock.Name(), err)
	}
	return dir, func() { _ = lock.Close() } // gives it back
}

func output(t testing.TB, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err
}
