package command

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/backend/queue/wal"
)

const asCommand = "FLOWGAUGE_TEST_AS_COMMAND"

// TestMain lets the test program be the real one.
func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(Execute())
	}
	os.Exit(m.Run())
}

// flowgauge runs the real command and returns what it says and its exit code.
func flowgauge(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// writeLog makes a log of three groups in a data folder.
func writeLog(t *testing.T, keyFile string) (dataDir, segment string) {
	t.Helper()
	dataDir = t.TempDir()
	keys, err := wal.LoadKeys(keyFile)
	require.NoError(t, err)
	l, err := wal.New(wal.Options{Dir: filepath.Join(dataDir, "wal"), Keys: keys})
	require.NoError(t, err)
	for _, text := range []string{"first", "second", "third"} {
		require.NoError(t, l.Append(t.Context(), [][]byte{[]byte(text)}))
	}
	require.NoError(t, l.Close())
	segments, err := filepath.Glob(filepath.Join(dataDir, "wal", "*.wal"))
	require.NoError(t, err)
	require.Len(t, segments, 1)
	return dataDir, segments[0]
}

// breakSecond breaks the second group of a log.
func breakSecond(t *testing.T, dataDir, segment, keyFile string) {
	t.Helper()
	out, _, code := flowgauge(t, "wal", "inspect", "--frames", "--data-dir", dataDir, "--key-file", keyFile)
	require.Equal(t, 0, code)
	frames := strings.Split(out, "\n")
	require.Contains(t, frames[0], "FIRST VERSION")
	second := strings.Fields(frames[2])
	require.Equal(t, filepath.Base(segment), second[0])
	b, err := os.ReadFile(segment)
	require.NoError(t, err)
	b[1024+(len(b)-1024)/2] ^= 1
	require.NoError(t, os.WriteFile(segment, b, 0o600))
}

func TestWALOfAWholeLog(t *testing.T) {
	dataDir, segment := writeLog(t, "")
	out, _, code := flowgauge(t, "wal", "inspect", "--data-dir", dataDir)
	require.Equal(t, 0, code)
	for _, want := range []string{filepath.Base(segment), "whole", "3 records, 3 of them not in ClickHouse yet", "nothing is lost"} {
		require.Contains(t, out, want)
	}
	to := filepath.Join(t.TempDir(), "new")
	out, _, code = flowgauge(t, "wal", "salvage", filepath.Join(dataDir, "wal"), "--out", to)
	require.Equal(t, 0, code)
	require.Contains(t, out, to+" has 3 records")
	require.Contains(t, out, "nothing is lost")
}

func TestWALOfADamagedLog(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "wal.key")
	require.NoError(t, os.WriteFile(keyFile, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600))
	for _, key := range []string{"", keyFile} {
		dataDir, segment := writeLog(t, key)
		breakSecond(t, dataDir, segment, key)
		out, _, code := flowgauge(t, "wal", "inspect", filepath.Join(dataDir, "wal"), "--key-file", key)
		require.Equal(t, 3, code)
		require.Contains(t, out, "LOST: "+segment+" is broken from byte")
		require.Contains(t, out, "damaged")

		to := filepath.Join(t.TempDir(), "new")
		out, _, code = flowgauge(t, "wal", "salvage", "--data-dir", dataDir, "--out", to, "--key-file", key)
		require.Equal(t, 3, code)
		require.Contains(t, out, to+" has 2 records")
		require.Contains(t, out, "LOST: ")
		_, stderr, code := flowgauge(t, "wal", "salvage", "--data-dir", dataDir, "--out", to, "--key-file", key)
		require.Equal(t, 1, code)
		require.Contains(t, stderr, "it exists")

		keys, err := wal.LoadKeys(key)
		require.NoError(t, err)
		l, err := wal.New(wal.Options{Dir: to, Keys: keys})
		require.NoError(t, err)
		records, err := l.Fetch(t.Context(), 5)
		require.NoError(t, err)
		require.Len(t, records, 2)
		require.Equal(t, "first", string(records[0].Data))
		require.Equal(t, "third", string(records[1].Data))
		require.NoError(t, l.Close())
	}
}

func TestWALErrors(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "wal.key")
	require.NoError(t, os.WriteFile(keyFile, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600))
	dataDir, _ := writeLog(t, keyFile)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"wal", "inspect", t.TempDir()}, 1, "there is no log in the folder"},
		{[]string{"wal", "inspect", filepath.Join(dataDir, "absent")}, 1, "no such file"},
		{[]string{"wal", "inspect", "a", "b"}, 2, "--help"},
		{[]string{"wal", "salvage", "--data-dir", dataDir}, 2, "Give --out"},
		{[]string{"wal", "salvage", "--data-dir", dataDir, "--out", filepath.Join(dataDir, "new")}, 1, "the key is missing"},
		{[]string{"wal", "inspect", "--data-dir", dataDir, "--key-file", "absent.key"}, 1, "absent.key"},
	} {
		_, stderr, code := flowgauge(t, c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, stderr)
		require.Contains(t, stderr, c.want)
	}
	// Without the key the checksums are looked at.
	out, _, code := flowgauge(t, "wal", "inspect", "--data-dir", dataDir)
	require.Equal(t, 0, code)
	require.Contains(t, out, "unchecked")
}
