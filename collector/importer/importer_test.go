package importer

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/flowgauge/flowgauge/collector/client"
)

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func zstded(t *testing.T, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return w.EncodeAll(data, nil)
}

// Formats are told by their first bytes; names say nothing.
func TestFormats(t *testing.T) {
	const n = 2345
	text := lines(n)
	for name, data := range map[string][]byte{
		"plain":     text,
		"gz":        gzipped(t, text),
		"members":   append(gzipped(t, text[:len(text)/2]), gzipped(t, text[len(text)/2:])...),
		"zst":       zstded(t, text),
		"bom":       append([]byte("\xef\xbb\xbf"), text...),
		"no end":    bytes.TrimRight(text, "\n"),
		"crlf":      bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")),
		"blank":     bytes.ReplaceAll(text, []byte("\n"), []byte("\n\n  \n")),
		"empty":     nil,
		"one blank": []byte("\n"),
	} {
		c, cl := startCollector(t)
		path := write(t, "events.dat", data)
		sum, err := Run(t.Context(), Config{Files: []string{path}, Client: cl, BatchLines: 100})
		require.NoError(t, err, name)
		want := n
		if len(data) < 10 {
			want = 0
		}
		require.Equal(t, want, c.distinct(), name)
		require.EqualValues(t, want, sum.Counts().Accepted, name)
		require.Equal(t, ExitAccepted, ExitCode(sum, err))
		require.NoFileExists(t, path+rejectedSuffix)
	}
}

func TestStdin(t *testing.T) {
	c, cl := startCollector(t)
	sum, err := Run(t.Context(), Config{Files: []string{Stdin}, Client: cl, Input: bytes.NewReader(gzipped(t, lines(1500))), StateDir: t.TempDir()})
	require.NoError(t, err)
	require.Equal(t, 1500, c.distinct())
	require.EqualValues(t, 1500, sum.Files[0].Lines)
}

// A collector that fails in every way there is ends up with every event.
func TestFaults(t *testing.T) {
	c, cl := startCollector(t)
	c.before = func(request int, w http.ResponseWriter) bool {
		switch request % 5 {
		case 0:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		case 1:
			cut(w)
			return true
		case 2:
			time.Sleep(time.Millisecond)
		}
		return false
	}
	c.after = func(request int, w http.ResponseWriter) bool {
		if request%7 == 0 {
			cut(w) // durable, the answer lost
			return true
		}
		return false
	}
	path := write(t, "events.ndjson.gz", gzipped(t, lines(5000)))
	sum, err := Run(t.Context(), Config{Files: []string{path}, Client: cl, BatchLines: 50})
	require.NoError(t, err)
	require.Equal(t, 5000, c.distinct())
	require.EqualValues(t, 5000, sum.Counts().Accepted)
}

func TestRejectedLines(t *testing.T) {
	c, cl := startCollector(t)
	var text bytes.Buffer
	good := strings.SplitAfter(string(lines(500)), "\n")
	var want []int
	for i := range 500 {
		switch {
		case i%100 == 7:
			text.WriteString("{not json\n")
		case i%100 == 8:
			text.WriteString("\n")
			continue
		case i == 250:
			text.WriteString(`{"kind":"activity","id":"` + strings.Repeat("x", MaxLine) + "\"}\n")
		case i == 300:
			text.WriteString(good[299]) // twice in one request
			continue
		default:
			text.WriteString(good[i])
			continue
		}
		want = append(want, i+1)
	}
	path := write(t, "events.ndjson", text.Bytes())
	sum, err := Run(t.Context(), Config{Files: []string{path}, Client: cl, BatchLines: 60})
	require.NoError(t, err)
	require.Equal(t, ExitRejected, ExitCode(sum, err))
	require.Equal(t, Counts{Accepted: int64(c.distinct()), Duplicates: 1, Rejected: int64(len(want))}, sum.Counts())
	require.Equal(t, 500-5-1-len(want), c.distinct())
	var got []int
	for _, r := range readRejected(t, sum.Files[0].RejectedFile) {
		got = append(got, int(r.Line))
		require.NotEmpty(t, r.Code)
		require.NotEmpty(t, r.Message)
		require.NotEmpty(t, r.Raw)
	}
	require.Equal(t, want, got)
	require.Contains(t, sum.String(), "6 rejected")
}

func readRejected(t *testing.T, path string) []rejection {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var out []rejection
	for line := range strings.Lines(string(data)) {
		var r rejection
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		out = append(out, r)
	}
	return out
}

// A request above the collector's limit is halved; a line above it is rejected.
func TestTooLarge(t *testing.T) {
	c, cl := startCollector(t)
	c.limit = 4000
	big := fmt.Sprintf(`{"kind":"activity","id":"big","metadata":{"x":%q}}`, strings.Repeat("y", 5000))
	text := append(append(lines(200), big...), '\n')
	sum, err := Run(t.Context(), Config{Files: []string{write(t, "e", text)}, Client: cl})
	require.NoError(t, err)
	require.Equal(t, 200, c.distinct())
	require.Equal(t, Counts{Accepted: 200, Rejected: 1}, sum.Counts())
	rejected := readRejected(t, sum.Files[0].RejectedFile)
	require.Equal(t, codeTooLarge, rejected[0].Code)
	require.EqualValues(t, 201, rejected[0].Line)
	require.JSONEq(t, big, string(rejected[0].Event))
}

// An answer that lists some of the rejected lines is not enough.
func TestErrorsOmitted(t *testing.T) {
	c, cl := startCollector(t)
	c.listed = 3
	text := append(lines(20), bytes.Repeat([]byte("{\n"), 50)...)
	sum, err := Run(t.Context(), Config{Files: []string{write(t, "e", text)}, Client: cl})
	require.NoError(t, err)
	require.EqualValues(t, 50, sum.Counts().Rejected)
	require.EqualValues(t, 20, sum.Counts().Accepted)
	for i, r := range readRejected(t, sum.Files[0].RejectedFile) {
		require.EqualValues(t, 21+i, r.Line)
	}
}

// An interrupted import goes on where it stopped, and at the end every line is
// acknowledged and every rejected one is listed once.
func TestInterruptAndResume(t *testing.T) {
	text := lines(4000)
	text = append(text, "{broken\n"...)
	text = append(lines(1), append([]byte("{broken too\n"), text...)...)
	for name, data := range map[string][]byte{"plain": text, "gz": gzipped(t, text), "zst": zstded(t, text)} {
		c, cl := startCollector(t)
		path, states := write(t, "events", data), t.TempDir()
		config := Config{Files: []string{path}, Client: cl, Target: cl.Target(), StateDir: states, BatchLines: 100}
		ctx, cancel := context.WithCancel(t.Context())
		c.before = func(request int, _ http.ResponseWriter) bool {
			if request == 12 {
				cancel()
			}
			return false
		}
		sum, err := Run(ctx, config)
		interrupted, ok := errors.AsType[*InterruptedError](err)
		require.True(t, ok, "%s: %v", name, err)
		require.True(t, interrupted.Saved)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "run the same command again")
		require.Equal(t, ExitFailed, ExitCode(sum, err))
		require.Positive(t, interrupted.Line)
		require.Less(t, interrupted.Line, int64(4003))
		require.LessOrEqual(t, sum.Counts().Accepted, int64(c.distinct()), "only what is acknowledged is counted")

		first := c.requests
		var progress bytes.Buffer
		config.Progress = &progress
		sum, err = Run(t.Context(), config)
		require.NoError(t, err, name)
		require.Contains(t, progress.String(), "going on behind line")
		require.Equal(t, interrupted.Line, sum.Files[0].Resumed)
		require.Equal(t, 4000, c.distinct(), name)
		require.Less(t, c.requests-first, 41)
		// The one repeated line lies in another request than its double.
		require.EqualValues(t, 2, sum.Counts().Rejected)
		require.EqualValues(t, 4001, sum.Counts().Accepted+sum.Counts().Duplicates)
		rejected := readRejected(t, sum.Files[0].RejectedFile)
		require.Len(t, rejected, 2)
		require.EqualValues(t, 2, rejected[0].Line)
		require.EqualValues(t, 4003, rejected[1].Line)

		// Finished: the next run repeats it all.
		left, err := os.ReadDir(states)
		require.NoError(t, err)
		require.Empty(t, left)
		sum, err = Run(t.Context(), config)
		require.NoError(t, err)
		require.Zero(t, sum.Files[0].Resumed)
		require.EqualValues(t, 4003, sum.Files[0].Lines)
		require.Len(t, readRejected(t, sum.Files[0].RejectedFile), 2)
	}
}

// A position is used only for the same file, the same collector and on demand.
func TestStartsOver(t *testing.T) {
	for name, change := range map[string]func(path string, c *Config){
		"restart": func(_ string, c *Config) { c.Restart = true },
		"target":  func(_ string, c *Config) { c.Target = "another" },
		"file": func(path string, _ *Config) {
			require.NoError(t, os.WriteFile(path, lines(1001), 0o600))
		},
		"damaged": func(_ string, c *Config) {
			files, err := filepath.Glob(filepath.Join(c.StateDir, "*"))
			require.NoError(t, err)
			require.Len(t, files, 1)
			require.NoError(t, os.WriteFile(files[0], []byte("{"), 0o600))
		},
	} {
		c, cl := startCollector(t)
		path := write(t, "events", lines(1000))
		config := Config{Files: []string{path}, Client: cl, Target: "one", StateDir: t.TempDir(), BatchLines: 10, InFlight: 1}
		c.before = func(request int, w http.ResponseWriter) bool {
			if request == 20 {
				w.WriteHeader(http.StatusForbidden)
				return true
			}
			return false
		}
		sum, err := Run(t.Context(), config)
		require.ErrorContains(t, err, "ingest scope", name)
		require.ErrorContains(t, err, "behind line 190")
		require.EqualValues(t, 190, sum.Files[0].Lines)
		change(path, &config)
		sum, err = Run(t.Context(), config)
		require.NoError(t, err, name)
		require.Zero(t, sum.Files[0].Resumed, name)
		require.GreaterOrEqual(t, c.distinct(), 1000)
	}
}

// An end in the middle of a line is a failure, not an event.
func TestTruncatedFile(t *testing.T) {
	c, cl := startCollector(t)
	data := gzipped(t, lines(3000))
	sum, err := Run(t.Context(), Config{Files: []string{write(t, "e.gz", data[:len(data)/2])}, Client: cl})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Zero(t, sum.Counts().Rejected)
	require.Positive(t, c.distinct())
	require.EqualValues(t, c.distinct(), sum.Counts().Accepted, "what could be read is sent")
}

// Ctrl-C ends an import that waits for its input.
func TestInterruptWaitingInput(t *testing.T) {
	c, cl := startCollector(t)
	in, out := io.Pipe()
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = out.Write(lines(1500))
		for c.distinct() < 1000 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err := Run(ctx, Config{Files: []string{Stdin}, Client: cl, Input: in})
	require.ErrorContains(t, err, "import it again from the start")
}

func TestOtherFormats(t *testing.T) {
	_, cl := startCollector(t)
	for text, want := range map[string]string{
		`[{"kind":"x"}]`:           "jq -c '.[]'",
		"[\n{\n":                   "jq -c '.[]'",
		"{\n \"kind\": \"cost\"\n": "jq -c .",
		"PK\x03\x04\x00\x00":       "not text",
	} {
		_, err := Run(t.Context(), Config{Files: []string{write(t, "e", []byte(text))}, Client: cl})
		require.ErrorContains(t, err, want)
	}
	_, err := Run(t.Context(), Config{Files: []string{t.TempDir()}, Client: cl})
	require.ErrorContains(t, err, "is a folder")
	_, err = Run(t.Context(), Config{Files: []string{filepath.Join(t.TempDir(), "absent")}, Client: cl})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestValidate(t *testing.T) {
	cl := &client.Client{}
	for _, bad := range []Config{
		{}, {Files: []string{"a"}}, {Files: []string{"a", "a"}, Client: cl}, {Files: []string{"a"}, Client: cl, InFlight: -1},
	} {
		_, err := Run(t.Context(), bad)
		require.Error(t, err)
	}
}

func TestSeveralFiles(t *testing.T) {
	c, cl := startCollector(t)
	a, b := write(t, "e", append(lines(10), "x\n"...)), write(t, "e", append(lines(20), "y\n"...))
	dir := filepath.Join(t.TempDir(), "rejected")
	sum, err := Run(t.Context(), Config{Files: []string{a, b}, Client: cl, Rejected: dir})
	require.NoError(t, err)
	require.Equal(t, 20, c.distinct())
	require.Equal(t, Counts{Accepted: 30, Rejected: 2}, sum.Counts())
	for i, f := range sum.Files {
		require.Equal(t, dir, filepath.Dir(f.RejectedFile))
		require.Equal(t, []string{"x", "y"}[i], readRejected(t, f.RejectedFile)[0].Raw)
	}
}

// Files that nobody on this project made arrive to the last line.
func TestRealFiles(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "data")
	for _, name := range []string{"nextflow", "focus", "ecom", "bpic2012"} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name == "bpic2012" {
				t.Skip("large")
			}
			data, err := os.ReadFile(filepath.Join(root, name, "expected.json"))
			if errors.Is(err, os.ErrNotExist) {
				t.Skipf("%s is absent", root)
			}
			require.NoError(t, err)
			var expected struct{ Events map[string]int }
			require.NoError(t, json.Unmarshal(data, &expected))
			want := 0
			for _, n := range expected.Events {
				want += n
			}
			if want == 0 {
				want = 1000 // focus tells money only
			}
			c, cl := startCollector(t)
			sum, err := Run(t.Context(), Config{
				Files: []string{filepath.Join(root, name, "events.ndjson.gz")}, Client: cl,
				Rejected: filepath.Join(t.TempDir(), "rejected"),
			})
			require.NoError(t, err)
			require.Zero(t, sum.Counts().Rejected, sum.String())
			require.EqualValues(t, want, sum.Counts().Accepted+sum.Counts().Duplicates)
			require.EqualValues(t, want, sum.Files[0].Lines)
			require.Equal(t, want, c.distinct())
		})
	}
}
